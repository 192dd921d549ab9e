"""Flow matching (Lipman et al., ICLR 2023; rectified flow, Liu et al., ICLR 2023): straight ways from noise to motions.

x_t = (1 - t) x_0 + t e, whose velocity e - x_0 a network predicts; sampling integrates it from t = 1 to 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sopo.diffusion.process import MAX_SNR, Chain, Denoiser, Process
from sopo.diffusion.settings import Sampling
from sopo.randomness import Draws

LEAST_TIME = 0.05  # trained on: below it a velocity would be told from rounding


@dataclass(frozen=True)
class FlowChain(Chain):
    """Steps and levels are times, from 1 to 0. heun: the mean of the velocities at both ends of a step."""

    heun: bool = False

    def step(self, place: int) -> tuple[float, float, float]:
        """Of Euler's step. A DDIM step between the same levels is this one, and eta 1 is DDPM's posterior."""
        time, after = self.levels[place : place + 2]
        variance = after**2 - ((1 - time) * after**2 / ((1 - after) * time)) ** 2 if self.eta else 0.0
        return 1 - after, max(0.0, after**2 - variance) ** 0.5, variance


class Flow(Process):
    """Times are spread by ``shift``: above 1 towards noise, where a motion is decided (Esser et al. 2024, Eq. 23).

    They are drawn with normal logits, of mean log(shift) ("rf/lognorm(0, 1)" there), and sampled at u / (u + (1 - u) /
    shift) for evenly spaced u.
    """

    def __init__(self, shift: float = 1.0, default_steps: int = 10) -> None:
        self.shift, self.default_steps = shift, default_steps

    def add_noise(self, x: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        time = step.to(x.dtype).view(-1, *(1,) * (x.ndim - 1))
        return (1 - time) * x + time * noise

    def draw_steps(self, draws: Draws, noisiest: float = 1.0) -> Tensor:
        return self._times(1 - noisiest * draws.uniform())

    def snr_weight(self, step: Tensor) -> Tensor:
        every = self._times((torch.arange(1000, device=step.device) + 0.5) / 1000)
        return _snr_weight(step) / _snr_weight(every).mean()

    def chain(self, sampling: Sampling) -> FlowChain:
        """ "ddim" is Euler, as it is the same step."""
        sampling.refuse_tokens()
        count = sampling.steps or self.default_steps
        even = [1 - place / count for place in range(count + 1)]
        times = tuple(u / (u + (1 - u) / self.shift) for u in even)
        return FlowChain(times[:-1], times, float(sampling.sampler == "ddpm"), sampling.sampler == "heun")

    def parts(self, x: Tensor, out: Tensor, level: float | Tensor) -> tuple[Tensor, Tensor]:
        return x - level * out, x + (1 - level) * out

    def advance(self, denoiser: Denoiser, x: Tensor, chain: Chain, place: int) -> Tensor:
        time, after = chain.levels[place : place + 2]
        if not (isinstance(chain, FlowChain) and chain.heun and after > 0):  # no velocity is known at 0
            return super().advance(denoiser, x, chain, place)

        def velocity(x: Tensor, time: float) -> Tensor:
            return denoiser(x, torch.full((len(x),), time, device=x.device))

        first = velocity(x, time)
        second = velocity(x + (after - time) * first, after)
        return x + (after - time) * (first + second) / 2

    def _times(self, share: Tensor) -> Tensor:
        """The times that so large a share of all draws lies below."""
        logits = math.log(self.shift) + torch.special.ndtri(share)
        return logits.sigmoid().clamp(min=LEAST_TIME)


def _snr_weight(time: Tensor) -> Tensor:
    # The error of the velocity is that of x_0 divided by the time's square.
    return torch.minimum((1 - time).square(), MAX_SNR * time.square())
