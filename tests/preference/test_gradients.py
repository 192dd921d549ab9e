"""The rivals that look into the sampling chain: gradients against finite differences and against the analytic one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sopo.batch import Batch, Caption, length_mask
from sopo.diffusion.process import Denoiser
from sopo.diffusion.schedule import Diffusion
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.flow_dit import FlowDiT
from sopo.generators.generator import DiffusionGenerator
from sopo.generators.mdm import MDM
from sopo.generators.mld import MLD
from sopo.generators.settings import FlowDiTConfig, MLDConfig, MotionVAEConfig
from sopo.preference.objective import PreferenceObjective
from sopo.preference.policy_gradient import PolicyGradient, advantages
from sopo.preference.reward_gradient import RewardGradient
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws
from sopo.rewards.reward import Reward
from sopo.text.encoder import TextEmbedding


class Slope(Reward):
    """The mean over valid frames and features of x sin(x): with a gradient."""

    range = (-10.0, 10.0)
    differentiable = True

    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        mask = length_mask(length, motions.shape[1])[..., None]
        return (motions * motions.sin() * mask).sum((1, 2)) / (length * motions.shape[2])

    def describe(self) -> str:
        return "the mean of x sin(x)"


class Blind(Slope):
    """The same without one."""

    differentiable = False


def doubled(policy: MDM, batch: Batch) -> tuple[MDM, Batch]:
    policy.diffusion.alpha_bar = policy.diffusion.alpha_bar.double()
    policy.embed = lambda captions: as_double(MDM.embed(policy, captions))  # type: ignore[method-assign]
    return policy.double(), Batch(batch.motion.double(), batch.length, batch.captions, batch.keys)


def as_double(condition: TextEmbedding) -> TextEmbedding:
    return TextEmbedding(condition.tokens.double(), condition.mask, condition.pooled.double())


class DoubleDraws(Draws):
    """Draws in 64 bits, for finite differences."""

    def normal(self, *shape: int) -> Tensor:
        return super().normal(*shape).double()


def config_of(method: str, rollout: Sampling, **settings: Any) -> PreferenceConfig:
    return PreferenceConfig(method, K=2, rollout=rollout, **settings)


def slope_and_difference(objective: Callable[..., Any], policy: nn.Module, batch: Batch) -> tuple[float, float]:
    """The loss's derivative along a random direction of the weights, by autograd and by central differences."""
    loss, _ = objective(batch, DoubleDraws(3, 4))
    parameters = [p for p in policy.parameters() if p.requires_grad]
    given = torch.autograd.grad(loss, parameters, allow_unused=True)
    generator = torch.Generator().manual_seed(5)
    ways = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    slope = sum(float((g * way).sum()) for g, way in zip(given, ways, strict=True) if g is not None)
    losses = []
    with torch.no_grad():
        for sign in (1, -2, 1):  # there, to the other side, and back
            for parameter, way in zip(parameters, ways, strict=True):
                parameter.add_(way, alpha=1e-6 * sign)
            losses.append(float(objective(batch, DoubleDraws(3, 4))[0]))
    return slope, (losses[0] - losses[1]) / 2e-6


@pytest.mark.parametrize(
    ("rollout", "last_steps"),
    [(Sampling("ddim", 1, 1.0), 0), (Sampling("ddim", 3, 2.0), 3), (Sampling("ddpm", 3, 1.0), 7)],
    ids=["step-wise from noise", "all of a guided DDIM", "all of a DDPM"],
)
def test_the_gradient_of_the_reward_is_its_finite_difference(
    policy: MDM, batch: Batch, rollout: Sampling, last_steps: int
) -> None:
    policy, batch = doubled(policy, batch)
    objective = RewardGradient(policy, Slope(), config_of("reward-gradient", rollout, last_steps=last_steps), 0.0)
    slope, difference = slope_and_difference(objective, policy, batch)
    assert slope == pytest.approx(difference, rel=1e-5) and slope != 0


def flow() -> FlowDiT:
    sizes = {"features": 251, "width": 16, "feedforward": 24, "layers": 2, "heads": 2, "max_positions": 32}
    model = FlowDiT(FlowDiTConfig(**sizes, text_encoder="hashed-16", text_layers=1))
    with torch.no_grad():  # as if trained: at the start no block does anything
        for block in model.blocks:
            block.modulate.weight.normal_(std=0.3)
    return model.eval()


@pytest.mark.parametrize(
    ("rollout", "last_steps"),
    [(Sampling("euler", 1, 2.0), 0), (Sampling("heun", 3, 2.0), 3), (Sampling("ddpm", 3, 1.0), 7)],
    ids=["step-wise from noise", "all of a guided Heun", "all of an ancestral one"],
)
@pytest.mark.usefixtures("float64")
def test_the_gradient_of_the_reward_through_a_flow_is_its_finite_difference(
    batch: Batch, rollout: Sampling, last_steps: int
) -> None:
    policy, batch = flow(), Batch(batch.motion.double(), batch.length, batch.captions, batch.keys)
    objective = RewardGradient(policy, Slope(), config_of("reward-gradient", rollout, last_steps=last_steps), 0.0)
    slope, difference = slope_and_difference(objective, policy, batch)
    assert slope == pytest.approx(difference, rel=1e-5) and slope != 0


def test_a_flow_has_a_policy_gradient_where_its_steps_are_drawn(batch: Batch) -> None:
    policy = flow()
    objective = PolicyGradient(policy, Blind(), config_of("policy-gradient", Sampling("ddpm", 4, 1.0)), 0.0)
    loss, values = objective(batch, Draws(0, 4))
    assert float(values["drift"]) < 1e-9 and torch.autograd.grad(loss, policy.predict.weight)[0].any()
    objective = PolicyGradient(policy, Blind(), config_of("policy-gradient", Sampling("heun", 4, 1.0)), 0.0)
    with pytest.raises(UserError, match=r"--rollout\.sampler ddpm and 2 or more steps"):
        objective(batch, Draws(0, 4))


def test_what_all_last_steps_score_is_the_sample(policy: MDM, batch: Batch) -> None:
    rollout = Sampling("ddpm", 4, 1.5)
    objective = RewardGradient(policy, Slope(), config_of("reward-gradient", rollout, last_steps=4), 0.0)
    loss, _ = objective(batch, Draws(0, 4))
    draws = Draws(0, 4)
    policy.sample(policy.embed(batch.captions), batch.length, 8, draws, rollout, 1)  # the rollout comes first
    again = Draws(0, 4)
    start = again.normal(1, 8, 251).flatten(0, 1)
    noises = [start, *(draws.normal(8, 251) for _ in range(3))]
    denoiser = policy.denoiser(policy.embed(batch.captions), batch.length, 1.5)
    x = policy.diffusion.follow(denoiser, lambda: noises.pop(0), policy.chain(rollout))
    expected = Slope().score(policy.decode(x, batch.length), batch.length, batch.captions)
    torch.testing.assert_close(loss, -expected.mean(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["reward-gradient", "policy-gradient"])
def test_a_penalty_is_nothing_at_the_reference_and_grows_away_from_it(policy: MDM, batch: Batch, method: str) -> None:
    kind = RewardGradient if method == "reward-gradient" else PolicyGradient
    objective = kind(policy, Slope(), config_of(method, Sampling("ddpm", 3, 1.0), penalty=2.0), 0.0)
    assert float(objective(batch, Draws(0, 4))[1]["drift"]) < 1e-9
    with torch.no_grad():
        policy.predict.bias.add_(0.1)
    assert float(objective(batch, Draws(0, 4))[1]["drift"]) > 1e-3


def test_a_reward_without_a_gradient_is_refused_in_one_line(policy: MDM, batch: Batch) -> None:
    objective = RewardGradient(policy, Blind(), config_of("reward-gradient", Sampling("ddim", 2, 1.0)), 0.0)
    with pytest.raises(UserError, match=r"this one has none .*x sin.*as sopo"):
        objective(batch, Draws(0, 4))


def test_steps_without_chance_have_no_policy_gradient(policy: MDM, batch: Batch) -> None:
    for rollout in (Sampling("ddim", 4, 1.0), Sampling("ddpm", 1, 1.0)):
        objective = PolicyGradient(policy, Blind(), config_of("policy-gradient", rollout), 0.0)
        with pytest.raises(UserError, match=r"--rollout\.sampler ddpm and 2 or more steps"):
            objective(batch, Draws(0, 4))


def test_advantages_are_standardised_in_each_group() -> None:
    reward = torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0], [10.0, 30.0, 20.0]])
    value = 1.5**0.5
    expected = [[-value, 0, value], [0, 0, 0], [-value, value, 0]]
    torch.testing.assert_close(advantages(reward), torch.tensor(expected))


class Line(DiffusionGenerator):
    """x_0 = a x_t + b on the line: linear Gaussian steps. No motion model: what a chain needs, no more."""

    kind = "line"

    def __init__(self) -> None:
        super().__init__()
        self.text = nn.Identity()
        self.a, self.b = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.tensor(0.2))
        self.diffusion = Diffusion(50)

    def embed(self, captions: Sequence[Caption]) -> Any:
        return None

    def shape(self, frames: int) -> tuple[int, ...]:
        return (1,)

    def denoiser(self, condition: Any, length: Tensor, guidance: float, K: int = 1) -> Denoiser:
        return lambda x, step: self.a * x + self.b

    def mean_over(self, values: Tensor, length: Tensor) -> Tensor:
        return values.mean(1)

    def decode(self, x: Tensor, length: Tensor) -> Tensor:
        return x

    encode = nll = training_loss = None  # type: ignore[assignment]


class Height(Reward):
    """x itself."""

    range = (-10.0, 10.0)

    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        return motions[:, 0]

    def describe(self) -> str:
        return "x"


def test_the_policy_gradient_of_a_linear_gaussian_chain_is_the_analytic_one(batch: Batch) -> None:
    """Two steps, one of them random: x_1 = w_0 (a x + b) + w_e eps(x) + s z, sample = a x_1 + b, reward the sample.

    The gradient of the reward's mean with respect to (a, b), through the random step alone, over the reward's
    deviation: the score function's estimate has this mean.
    """
    rollout, K = Sampling("ddpm", 2, 1.0), 200_000
    line = Line()
    one = batch.rows(0, 1)
    objective = PolicyGradient(line, Height(), PreferenceConfig("policy-gradient", K=K, rollout=rollout), 0.0)
    loss, values = objective(one, Draws(0, 1))
    found = torch.stack(torch.autograd.grad(-loss, [line.a, line.b]))

    chain = line.chain(rollout)
    of_clean, of_epsilon, variance = chain.step(0)
    level = chain.levels[0]
    a = line.a.item()
    # The mean of x_1 given x: of_clean (a x + b) + of_epsilon (x - sqrt(level) (a x + b)) / sqrt(1 - level).
    slope = of_clean - of_epsilon * (level / (1 - level)) ** 0.5  # d mean / d (a x + b)
    through = of_epsilon / (1 - level) ** 0.5 + slope * a  # d mean / d x; x is standard normal
    spread = abs(a) * (through**2 + variance) ** 0.5  # of the sample
    # E[A d log p / d(a, b)] = Cov(sample, z) / (spread s) d mean = a s / (spread s) E[.]; for a the weight x meets the
    # part of the sample that comes from x, whose mean with z is 0.
    expected = torch.tensor([0.0, a * slope / spread])
    torch.testing.assert_close(found, expected, atol=0.02 * abs(float(expected[1])) + 0.01, rtol=0.02)
    assert float(values["spread"]) == pytest.approx(spread, rel=0.02)


def test_the_best_of_n_are_trained_on_as_if_recorded(policy: MDM, reward: Reward, batch: Batch) -> None:
    config = config_of("best-of-n", Sampling("ddim", 3, 1.0))
    loss, values = PreferenceObjective(policy, reward, config, 0.0)(batch, Draws(0, 4))
    assert loss.requires_grad and loss.item() > 0
    assert values["reward/unpreferred"] <= values["reward/all"] <= values["reward/preferred"]
    assert policy.training, "its own loss, dropped conditions included"


def test_an_anchor_adds_the_error_on_real_motions_to_any_method(policy: MDM, reward: Reward, batch: Batch) -> None:
    rollout = Sampling("ddim", 2, 1.0)
    for method in ("sopo", "online-dpo", "dpo"):
        plain, anchored = (
            PreferenceObjective(
                policy,
                reward,
                config_of(method, rollout, anchor=anchor),
                0.5,
                lambda rows: torch.stack([rows.motion] * 2, 1),
            )(batch, Draws(0, 4))
            for anchor in (0.0, 3.0)
        )
        torch.testing.assert_close(anchored[0] - plain[0], 3 * anchored[1]["anchor"], rtol=1e-4, atol=1e-5)
        assert anchored[1]["anchor"] > 0 and "anchor" not in plain[1]


def test_the_anchor_may_weigh_third_differences(policy: MDM, reward: Reward, batch: Batch) -> None:
    missed = torch.randn(batch.motion.shape, dtype=torch.float64)
    policy.residual = lambda *_: missed.clone().requires_grad_()  # type: ignore[method-assign]
    config = config_of("dpo", Sampling("ddim", 2, 1.0), anchor=3.0, anchor_jerk=5.0)
    objective = PreferenceObjective(policy, reward, config, 0.5, lambda rows: torch.stack([rows.motion] * 2, 1))
    found = objective(batch, Draws(0, 4))[1]["anchor"]
    clips = [missed[i, :length] for i, length in enumerate(batch.length.tolist())]
    by_hand = [clip.square().mean() + 5 * clip.diff(n=3, dim=0).square().mean() for clip in clips]
    torch.testing.assert_close(found, torch.stack(by_hand).mean())
    with pytest.raises(UserError, match="give --anchor too"):
        config_of("dpo", Sampling("ddim", 2, 1.0), anchor_jerk=5.0)


def test_latents_have_no_frames_to_compare(reward: Reward) -> None:
    config = config_of("sopo", Sampling("ddim", 2, 1.0), anchor=1.0, anchor_jerk=1.0)
    small: dict[str, Any] = {"width": 16, "feedforward": 24, "layers": 1, "heads": 2}
    latent = MLD(MLDConfig(MotionVAEConfig(**small, latent_width=4), **small, text_encoder="hashed-16", step_width=8))
    with pytest.raises(UserError, match="a mld has no frames to compare"):
        PreferenceObjective(latent, reward, config, 0.5)
