"""The noise schedule and the samplers against MDM's own numbers, and against a distribution known exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
import torch
from parity_table import parity
from recordings import Numbers, Recordings, each, numbered
from torch import Tensor

from sopo.diffusion.schedule import Diffusion, linspace32
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError


def replay(noises: list[Tensor]) -> Callable[[], Tensor]:
    """Hands out recorded noise in order."""
    pending: Iterator[Tensor] = iter(noises)
    return lambda: next(pending)


def normal(seed: int, *shape: int) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(*shape, generator=generator, dtype=torch.float64)


@each(
    "name",
    "mdm/diffusion_schedule_cosine_T*.npz",
    "mdm/diffusion_schedule_cosine_T50",
    "mdm/diffusion_schedule_cosine_T1000",
)
def test_schedule_is_the_published_one(recordings: Recordings, name: str) -> None:
    expected = recordings.arrays(f"{name}.npz")
    diffusion = Diffusion(len(expected["betas"]))
    parity(f"{name}: betas", diffusion.betas, expected["betas"], rtol=1e-10)
    level, (cleaner, noisier) = diffusion.alpha_bar, map(torch.cat, _neighbours(diffusion.alpha_bar))
    variance = (1 - cleaner) / (1 - level) * (1 - level / cleaner)
    derived = {
        "alphas_cumprod": level,
        "alphas_cumprod_prev": cleaner,
        "alphas_cumprod_next": noisier,
        "sqrt_alphas_cumprod": level.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - level).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - level).log(),
        "sqrt_recip_alphas_cumprod": level.rsqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / level - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": torch.cat([variance[1:2], variance[1:]]).log(),
        "posterior_mean_coef1": cleaner.sqrt() * (1 - level / cleaner) / (1 - level),
        "posterior_mean_coef2": (level / cleaner).sqrt() * (1 - cleaner) / (1 - level),
    }
    for key, values in derived.items():
        parity(f"{name}: levels and posterior", values, expected[key], 1e-12, 1e-10)


def test_a_part_of_the_steps_has_the_published_levels(recordings: Recordings) -> None:
    """What the published code respaces into a schedule of its own is a walk over some of the levels."""
    expected = recordings.arrays("mdm/diffusion_respaced_from_T*.npz")
    whole = Diffusion(trained_steps(recordings, "mdm/diffusion_respaced_from_T{}"))
    for spacing in {key.partition("/")[0] for key in expected}:
        level = whole.alpha_bar[expected[f"{spacing}/timestep_map"]]
        after = torch.cat([level.new_ones(1), level[:-1]])
        found = {
            "alphas_cumprod": level,
            "betas": 1 - level / after,
            "posterior_variance": (1 - after) / (1 - level) * (1 - level / after),
        }
        for name, values in found.items():
            parity("mdm/diffusion_respaced", values, expected[f"{spacing}/{name}"], 1e-12, 1e-10)


def trained_steps(recordings: Recordings, pattern: str) -> int:
    """The number of steps in a recording's name."""
    name = recordings.path(pattern.replace("{}", "*") + ".npz").relative_to(recordings.folder).with_suffix("")
    ((_, steps),) = numbered([name.as_posix()], pattern)
    return steps


def test_single_steps_are_the_published_ones(recordings: Recordings) -> None:
    recorded = recordings.numbers("mdm/diffusion_ops.npz")
    for _, steps in list(numbered(recorded, "T{}/t")):
        _single_steps(steps, {key.removeprefix(f"T{steps}/"): x for key, x in recorded.items() if f"T{steps}/" in key})


def _single_steps(steps: int, ops: Numbers) -> None:
    x, noise, t, noisy = (ops[name] for name in ("x0", "noise", "t", "x_t"))
    diffusion, name = Diffusion(steps), f"mdm/diffusion_ops, {steps} steps"
    parity(f"{name}: x_t", diffusion.add_noise(x, noise, t), noisy, 1e-6)
    cleaner, noisier = map(torch.cat, _neighbours(diffusion.alpha_bar))

    def step(
        levels: Tensor, eta: float = 0.0, drawn: Tensor = noise, said: Tensor = x, by: Diffusion = diffusion
    ) -> Tensor:
        """From each x_t to its level of ``levels`` [steps], the network's word being ``said``."""
        rows = []
        for row, at in enumerate(t.tolist()):
            one = slice(row, row + 1)
            rows.append(
                by.walk(lambda *_, one=one: said[one], replay([noisy[one], drawn[one]]), [at], float(levels[at]), eta)
            )
        return torch.cat(rows)

    clean, nothing = torch.ones(steps), torch.zeros(steps)
    recorded = {
        "q_mean": diffusion.add_noise(x, 0 * noise, t),
        "posterior_mean": step(cleaner, 1.0, drawn=0 * noise),
        "p_sample_step": step(cleaner, 1.0),
        "ddim_reverse_step": step(noisier),
    }
    recorded |= {key: step(cleaner, eta) for key, eta in numbered(ops, "ddim_step_eta{}")}
    # Near the ends of the schedule what is left of the other part is divided by next to nothing, in 32 bits there: such
    # quotients are compared at the size that they have in x_t.
    level = diffusion.alpha_bar[t][:, None, None, None]
    ours = step(clean, said=noise, by=Diffusion(steps, "epsilon"))
    parity(f"{name}: xstart_from_eps", level.sqrt() * ours, level.sqrt() * ops["xstart_from_eps"], 1e-5)
    little = (1 - level).sqrt()
    parity(f"{name}: eps_from_xstart", little * step(nothing), little * ops["eps_from_xstart"], 1e-5)
    for key, ours in recorded.items():
        parity(f"{name}: {key}", ours, ops[key], 1e-4)


def _neighbours(level: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Levels of signal one step cleaner, and one noisier."""
    return (level.new_ones(1), level[:-1]), (level[1:], level.new_zeros(1))


TOY = "mdm/diffusion_sampling_toy_T{}"
Toy = tuple[Numbers, Callable[[Tensor, Tensor], Tensor], list[tuple[Tensor, Tensor]]]


@pytest.fixture
def toy(recordings: Recordings) -> Toy:
    """What was recorded without a network: the numbers, the denoiser, and what it sees and says."""
    recorded = recordings.numbers(f"{TOY.format('*')}.npz")
    calls: list[tuple[Tensor, Tensor]] = []

    def denoiser(x: Tensor, step: Tensor) -> Tensor:
        clean = recorded["A"][:, None, None] * x + 0.02 * step[:, None, None, None] + recorded["C"]
        calls.append((x, clean))
        return clean

    return recorded, denoiser, calls


def trajectory(calls: list[tuple[Tensor, Tensor]], final: Tensor) -> Tensor:
    """x after each step."""
    return torch.stack([*(x for x, _ in calls[1:]), final])


@pytest.mark.parametrize(
    ("sampler", "recorded"), [("ddpm", "p_sample"), ("ddim", "ddim_eta0"), ("ddpm", "ddim_eta1"), ("ddpm", "clipped")]
)
def test_toy_trajectories_are_the_published_ones(
    recordings: Recordings, toy: Toy, sampler: Literal["ddpm", "ddim"], recorded: str
) -> None:
    numbers, denoiser, calls = toy
    noise = replay([numbers["x_T"], *numbers["noise_in_call_order"]])
    within = (lambda x, step: denoiser(x, step).clamp(-1, 1)) if recorded == "clipped" else denoiser
    final = Diffusion(trained_steps(recordings, TOY)).sample(within, noise, Sampling(sampler, 0, 1.0))
    key = "p_sample_clip_x" if recorded == "clipped" else f"{recorded}_x"
    parity(f"mdm/diffusion_sampling_toy: {recorded}", trajectory(calls, final), numbers[key], 1e-4)
    if f"{recorded}_pred_xstart" in numbers:
        said = torch.stack([clean for _, clean in calls])
        parity(f"mdm/diffusion_sampling_toy: {recorded}", said, numbers[f"{recorded}_pred_xstart"], 1e-5)


def test_toy_from_a_noisy_start_is_the_published_one(recordings: Recordings, toy: Toy) -> None:
    """The last of its steps, from a motion that is given."""
    numbers, denoiser, calls = toy
    diffusion = Diffusion(trained_steps(recordings, TOY))
    for key, skipped in numbered(numbers, "skip{}_x"):
        calls.clear()
        steps = list(range(diffusion.steps - skipped - 1, -1, -1))
        at = torch.full((len(numbers["x_T"]),), steps[0])
        start = diffusion.add_noise(numbers[f"skip{skipped}_init_image"], numbers["x_T"], at)
        final = diffusion.walk(denoiser, replay([start, *numbers["noise_in_call_order"]]), steps, eta=1.0)
        parity("mdm/diffusion_sampling_toy: skipped", trajectory(calls, final), numbers[key], 1e-4)


def test_toy_with_a_part_of_the_steps_is_the_published_one(toy: Toy) -> None:
    numbers, denoiser, calls = toy
    for key, steps in numbered(numbers, "respaced_ddim{}_eta0_x"):
        calls.clear()
        spacings = (range(0, 1000, apart) for apart in range(1, 1000))  # of MDM's 1000
        visited = next(spacing for spacing in spacings if len(spacing) == steps)[::-1]
        final = Diffusion(1000).walk(denoiser, replay([numbers["x_T"]]), visited)
        parity("mdm/diffusion_sampling_toy: respaced", trajectory(calls, final), numbers[key], 1e-4)


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


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 1000])
def test_linspace_is_torchs_but_for_the_last_bit(steps: int) -> None:
    ours, theirs = linspace32(0.1, 0.7, steps), torch.linspace(0.1, 0.7, steps)
    assert ours.dtype == torch.float32 and ours[0] == theirs[0] and ours[-1] == theirs[-1]
    assert ((ours - theirs).abs() <= 6e-8).all()


def test_more_steps_than_the_model_knows_are_refused() -> None:
    with pytest.raises(UserError, match="51"):
        Diffusion(50).sample(lambda x, step: x, normal(0, 1, 1), Sampling("ddim", 51, 1.0))
    with pytest.raises(UserError, match="heun, which is of flows"):
        Diffusion(50).chain(Sampling("heun"))
    with pytest.raises(UserError, match="plms"):
        Sampling("plms")  # type: ignore[arg-type]
    for wrong in ({"steps": -1}, {"temperature": -1.0}, {"top_share": 0.0}, {"residual_top_share": 1.1}):
        with pytest.raises(UserError, match=f"{next(iter(wrong))} is {next(iter(wrong.values()))}"):
            Sampling(**wrong)  # type: ignore[arg-type]


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
