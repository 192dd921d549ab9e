"""How the loop optimises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sopo.errors import UserError


@dataclass(frozen=True)
class LoopConfig:
    """How to optimise."""

    steps: int = 1000
    batch_size: int = 64  # over all processes
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    warmup: int = 0  # steps of linear warm-up
    decay: Literal["none", "cosine"] = "none"
    gradient_clip: float = 1.0  # 0: none
    ema: float = 0.0  # decay of the averaged weights; 0: none
    seed: int = 0
    checkpoint_every: int = 200  # steps; 0: only at the end
    precision: Literal["no", "bf16", "fp16"] = "no"

    def __post_init__(self) -> None:
        limits = {"steps": 1, "batch_size": 1, "warmup": 0, "gradient_clip": 0, "checkpoint_every": 0}
        for name, least in limits.items():
            if getattr(self, name) < least:
                raise UserError(f"{name} is {getattr(self, name)}: must be at least {least}")
        if not 0 < self.learning_rate < 1:
            raise UserError(f"learning_rate is {self.learning_rate}: must lie between 0 and 1")
        if not 0 <= self.ema < 1:
            raise UserError(f"ema is {self.ema}: a decay lies in [0, 1)")

    def rate(self, step: int) -> float:
        """The learning rate of step ``step`` (from 0)."""
        warm = min(1.0, (step + 1) / (self.warmup + 1))
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps)) if self.decay == "cosine" else 1.0
        return self.learning_rate * warm * cosine
