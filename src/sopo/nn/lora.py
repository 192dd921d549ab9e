"""LoRA (Hu et al., ICLR 2022): frozen weights, each with a trainable change of low rank.

The change is added to the weight, not to the layer's output as in peft: torch's fused attention layers, which samples
are drawn with, read the weights and never call the layers inside, so adapters around those would be left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class _Change(nn.Module):
    """W -> W + up @ down, which is W at the start."""

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = weight.shape
        rank = min(rank, rows, columns)
        bound = columns**-0.5  # a linear layer's own start
        self.down = nn.Parameter(bound * (2 * torch.rand(rank, columns, generator=generator) - 1))
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def add_adapters(model: nn.Module, rank: int, seed: int) -> None:
    """Freeze ``model``, but for a change of that rank to each linear and attention weight that could train."""
    generator = torch.Generator().manual_seed(seed)
    places = list(_linear_weights(model))
    model.requires_grad_(False)
    for module, name in places:
        parametrize.register_parametrization(module, name, _Change(getattr(module, name), rank, generator))


def merge_adapters(model: nn.Module) -> None:
    """Make the changes a part of the weights; copies made of ``model`` meanwhile are of no use afterwards."""
    for module in list(model.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):  # type: ignore[arg-type]
                merged = nn.Parameter(getattr(module, name).detach())
                parametrize.remove_parametrizations(module, name, leave_parametrized=False)
                setattr(module, name, merged)


def _linear_weights(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for module in model.modules():
        if isinstance(module, nn.Linear) and module.weight.requires_grad:
            yield module, "weight"
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight.requires_grad:
            yield module, "in_proj_weight"
