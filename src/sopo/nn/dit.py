"""The blocks of a diffusion transformer (DiT, Peebles and Xie, ICCV 2023), with attention to the text's tokens."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DiTBlock(nn.Module):
    """Self-attention, attention to a memory, feed-forward: each scaled, shifted and gated by one vector (adaLN-Zero).

    At the start all gates are 0, so that a block passes on what it is given.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(3))
        self.attend_frames = Attention(width, heads)
        self.attend_text = Attention(width, heads)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward), nn.GELU(), nn.Dropout(dropout), nn.Linear(feedforward, width)
        )
        self.modulate = nn.Linear(width, 9 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, vector: Tensor, mask: Tensor, memory_mask: Tensor) -> Tensor:
        """x [N, n, W], memory [N, L, W], vector [N, W], masks [N, n] and [N, L] (True = valid) -> [N, n, W]."""
        changes = self.modulate(F.silu(vector))[:, None].chunk(9, dim=-1)
        parts = (
            lambda y: self.attend_frames(y, y, mask),
            lambda y: self.attend_text(y, memory, memory_mask),
            self.feedforward,
        )
        for norm, part, shift, scale, gate in zip(self.norms, parts, *(changes[i::3] for i in range(3)), strict=True):
            x = x + gate * self.drop(part(norm(x) * (1 + scale) + shift))
        return x


class Attention(nn.Module):
    """Multi-head attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """x [N, n, W] asks memory [N, L, W] where mask [N, L] is True -> [N, n, W]."""
        parts = self.query(x), *self.key_value(memory).chunk(2, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        out = F.scaled_dot_product_attention(query, key, value, mask[:, None, None])
        return self.out(out.transpose(1, 2).flatten(2))
