"""How motions are drawn from a diffusion model."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from sopo.errors import UserError
from sopo.settings import Natural, Range, Settings

Prediction = Literal["sample", "epsilon"]
Schedule = Literal["cosine", "scaled-linear"]
Guidance = Annotated[float, Range(-1000, 1000)]
Temperature = Annotated[float, Range(0, 1000)]
TopShare = Annotated[float, Range(0, 1, "(]")]


@dataclass(frozen=True)
class Sampling(Settings):
    """How to draw motions: the sampler, its steps (0: the model's own number of them), the guidance scale.

    Flows are integrated by euler, which ddim is another name of there, or by heun, whose steps cost two answers of the
    network each but for the last; ddpm draws from the posterior, as of a diffusion.
    The rest is of MoMask's tokens. temperature: below 1 likely tokens become likelier, 0 draws the likeliest alone.
    top_share: of all ids, the likeliest that are drawn from; by default 0.1 (published as topkr 0.9), with ddpm all.
    residual_*: the same of the residual tokens, and their own guidance scale (by default the model's, published 5).
    """

    sampler: Literal["ddpm", "ddim", "euler", "heun"] = "ddim"
    steps: Natural = 0
    guidance: Guidance = 2.5
    temperature: Temperature = 1.0
    top_share: TopShare | None = None
    residual_guidance: Guidance | None = None
    residual_temperature: Temperature = 1.0
    residual_top_share: TopShare | None = None

    def refuse_tokens(self) -> None:
        """UserError if a setting of tokens was changed, for a model that has none."""
        for field in fields(self)[3:]:
            if getattr(self, field.name) != field.default:
                raise UserError(f"{field.name} is of MoMask's tokens; this model has steps and a guidance scale alone")

    def refuse_integrators(self) -> None:
        """UserError if the sampler is one of flows alone."""
        if self.sampler in ("euler", "heun"):
            raise UserError(f"sampler is {self.sampler}, which is of flows; this model takes ddim or ddpm")
