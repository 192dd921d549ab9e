"""Features to zero mean and unit deviation, and the way back."""

from __future__ import annotations

from typing import Self

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sopo.errors import UserError


class Normalizer(nn.Module):
    """Mean and deviation [D] as buffers, so that they travel with the model that uses them."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        """mean, std: [D]. Raises UserError unless both are finite, equally long, and std positive."""
        super().__init__()
        if mean.ndim != 1 or mean.shape != std.shape:
            raise UserError(f"statistics of shapes {list(mean.shape)} and {list(std.shape)}; expected [D] twice")
        self.register_buffer("mean", mean.float().clone())
        self.register_buffer("std", std.float().clone())
        _check(self)
        self.register_load_state_dict_post_hook(_check)

    @classmethod
    def from_arrays(cls, mean: NDArray, std: NDArray) -> Self:
        """From the arrays of Mean.npy and Std.npy, [D] each."""
        return cls(torch.as_tensor(mean), torch.as_tensor(std))

    def normalize(self, x: Tensor) -> Tensor:
        """Raw features [..., D] -> normalised."""
        return (x - self.mean) / self.std

    def denormalize(self, x: Tensor) -> Tensor:
        """Normalised features [..., D] -> raw."""
        return x * self.std + self.mean


def _check(normalizer: Normalizer, *loaded: object) -> None:
    mean, std = normalizer.mean, normalizer.std
    if mean.is_meta:  # has no values yet
        return
    if not (torch.isfinite(mean).all() and torch.isfinite(std).all() and (std > 0).all()):
        raise UserError("statistics: mean and std must be finite and std positive; recompute them")
