"""Positions and diffusion steps as vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sopo.errors import UserError


def sinusoids(positions: int, width: int) -> Tensor:
    """[positions, width] float32: sines on even, cosines on odd columns, base 10000 (Vaswani et al.).

    Computed in float32 as the published tables are; a float64 table differs by up to 3e-5.
    """
    table = torch.empty(positions, width)
    return table if table.is_meta else waves(torch.arange(positions, dtype=torch.float32), width)  # its size alone


def waves(position: Tensor, width: int) -> Tensor:
    """The sinusoids of any positions [N], which may lie between whole numbers: [N, width]."""
    table = torch.empty(len(position), width, device=position.device)
    frequency = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
    angle = position[:, None] * frequency.to(position.device)
    table[:, 0::2] = torch.sin(angle)
    table[:, 1::2] = torch.cos(angle)
    return table


def first_positions(positions: Tensor, count: int) -> Tensor:
    """The first ``count`` rows of a table [P, W]; UserError if a model has fewer."""
    if count > len(positions):
        raise UserError(f"a sequence of {count}, above the {len(positions)} positions of this model; give shorter ones")
    return positions[:count]


class StepEmbedding(nn.Module):
    """A diffusion step's sinusoid through two linear layers (MDM's ``TimestepEmbedder``)."""

    table: Tensor

    def __init__(self, width: int, positions: int = 5000, sinusoid: int | None = None) -> None:
        """sinusoid: its width, ``width`` unless given."""
        super().__init__()
        self.register_buffer("table", sinusoids(positions, sinusoid or width), persistent=False)
        self.mlp = nn.Sequential(nn.Linear(sinusoid or width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, step: Tensor) -> Tensor:
        """step [B] int64 -> [B, width]."""
        return self.mlp(self.table[step])


class TimeEmbedding(nn.Module):
    """A time in [0, 1] as ``StepEmbedding`` embeds a step of a thousand."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time: Tensor) -> Tensor:
        """time [B] -> [B, width]."""
        return self.mlp(waves(1000 * time, self.width))
