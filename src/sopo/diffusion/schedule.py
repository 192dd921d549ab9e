"""The noise schedule, from diffusers, and the samplers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sopo.errors import UserError

Prediction = Literal["sample", "epsilon"]
Schedule = Literal["cosine", "scaled-linear"]
MAX_SNR = 5.0
Denoiser = Callable[[Tensor, Tensor], Tensor]


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


class Diffusion:
    """A schedule of ``steps``: MDM's cosine or MLD's scaled-linear one; forward process and samplers."""

    def __init__(self, steps: int, prediction: Prediction = "sample", schedule: Schedule = "cosine") -> None:
        # Here, as it takes more than a second: commands that only read flags shall not wait for it.
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

        self.steps = steps
        self.prediction = prediction
        self.schedule = schedule
        self.forward_process = (
            DDPMScheduler(steps, beta_schedule="squaredcos_cap_v2")
            if schedule == "cosine"
            else DDPMScheduler(steps, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        )
        self.alpha_bar = (1 - self.forward_process.betas.double()).cumprod(0)

    def add_noise(self, x: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """q(x_t | x_0): x, noise [B, ...], step [B] int64 -> [B, ...]."""
        return self.forward_process.add_noise(x, noise, step)

    def target(self, x: Tensor, noise: Tensor) -> Tensor:
        """What the network is trained to predict."""
        return x if self.prediction == "sample" else noise

    def snr_weight(self, step: Tensor) -> Tensor:
        """Min-SNR weight of the error at each step [N], of mean 1 over all steps (Hang et al. 2023, gamma 5)."""
        snr = self.alpha_bar / (1 - self.alpha_bar)
        weight = snr.clamp(max=MAX_SNR) / (snr if self.prediction == "epsilon" else 1.0)
        return (weight / weight.mean()).float().to(step.device)[step]

    def sample(self, denoiser: Denoiser, noise: Callable[[], Tensor], sampling: Sampling) -> Tensor:
        """Denoise step by step from ``noise()``, standard normal [B, ...]; DDPM asks for more on the way.

        The step of Song et al. (DDIM), Eqs. 12 and 16: eta 0 is DDIM, eta 1 DDPM's posterior. Written out, as
        diffusers strides by the whole quotient and misses the noise levels when ``steps`` does not divide.
        """
        steps = sampling.steps or self.steps
        if steps > self.steps:
            raise UserError(f"sampling steps is {steps}, the model was trained with {self.steps}")
        eta = float(sampling.sampler == "ddpm")
        timesteps, last = self._timesteps(steps)
        levels = [*self.alpha_bar[timesteps].tolist(), last]
        x = noise()
        for step, level, after in zip(timesteps, levels, levels[1:], strict=False):
            out = denoiser(x, torch.full((len(x),), step, device=x.device))
            if self.prediction == "sample":
                clean, epsilon = out, (x - level**0.5 * out) / (1 - level) ** 0.5
            else:
                clean, epsilon = (x - (1 - level) ** 0.5 * out) / level**0.5, out
            variance = eta * (1 - after) / (1 - level) * (1 - level / after)
            x = after**0.5 * clean + max(0.0, 1 - after - variance) ** 0.5 * epsilon
            if variance > 0:
                x = x + variance**0.5 * noise()
        return x

    def _timesteps(self, steps: int) -> tuple[list[int], float]:
        """The steps to visit, noisiest first, and the level of signal that is reached behind the last."""
        if self.schedule == "scaled-linear":  # as MLD: "leading" from 1 (981, ..., 21, 1), never quite clean
            return [(steps - 1 - i) * (self.steps // steps) + 1 for i in range(steps)], self.alpha_bar[0].item()
        # Trailing spacing starts at pure noise, where the model was trained to start, however few the steps.
        return [round(self.steps * (steps - i) / steps) - 1 for i in range(steps)], 1.0
