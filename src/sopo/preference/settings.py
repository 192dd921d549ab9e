"""What an objective is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.preference.methods import method_by_name
from sopo.settings import Natural, Positive, Range, Settings

Weight = Annotated[float, Range(0)]


@dataclass(frozen=True)
class PreferenceConfig(Settings):
    """The letters of the paper, and the constant that its T omega_t stands for."""

    method: str = "sopo"
    K: Positive = 4  # samples a caption
    tau: float | str = "q0.5"  # a reward, or a quantile of the real pairs' rewards
    beta: Annotated[float, Range(0, ends="(]")] = 1.0
    C: Annotated[float, Range(1)] = 2.0  # below it a near motion would get a negative weight (Sec. 4.3)
    scale: Annotated[float, Range(0, ends="(]")] = 1.0  # T omega_t, multiplies h
    weighting: Literal["constant", "snr"] = "constant"  # omega_t over the steps, of mean 1: SNR clipped (diffusion)
    noisiest: Annotated[float, Range(0, 1, "(]")] = 1.0  # share of the noise levels that h is estimated at
    pair_noise: Literal["own", "shared"] = "own"  # of the motions compared: each its own, or one for all (diffusion)
    draws: Positive = 1  # of steps and noises that h of a motion is averaged over
    rollout: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 1.0))
    rollout_precision: Literal["no", "bf16"] = "no"  # samples are drawn and decoded in; the rest is not
    rollout_compile: bool = False  # draw them by torch.compile: a minute at the start, then faster on a GPU
    anchor: Weight = 0.0  # times the error on the real motions, at all noise levels, is added to any method's loss
    anchor_jerk: Weight = 0.0  # times the error of the third differences over frames, added to the anchor's error
    penalty: Weight = 0.0  # of the distance to the reference, for reward-gradient (error) and policy-gradient (KL)
    last_steps: Natural = 0  # of the rollout that reward-gradient goes back through (DRaFT-K); 0: one, drawn at random
    min_gap: Weight = 0.0  # a group counts only if the winner's reward is so far above the loser's
    veto: tuple[Literal["skating", "jitter", "floor"], ...] = ()  # ... and the winner is no worse than the loser there
    stop_on_winner_rise: bool = False  # end the run where the winners' error rises above the reference's

    def __post_init__(self) -> None:
        super().__post_init__()
        method = method_by_name(self.method)
        if method.objective != "pairs" and (self.rollout_precision != "no" or self.rollout_compile):
            raise UserError(f"{self.method} goes back through its samples: no rollout_precision, no rollout_compile")
        if method.least_samples > self.K:
            raise UserError(f"K is {self.K}: {self.method} compares at least {method.least_samples} samples")
        if self.anchor_jerk and not self.anchor:
            raise UserError("anchor_jerk is a part of the anchor, which is 0: give --anchor too, or --anchor_jerk 0")
        if (self.min_gap or self.veto) and not method.has_groups:
            raise UserError(f"min_gap and veto compare motions, which {self.method} does not: leave them out")
