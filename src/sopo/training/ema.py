"""An exponential moving average of a module's trainable weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """Averages of the parameters that require a gradient; decay 0 follows them exactly."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.live = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self.live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the weights after optimiser step ``step`` (from 1); early steps average over fewer."""
        decay = min(self.decay, step / (step + 9))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self.live.values()], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module carries the averaged weights inside this context."""
        kept = {name: p.detach().clone() for name, p in self.live.items()}
        self.copy_in(self.average)
        try:
            yield
        finally:
            self.copy_in(kept)

    @torch.no_grad()
    def copy_in(self, values: dict[str, Tensor]) -> None:
        """Set the module's weights to ``values``."""
        for name, parameter in self.live.items():
            parameter.copy_(values[name])

    def state_dict(self) -> dict[str, Tensor]:
        return self.average

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, value in state.items():
            self.average[name].copy_(value)
