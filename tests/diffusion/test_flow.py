"""Flow matching against a distribution known exactly, and against diffusion at the same levels."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from sopo.diffusion.flow import LEAST_TIME, Flow
from sopo.diffusion.schedule import DiffusionChain
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.randomness import Draws

MEAN, DEVIATION = torch.tensor([1.5, -0.7], dtype=torch.float64), torch.tensor([0.4, 1.8], dtype=torch.float64)
NOISE = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None].expand(9, 2)

pytestmark = pytest.mark.usefixtures("float64")


def velocity(x: Tensor, time: Tensor) -> Tensor:
    """E[e - x_0 | x_t] of a Gaussian."""
    t = time[:, None]
    off = (x - (1 - t) * MEAN) / ((1 - t) ** 2 * DEVIATION**2 + t**2)
    return t * off - MEAN - (1 - t) * DEVIATION**2 * off


def worst(flow: Flow, sampler: Literal["euler", "heun"], steps: int) -> float:
    """Distance of what noise becomes from what it becomes along the exact way: mean + deviation * noise."""
    x = flow.follow(velocity, lambda: NOISE, flow.chain(Sampling(sampler, steps)))
    return float((x - MEAN - DEVIATION * NOISE).abs().max())


@pytest.mark.parametrize("shift", [1.0, 4.0])
@pytest.mark.parametrize(("sampler", "order"), [("euler", 1), ("heun", 2)])
def test_the_exact_velocity_of_a_gaussian_gives_that_gaussian(
    sampler: Literal["euler", "heun"], order: int, shift: float
) -> None:
    flow = Flow(shift)
    coarse, fine = (worst(flow, sampler, steps) for steps in (200, 400))
    assert fine < 0.02
    assert coarse / fine == pytest.approx(2**order, rel=0.1)


def test_one_step_gives_the_mean_whatever_the_noise() -> None:
    flow = Flow()
    for sampler in ("euler", "heun", "ddim"):
        x = flow.follow(velocity, lambda: NOISE, flow.chain(Sampling(sampler, 1)))
        torch.testing.assert_close(x, MEAN.expand(9, 2))


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_a_step_is_that_of_a_diffusion_between_the_same_levels(sampler: Literal["ddim", "ddpm"]) -> None:
    """x of a diffusion times sqrt((1 - t)^2 + t^2) is x of the flow."""
    chain = Flow(3.0).chain(Sampling(sampler, 6))
    length = [((1 - t) ** 2 + t**2) ** 0.5 for t in chain.levels]
    levels = tuple(((1 - t) / size) ** 2 for t, size in zip(chain.levels, length, strict=True))
    diffusion = DiffusionChain(chain.steps, levels, chain.eta)
    for place in range(1, 5):  # of neither end, where one of the levels is 0
        of_clean, of_epsilon, variance = diffusion.step(place)
        size = length[place + 1]
        assert chain.step(place) == pytest.approx((size * of_clean, size * of_epsilon, size**2 * variance))


def test_ancestral_steps_end_at_the_gaussian() -> None:
    """By recursion of the mean and the deviation, as the steps are linear: nothing is drawn."""

    def errors(steps: int) -> tuple[float, float]:
        flow = Flow(2.0)
        chain = flow.chain(Sampling("ddpm", steps))
        mean, variance = torch.zeros(2), torch.ones(2)
        for place in range(steps):
            ends = flow.advance(velocity, torch.stack([mean, mean + 1]), chain, place)
            mean, variance = ends[0], (ends[1] - ends[0]) ** 2 * variance + chain.step(place)[2]
        return float((mean - MEAN).abs().max()), float((variance.sqrt() - DEVIATION).abs().max())

    for coarse, fine in zip(errors(200), errors(400), strict=True):
        assert fine < 0.02 and (coarse < 1e-9 or coarse / fine == pytest.approx(2, rel=0.15))


def test_parts_undo_the_noising() -> None:
    flow, draws = Flow(), Draws(0, 5)
    x, noise, time = draws.normal(3, 2), draws.normal(3, 2), draws.uniform()
    noisy = flow.add_noise(x, noise, time)
    clean, epsilon = flow.parts(noisy, noise - x, time[:, None, None])
    torch.testing.assert_close(clean, x)
    torch.testing.assert_close(epsilon, noise)


def test_times_lean_towards_noise_and_the_noisiest_are_their_upper_end() -> None:
    flow = Flow(3.0)
    every, noisiest = (flow.draw_steps(Draws(0, 20_000), share) for share in (1.0, 0.25))
    assert every.min() >= LEAST_TIME and every.max() < 1
    assert every.median() == pytest.approx(0.75, abs=0.01)  # 3 / (1 + 3)
    assert noisiest.min() == pytest.approx(float(every.quantile(0.75)), abs=0.01)
    assert flow.snr_weight(every).mean() == pytest.approx(1, abs=0.02)


def test_steps_are_the_models_own_unless_given() -> None:
    flow = Flow(4.0, default_steps=3)
    assert flow.chain(Sampling("euler")).levels == pytest.approx((1, 8 / 9, 2 / 3, 0))
    assert len(flow.chain(Sampling("heun", 5)).steps) == 5
    with pytest.raises(UserError, match="temperature is of MoMask's tokens"):
        flow.chain(Sampling(temperature=0.5))
