"""The noise schedule and the samplers against MDM's own numbers, and against a distribution known exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_table import parity
from torch import Tensor

from sopo.diffusion.schedule import Diffusion, Sampling
from sopo.errors import UserError

Arrays = dict[str, np.ndarray]


def load(shared: Path, name: str) -> Arrays:
    with np.load(shared / "parity" / "mdm" / name, allow_pickle=False) as file:
        return dict(file)


def replay(noises: list[Tensor]) -> Callable[[], Tensor]:
    """Hands out recorded noise in order."""
    pending: Iterator[Tensor] = iter(noises)
    return lambda: next(pending)


def normal(seed: int, *shape: int) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("steps", [50, 1000])
def test_schedule_is_the_published_one(shared: Path, steps: int) -> None:
    expected = load(shared, f"diffusion_schedule_cosine_T{steps}.npz")
    diffusion = Diffusion(steps)
    name = f"mdm/diffusion_schedule_cosine_T{steps}"
    parity(f"{name}: betas", diffusion.forward_process.betas, expected["betas"], rtol=3e-7)
    parity(f"{name}: alpha-bar", diffusion.alpha_bar, expected["alphas_cumprod"], 1e-7, 1e-4)
    # The posterior of one DDPM step: its mean's two factors and its variance, from alpha-bar alone.
    level = diffusion.alpha_bar
    after = torch.cat([level.new_ones(1), level[:-1]])
    variance = (1 - after) / (1 - level) * (1 - level / after)
    direction = ((1 - after - variance).clamp(min=0) / (1 - level)).sqrt()
    parity(f"{name}: posterior", variance, expected["posterior_variance"], 1e-7, 1e-4)
    parity(f"{name}: posterior", direction, expected["posterior_mean_coef2"], 1e-6, 1e-4)
    clean = after.sqrt() - direction * level.sqrt()
    parity(f"{name}: posterior", clean, expected["posterior_mean_coef1"], 1e-6, 1e-7)


@pytest.mark.parametrize("steps", [50, 1000])
def test_forward_process_is_the_published_one(shared: Path, steps: int) -> None:
    ops = {k: torch.from_numpy(v) for k, v in load(shared, "diffusion_ops.npz").items() if k.startswith(f"T{steps}/")}
    x, noise, t, noisy = (ops[f"T{steps}/{name}"] for name in ("x0", "noise", "t", "x_t"))
    parity(f"mdm/diffusion_ops: x_t of {steps} steps", Diffusion(steps).add_noise(x, noise, t), noisy, 1e-5, 1e-5)


@pytest.mark.parametrize(("sampler", "recorded"), [("ddpm", "p_sample_x"), ("ddim", "ddim_eta0_x")])
def test_toy_trajectories_are_the_published_ones(shared: Path, sampler: str, recorded: str) -> None:
    toy = {name: torch.from_numpy(array) for name, array in load(shared, "diffusion_sampling_toy_T50.npz").items()}
    visited: list[Tensor] = []

    def denoiser(x: Tensor, step: Tensor) -> Tensor:
        visited.append(x)
        t = step[:, None, None, None]
        return toy["A"][:, None, None] * x + 0.02 * t + toy["C"]

    noise = replay([toy["x_T"], *toy["noise_in_call_order"]])
    final = Diffusion(50).sample(denoiser, noise, Sampling(sampler, 0, 1.0))
    trajectory = torch.stack([*visited[1:], final])
    parity(f"mdm/diffusion_sampling_toy_T50: {sampler}", trajectory, toy[recorded], 1e-4, 1e-4)


@pytest.mark.parametrize("prediction", ["sample", "epsilon"])
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@pytest.mark.parametrize("steps", [25, 30, 50])  # 30 does not divide 50
def test_exact_denoiser_of_a_gaussian_returns_that_gaussian(prediction: str, sampler: str, steps: int) -> None:
    mean, deviation = 0.8, 0.5
    diffusion = Diffusion(50, prediction)

    def denoiser(x: Tensor, step: Tensor) -> Tensor:
        level = diffusion.alpha_bar[step][:, None]
        # E[x_0 | x_t] for x_0 ~ N(mean, deviation^2)
        gain = level.sqrt() * deviation**2 / (level * deviation**2 + 1 - level)
        clean = mean + gain * (x - level.sqrt() * mean)
        return clean if prediction == "sample" else (x - level.sqrt() * clean) / (1 - level).sqrt()

    drawn = diffusion.sample(denoiser, normal(0, 20_000, 1), Sampling(sampler, steps, 1.0))
    assert drawn.mean() == pytest.approx(mean, abs=0.02)
    # A step that uses E[x_0 | x_t] for x_0 itself loses some spread; it returns with finer steps (next test).
    assert drawn.std() == pytest.approx(deviation, abs=0.06)


def test_spread_is_exact_in_the_limit_of_small_steps() -> None:
    diffusion, deviation = Diffusion(1000), 0.5

    def denoiser(x: Tensor, step: Tensor) -> Tensor:
        level = diffusion.alpha_bar[step][:, None]
        return level.sqrt() * deviation**2 / (level * deviation**2 + 1 - level) * x

    for sampler in ("ddpm", "ddim"):
        drawn = diffusion.sample(denoiser, normal(1, 8_000, 1), Sampling(sampler, 1000, 1.0))
        assert drawn.std() == pytest.approx(deviation, abs=0.015)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@pytest.mark.parametrize("steps", range(1, 51))
def test_any_number_of_steps_starts_at_the_last_level_and_ends_clean(sampler: str, steps: int) -> None:
    seen: list[int] = []

    def denoiser(x: Tensor, step: Tensor) -> Tensor:
        seen.append(int(step[0]))
        return torch.full_like(x, 3.0)

    out = Diffusion(50).sample(denoiser, normal(0, 2, 1), Sampling(sampler, steps, 1.0))
    assert len(seen) == steps and seen[0] == 49 and seen == sorted(set(seen), reverse=True)
    assert torch.equal(out, torch.full_like(out, 3.0))


def test_more_steps_than_the_model_knows_are_refused() -> None:
    with pytest.raises(UserError, match="51"):
        Diffusion(50).sample(lambda x, step: x, normal(0, 1, 1), Sampling("ddim", 51, 1.0))
    with pytest.raises(UserError, match="euler"):
        Sampling("euler")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="-1"):
        Sampling(steps=-1)


def test_snr_weights_have_mean_1_and_are_the_published_ones() -> None:
    steps = torch.arange(50)
    x0, epsilon = Diffusion(50), Diffusion(50, "epsilon", "scaled-linear")
    for diffusion in (x0, epsilon):
        assert diffusion.snr_weight(steps).mean().item() == pytest.approx(1)
    snr = (x0.alpha_bar / (1 - x0.alpha_bar)).float()
    weight = x0.snr_weight(steps)
    torch.testing.assert_close(weight / weight[0], snr.clamp(max=5) / 5)
    snr = (epsilon.alpha_bar / (1 - epsilon.alpha_bar)).float()
    weight = epsilon.snr_weight(steps)
    torch.testing.assert_close(weight / weight[-1], (5 / snr).clamp(max=1) / (5 / snr[-1]).clamp(max=1))
