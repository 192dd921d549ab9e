"""What sizes networks have, and how much of one trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sopo.errors import UserError
from sopo.settings import Natural, Range, Settings

# Generous for this field, and small enough that no folder of a stranger names what cannot be built.
Features = Annotated[int, Range(1, 4096)]  # of a frame
Width = Annotated[int, Range(1, 16384)]
Layers = Annotated[int, Range(1, 64)]
TextLayers = Annotated[int, Range(0, 64)]
Heads = Annotated[int, Range(1, 256)]
Tokens = Annotated[int, Range(1, 1024)]
FramesPerToken = Annotated[int, Range(1, 64)]
TokenWindow = Literal[1, 3, 5]
Positions = Annotated[int, Range(1, 10_000)]
Steps = Annotated[int, Range(1, 10_000)]  # of a diffusion


def check_heads(width: int, heads: int) -> None:
    """UserError unless heads share ``width`` evenly, and the positions' sines and cosines do."""
    if width % heads or width % 2:
        raise UserError(f"width is {width}: must be even, and a multiple of heads = {heads}")


@dataclass(frozen=True)
class LoRAConfig(Settings):
    """How much of a model trains."""

    rank: Natural = 0  # of each linear layer's change; 0: all weights train
