"""What diffusion and flow matching share: a noisy x at a level, and a chain of steps from noise to a motion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from sopo.diffusion.settings import Sampling
from sopo.randomness import Draws

MAX_SNR = 5.0
Denoiser = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Chain(ABC):
    """A way from noise to a motion.

    steps: visited, noisiest first, as the network is told them. levels: before each of them, and behind the last, as
    ``Process.parts`` takes them. eta: 0 where a step follows from x, 1 for the posterior that DDPM draws from.
    """

    steps: tuple[float, ...]
    levels: tuple[float, ...]
    eta: float = 0.0

    @abstractmethod
    def step(self, place: int) -> tuple[float, float, float]:
        """x behind step number ``place`` is Gaussian: the weights of x_0 and epsilon in its mean, its variance."""

    def tail(self, first: int) -> Self:
        """What is left of the way from step number ``first`` on."""
        return replace(self, steps=self.steps[first:], levels=self.levels[first:])


class Process(ABC):
    """How motions become noise, and the way back."""

    @abstractmethod
    def add_noise(self, x: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """q(x_t | x_0): x, noise [B, ...], step [B] -> [B, ...]."""

    @abstractmethod
    def draw_steps(self, draws: Draws, noisiest: float = 1.0) -> Tensor:
        """Where to look at the error, [rows], of the noisiest share of what is trained on."""

    @abstractmethod
    def snr_weight(self, step: Tensor) -> Tensor:
        """Min-SNR weight of the error at each step [N], of mean 1 over all draws (Hang et al. 2023, gamma 5)."""

    @abstractmethod
    def chain(self, sampling: Sampling) -> Chain:
        """The steps that a sampling visits; UserError if they are none of this process, or if it sets tokens."""

    @abstractmethod
    def parts(self, x: Tensor, out: Tensor, level: float | Tensor) -> tuple[Tensor, Tensor]:
        """(x_0, epsilon) that the network's answer ``out`` to x at a level stands for."""

    def follow(
        self, denoiser: Denoiser, noise: Callable[[], Tensor], chain: Chain, visited: list[Tensor] | None = None
    ) -> Tensor:
        """Denoise from ``noise()`` along a chain; ``visited`` gets x as each of its steps finds it."""
        x = noise()
        for place in range(len(chain.steps)):
            if visited is not None:
                visited.append(x)
            x = self.advance(denoiser, x, chain, place)
            variance = chain.step(place)[2]
            if variance > 0:
                x = x + variance**0.5 * noise()
        return x

    def advance(self, denoiser: Denoiser, x: Tensor, chain: Chain, place: int) -> Tensor:
        """The mean of x behind step number ``place``."""
        out = denoiser(x, torch.full((len(x),), chain.steps[place], device=x.device))
        clean, epsilon = self.parts(x, out, chain.levels[place])
        of_clean, of_epsilon, _ = chain.step(place)
        return of_clean * clean + of_epsilon * epsilon
