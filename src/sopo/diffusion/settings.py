"""How motions are drawn from a diffusion model."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from sopo.errors import UserError

Prediction = Literal["sample", "epsilon"]
Schedule = Literal["cosine", "scaled-linear"]


@dataclass(frozen=True)
class Sampling:
    """How to draw motions: the sampler, its steps (0: all the model was trained with), the guidance scale.

    The rest is of MoMask's tokens. temperature: below 1 likely tokens become likelier, 0 draws the likeliest alone.
    top_share: of all ids, the likeliest that are drawn from; by default 0.1 (published as topkr 0.9), with ddpm all.
    residual_*: the same of the residual tokens, and their own guidance scale (by default the model's, published 5).
    """

    sampler: Literal["ddpm", "ddim"] = "ddim"
    steps: int = 0
    guidance: float = 2.5
    temperature: float = 1.0
    top_share: float | None = None
    residual_guidance: float | None = None
    residual_temperature: float = 1.0
    residual_top_share: float | None = None

    def __post_init__(self) -> None:
        if self.sampler not in ("ddpm", "ddim"):
            raise UserError(f"sampler is {self.sampler!r}: choose ddpm or ddim")
        if self.steps < 0:
            raise UserError(f"sampling steps is {self.steps}: give 0 (all) or more")
        for name in ("temperature", "residual_temperature"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} is {getattr(self, name)}: give 0 or more")
        for name in ("top_share", "residual_top_share"):
            if not 0 < (1 if getattr(self, name) is None else getattr(self, name)) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}: give more than 0, at most 1")

    def refuse_tokens(self) -> None:
        """UserError if a setting of tokens was changed, for a model that has none."""
        for field in fields(self)[3:]:
            if getattr(self, field.name) != field.default:
                raise UserError(f"{field.name} is of MoMask's tokens; this model has steps and a guidance scale alone")
