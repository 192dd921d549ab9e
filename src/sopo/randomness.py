"""Random draws as a function of (seed, step, sample).

A step's draws never depend on what ran before or on how many processes share its batch: every process
draws for the whole global batch and keeps its rows. So a resumed run and a sharded run repeat a plain one.
"""

from __future__ import annotations

import copy
import hashlib

import numpy as np
import torch
from torch import Tensor


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from numbers and words, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


class Draws:
    """Random numbers for rows start..stop of a global batch of ``total`` samples."""

    def __init__(
        self, seed: int, total: int, start: int = 0, stop: int | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.generator = torch.Generator(device).manual_seed(seed)
        self.device = torch.device(device)
        self.total, self.start, self.stop = total, start, total if stop is None else stop
        self.index: Tensor | None = None

    def at(self, index: Tensor) -> Draws:
        """The draws of some of the rows, ``index`` [N], from the same stream."""
        some = copy.copy(self)
        some.index = index
        return some

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, [rows, *shape] float32."""
        return self._own(torch.randn(self.total, *shape, generator=self.generator, device=self.device))

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1), [rows, *shape] float32."""
        return self._own(torch.rand(self.total, *shape, generator=self.generator, device=self.device))

    def integers(self, high: int, *shape: int) -> Tensor:
        """Uniform in 0..high-1, [rows, *shape] int64."""
        return self._own(torch.randint(high, (self.total, *shape), generator=self.generator, device=self.device))

    def _own(self, values: Tensor) -> Tensor:
        rows = values[self.start : self.stop]
        return rows if self.index is None else rows[self.index]


def numpy_rng(*parts: int | str) -> np.random.Generator:
    """A NumPy generator from the same kind of seed."""
    return np.random.default_rng(derive_seed(*parts))
