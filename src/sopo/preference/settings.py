"""What an objective is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.preference.methods import method_by_name


@dataclass(frozen=True)
class PreferenceConfig:
    """The letters of the paper, and the constant that its T omega_t stands for."""

    method: str = "sopo"
    K: int = 4  # samples a caption
    tau: float | str = "q0.5"  # a reward, or a quantile of the real pairs' rewards
    beta: float = 1.0
    C: float = 2.0
    scale: float = 1.0  # T omega_t, multiplies h
    weighting: Literal["constant", "snr"] = "constant"  # omega_t over the steps, of mean 1: SNR clipped (diffusion)
    noisiest: float = 1.0  # h is estimated at this share of the noise levels, the noisiest (1: t ~ U, as published)
    pair_noise: Literal["own", "shared"] = "own"  # of the motions compared: each its own, or one for all (diffusion)
    draws: int = 1  # of steps and noises that h of a motion is averaged over
    rollout: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 1.0))
    anchor: float = 0.0  # times the error on the real motions, at all noise levels, is added to any method's loss
    penalty: float = 0.0  # of the distance to the reference, for reward-gradient (error) and policy-gradient (KL)
    last_steps: int = 0  # of the rollout that reward-gradient goes back through (DRaFT-K); 0: one, drawn at random
    stop_on_winner_rise: bool = False  # end the run where the winners' error rises above the reference's

    def __post_init__(self) -> None:
        method = method_by_name(self.method)
        if method.least_samples > self.K:
            raise UserError(f"K is {self.K}: {self.method} compares at least {method.least_samples} samples")
        for name in ("anchor", "penalty", "last_steps"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} is {getattr(self, name)}: must not be negative")
        if self.beta <= 0 or self.scale <= 0:
            raise UserError(f"beta is {self.beta} and scale is {self.scale}: both must be above 0")
        if self.weighting not in ("constant", "snr"):
            raise UserError(f"weighting is {self.weighting!r}: choose constant or snr")
        if self.pair_noise not in ("own", "shared"):
            raise UserError(f"pair_noise is {self.pair_noise!r}: choose own or shared")
        if self.draws < 1:
            raise UserError(f"draws is {self.draws}: h needs at least one")
        if not 0 < self.noisiest <= 1:
            raise UserError(f"noisiest is {self.noisiest}: a share of the noise levels, above 0 and up to 1")
        if self.C < 1:
            raise UserError(f"C is {self.C}: below 1 a near motion would get a negative weight (Sec. 4.3)")
