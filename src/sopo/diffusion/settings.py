"""How motions are drawn from a diffusion model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sopo.errors import UserError

Prediction = Literal["sample", "epsilon"]
Schedule = Literal["cosine", "scaled-linear"]


@dataclass(frozen=True)
class Sampling:
    """How to draw motions: the sampler, its steps (0: all the model was trained with), the guidance scale."""

    sampler: Literal["ddpm", "ddim"] = "ddim"
    steps: int = 0
    guidance: float = 2.5

    def __post_init__(self) -> None:
        if self.sampler not in ("ddpm", "ddim"):
            raise UserError(f"sampler is {self.sampler!r}: choose ddpm or ddim")
        if self.steps < 0:
            raise UserError(f"sampling steps is {self.steps}: give 0 (all) or more")
