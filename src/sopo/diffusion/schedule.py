"""Noise schedules, equal to the published ones to the last digit, and the samplers of diffusion."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sopo.diffusion.process import MAX_SNR, Chain, Denoiser, Process
from sopo.diffusion.settings import Prediction, Sampling, Schedule
from sopo.errors import UserError
from sopo.randomness import Draws


@dataclass(frozen=True)
class DiffusionChain(Chain):
    """Levels are those of signal (alpha bar). eta 0 is DDIM."""

    def step(self, place: int) -> tuple[float, float, float]:
        level, after = self.levels[place : place + 2]
        variance = self.eta**2 * (1 - after) / (1 - level) * (1 - level / after) if self.eta else 0.0
        return after**0.5, max(0.0, 1 - after - variance) ** 0.5, variance


class Diffusion(Process):
    """A schedule of ``steps``: MDM's cosine or MLD's scaled-linear one; forward process and samplers."""

    def __init__(self, steps: int, prediction: Prediction = "sample", schedule: Schedule = "cosine") -> None:
        self.steps = steps
        self.prediction = prediction
        self.schedule = schedule

    @cached_property
    def betas(self) -> Tensor:
        """[steps], in the type that the published code computes in."""
        return _cosine(self.steps) if self.schedule == "cosine" else _scaled_linear(self.steps)

    @cached_property
    def alpha_bar(self) -> Tensor:
        """Levels of signal [steps], float64."""
        # In the type of the betas, as published: another would differ in the last digits of a product of 1000.
        return (1 - self.betas).cumprod(0).double()

    def add_noise(self, x: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        # Roots in 64 bits, which not every device has, before they go to it.
        signal, rest = (
            level.sqrt().to(x.dtype).to(step.device)[step].view(-1, *(1,) * (x.ndim - 1))
            for level in (self.alpha_bar, 1 - self.alpha_bar)
        )
        return signal * x + rest * noise

    def target(self, x: Tensor, noise: Tensor) -> Tensor:
        """What the network is trained to predict."""
        return x if self.prediction == "sample" else noise

    def draw_steps(self, draws: Draws, noisiest: float = 1.0) -> Tensor:
        """t ~ U over the noisiest share of the steps, [rows] int64."""
        count = math.ceil(self.steps * noisiest)
        return self.steps - count + draws.integers(count)

    def snr_weight(self, step: Tensor) -> Tensor:
        snr = self.alpha_bar / (1 - self.alpha_bar)
        weight = snr.clamp(max=MAX_SNR) / (snr if self.prediction == "epsilon" else 1.0)
        return (weight / weight.mean()).float().to(step.device)[step]

    def chain(self, sampling: Sampling) -> DiffusionChain:
        sampling.refuse_tokens()
        sampling.refuse_integrators()
        steps = sampling.steps or self.steps
        if steps > self.steps:
            raise UserError(f"sampling steps is {steps}, the model was trained with {self.steps}")
        timesteps, last = self._timesteps(steps)
        return self._chain(timesteps, last, float(sampling.sampler == "ddpm"))

    def sample(self, denoiser: Denoiser, noise: Callable[[], Tensor], sampling: Sampling) -> Tensor:
        """Denoise step by step from ``noise()``, standard normal [B, ...]; DDPM asks for more on the way.

        Raises UserError if more steps are asked for than the model was trained with, or settings of tokens.
        """
        return self.follow(denoiser, noise, self.chain(sampling))

    def walk(
        self,
        denoiser: Denoiser,
        noise: Callable[[], Tensor],
        timesteps: Sequence[int],
        last: float = 1.0,
        eta: float = 0.0,
    ) -> Tensor:
        """Denoise from ``noise()`` at the first of ``timesteps`` along the others to the level of signal ``last``.

        The step of Song et al. (DDIM), Eqs. 12 and 16: eta 0 is DDIM, eta 1 DDPM's posterior. Written from level
        to level, so that any timesteps will do, whether or not their number divides that of the training.
        """
        return self.follow(denoiser, noise, self._chain(timesteps, last, eta))

    def _chain(self, timesteps: Sequence[int], last: float, eta: float) -> DiffusionChain:
        return DiffusionChain(tuple(timesteps), (*self.alpha_bar[list(timesteps)].tolist(), last), eta)

    def parts(self, x: Tensor, out: Tensor, level: float | Tensor) -> tuple[Tensor, Tensor]:
        if self.prediction == "sample":
            return out, (x - level**0.5 * out) / (1 - level) ** 0.5
        return (x - (1 - level) ** 0.5 * out) / level**0.5, out

    def _timesteps(self, steps: int) -> tuple[list[int], float]:
        """The steps to visit, noisiest first, and the level of signal that is reached behind the last."""
        if self.schedule == "scaled-linear":  # as MLD: "leading" from 1 (981, ..., 21, 1), never quite clean
            return [(steps - 1 - i) * (self.steps // steps) + 1 for i in range(steps)], self.alpha_bar[0].item()
        # Trailing spacing starts at pure noise, where the model was trained to start, however few the steps.
        return [round(self.steps * (steps - i) / steps) - 1 for i in range(steps)], 1.0


def _cosine(steps: int) -> Tensor:
    """MDM's betas [steps], float64."""
    time = torch.arange(steps + 1, dtype=torch.float64) / steps
    level = torch.cos((time + 0.008) / 1.008 * math.pi / 2).square()
    return (1 - level[1:] / level[:-1]).clamp(max=0.999)


def _scaled_linear(steps: int) -> Tensor:
    """MLD's betas [steps], float32."""
    return linspace32(0.00085**0.5, 0.012**0.5, steps).square()


def linspace32(start: float, end: float, steps: int) -> Tensor:
    """``torch.linspace`` in float32 as published numbers were made with it, [steps]: the same bits on every CPU.

    It counts from both ends. Where a CPU fuses the product with the sum, they are rounded once; here they always are.
    """
    first, last = torch.tensor([start, end], dtype=torch.float32)
    step = ((last - first) / max(1, steps - 1)).double()
    index = torch.arange(steps, dtype=torch.float64)
    return torch.where(index < max(1, steps // 2), first + index * step, last - (steps - 1 - index) * step).float()
