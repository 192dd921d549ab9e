"""The noise schedule and the samplers, from diffusers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

from sopo.errors import UserError

Prediction = Literal["sample", "epsilon"]
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
    """A cosine schedule of ``steps`` (MDM, ``squaredcos_cap_v2``), forward process and samplers."""

    def __init__(self, steps: int, prediction: Prediction = "sample") -> None:
        self.steps = steps
        self.prediction = prediction
        self.settings = {
            "num_train_timesteps": steps,
            "beta_schedule": "squaredcos_cap_v2",
            "prediction_type": prediction,
            "clip_sample": False,
        }
        self.forward_process = DDPMScheduler(**self.settings)

    def add_noise(self, x: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """q(x_t | x_0): x, noise [B, ...], step [B] int64 -> [B, ...]."""
        return self.forward_process.add_noise(x, noise, step)

    def target(self, x: Tensor, noise: Tensor) -> Tensor:
        """What the network is trained to predict."""
        return x if self.prediction == "sample" else noise

    def sample(self, denoiser: Denoiser, noise: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
        """Denoise ``noise`` [B, ...] step by step; DDIM is deterministic (eta 0), DDPM draws from ``generator``."""
        steps = sampling.steps or self.steps
        if steps > self.steps:
            raise UserError(f"sampling steps is {steps}, the model was trained with {self.steps}")
        # Trailing spacing starts at pure noise, where the model was trained to start, however few the steps.
        kind = DDIMScheduler if sampling.sampler == "ddim" else DDPMScheduler
        scheduler = kind(**self.settings, timestep_spacing="trailing")
        scheduler.set_timesteps(steps, device=noise.device)
        x = noise
        for step in scheduler.timesteps:
            prediction = denoiser(x, step.expand(len(x)))
            x = scheduler.step(prediction, step, x, generator=generator).prev_sample
        return x
