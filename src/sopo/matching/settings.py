"""Sizes of the matchers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sopo.nn.settings import Features, FramesPerToken, Heads, Layers, Width, check_heads
from sopo.settings import Range, Settings, Share

CONTACTS = 4  # the last features, foot contacts, are not looked at


@dataclass(frozen=True)
class TMRConfig(Settings):
    """Sizes. The defaults are for the embedded corpus (3.2 MB)."""

    features: Features = 263
    text_encoder: str = "hashed-256"
    width: Width = 96  # of the transformers and of the joint space
    feedforward: Width = 256
    layers: Layers = 2
    heads: Heads = 4
    dropout: Share = 0.1
    frames_per_token: FramesPerToken = 4  # 1 as published; 4 makes attention 16 times cheaper

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.width, self.heads)


@dataclass(frozen=True)
class GuoConfig(Settings):
    """Sizes. The defaults are for the embedded corpus (3.1 MB)."""

    features: Annotated[int, Range(CONTACTS + 1, 4096)] = 263
    words: str = "hashed-256"
    word_width: Width = 256
    max_words: Annotated[int, Range(1, 512)] = 40
    max_frames: Annotated[int, Range(4, 10_000)] = 196
    movement_hidden: Width = 128
    movement: Width = 128
    motion_hidden: Width = 128
    text_hidden: Width = 128
    width: Width = 128  # of the joint space
