"""Whether a policy believes its samples: over exact ones the mean of h is not negative, over those of few steps it is.

Policy and reference are the exact denoisers of two Gaussians, so nothing is trained; h is the reference's squared error
less the policy's, as for the generators.
"""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from sopo.diffusion.process import Denoiser
from sopo.diffusion.schedule import Diffusion
from sopo.diffusion.settings import Sampling

Name = Literal["ddpm", "ddim"]
SCHEDULE = Diffusion(50)
POLICY, REFERENCE = 1.3, 0.8  # deviations


def denoiser(deviation: float) -> Denoiser:
    """The best estimate of the clean value of a centred Gaussian of that deviation."""

    def estimate(x: Tensor, step: Tensor) -> Tensor:
        level = SCHEDULE.alpha_bar[step].view(-1, 1)
        return x * level.sqrt() * deviation**2 / (level * deviation**2 + 1 - level)

    return estimate


def mean_h(x: Tensor) -> Tensor:
    """Over the draws of each noise level, [steps]."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for step in range(SCHEDULE.steps):
        steps = torch.full((len(x),), step)
        noisy = SCHEDULE.add_noise(x, torch.randn(x.shape, generator=generator, dtype=x.dtype), steps)
        policy, reference = (denoiser(deviation)(noisy, steps) for deviation in (POLICY, REFERENCE))
        found.append(((x - reference) ** 2 - (x - policy) ** 2).mean())
    return torch.stack(found)


def rollout(sampler: Name, steps: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)

    def noise() -> Tensor:
        return torch.randn(20000, 1, generator=generator, dtype=torch.float64)

    return SCHEDULE.sample(denoiser(POLICY), noise, Sampling(sampler, steps, 1.0))


def test_the_policy_explains_its_exact_samples_best() -> None:
    exact = POLICY * torch.randn(20000, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert (mean_h(exact) > -1e-4).all()


@pytest.mark.parametrize(("sampler", "steps"), [("ddpm", 50), ("ddpm", 25), ("ddim", 50)])
def test_many_steps_draw_what_the_policy_finds_likely(sampler: Name, steps: int) -> None:
    assert mean_h(rollout(sampler, steps)).mean() > 0


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_few_steps_draw_too_little_variance_and_the_policy_disowns_it(sampler: Name) -> None:
    x = rollout(sampler, 3)
    assert x.std() < 0.7 * POLICY
    assert mean_h(x).mean() < 0
