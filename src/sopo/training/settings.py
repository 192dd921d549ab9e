"""How the loop optimises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from sopo.settings import Natural, Positive, Range, Rate, Seed, Settings


@dataclass(frozen=True)
class LoopConfig(Settings):
    """How to optimise."""

    steps: Positive = 1000
    batch_size: Positive = 64  # over all processes
    learning_rate: Rate = 1e-4
    weight_decay: Annotated[float, Range(0)] = 0.0
    warmup: Natural = 0  # steps of linear warm-up
    decay: Literal["none", "cosine"] = "none"
    gradient_clip: Annotated[float, Range(0)] = 1.0  # 0: none
    ema: Annotated[float, Range(0, 1, "[)")] = 0.0  # decay of the averaged weights; 0: none
    seed: Seed = 0
    checkpoint_every: Natural = 200  # steps; 0: only at the end
    precision: Literal["no", "bf16", "fp16"] = "no"
    micro_batch: Natural = 0  # of a process's motions, how many one pass takes; 0: all. Same gradient, less memory
    recompute: bool = False  # layers keep no activations for the way back: much less memory, a third more time
    track: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ("tensorboard",)  # get the numbers of log.jsonl

    def rate(self, step: int) -> float:
        """The learning rate of step ``step`` (from 0)."""
        warm = min(1.0, (step + 1) / (self.warmup + 1))
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps)) if self.decay == "cosine" else 1.0
        return self.learning_rate * warm * cosine
