"""The U-shaped transformer of MLD: the second half of the layers is fed what the first half gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class SkipTransformer(nn.Module):
    """``layers`` (odd) transformer layers; each of the last half joins the matching output of the first half.

    layer: makes one; encoder layers take ``forward(x, **masks)``, decoder layers ``forward(x, memory, **masks)``.
    """

    def __init__(self, layer: Callable[[], nn.Module], layers: int, width: int) -> None:
        super().__init__()
        assert layers % 2 == 1, "the config has checked it"
        half = layers // 2
        self.input_blocks = nn.ModuleList(layer() for _ in range(half))
        self.middle_block = layer()
        self.output_blocks = nn.ModuleList(layer() for _ in range(half))
        self.linear_blocks = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(half))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, *memory: Tensor, **masks: Any) -> Tensor:
        """x [N, L, W] -> [N, L, W]."""
        skipped = []
        for block in self.input_blocks:
            x = block(x, *memory, **masks)
            skipped.append(x)
        x = self.middle_block(x, *memory, **masks)
        for block, join in zip(self.output_blocks, self.linear_blocks, strict=True):
            x = block(join(torch.cat([x, skipped.pop()], dim=-1)), *memory, **masks)
        return self.norm(x)
