"""Means for the log, which add up over micro-batches and processes."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Mean(NamedTuple):
    """The mean over those rows of a part that have a say; of several parts it is that over all their rows.

    total, number: scalars. A plain scalar among a step's values is the mean over all rows of its part.
    """

    total: Tensor
    number: Tensor

    @classmethod
    def over(cls, rows: Tensor, each: Tensor) -> Mean:
        """Of each [B] where rows [B] is True."""
        return cls((each * rows).sum(), rows.sum())

    @property
    def value(self) -> Tensor:
        """0 where no row has a say."""
        return self.total / self.number.clamp(min=1)

    def detach(self) -> Mean:
        return Mean(self.total.detach(), self.number.detach())
