"""Sizes of the matchers."""

from __future__ import annotations

from dataclasses import dataclass

CONTACTS = 4  # the last features, foot contacts, are not looked at


@dataclass(frozen=True)
class TMRConfig:
    """Sizes. The defaults are for the embedded corpus (3.2 MB)."""

    features: int = 263
    text_encoder: str = "hashed-256"
    width: int = 96  # of the transformers and of the joint space
    feedforward: int = 256
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    frames_per_token: int = 4  # 1 as published; 4 makes attention 16 times cheaper


@dataclass(frozen=True)
class GuoConfig:
    """Sizes. The defaults are for the embedded corpus (3.1 MB)."""

    features: int = 263
    words: str = "hashed-256"
    word_width: int = 256
    max_words: int = 40
    max_frames: int = 196
    movement_hidden: int = 128
    movement: int = 128
    motion_hidden: int = 128
    text_hidden: int = 128
    width: int = 128  # of the joint space

    def __post_init__(self) -> None:
        sizes = [value for value in vars(self).values() if isinstance(value, int)]
        if min(sizes) < 1 or self.features <= CONTACTS:
            raise ValueError(f"sizes must be positive and features above {CONTACTS}: {self}")
