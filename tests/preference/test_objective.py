"""The real objective on a tiny MDM, against plain loops and against what must hold at theta = ref."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.generator import NoiseDraw
from sopo.generators.mdm import MDM
from sopo.preference.candidates import Candidates, draw_candidates
from sopo.preference.methods import METHODS
from sopo.preference.objective import PreferenceObjective
from sopo.preference.ratio import log_ratio
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws
from sopo.rewards.reward import Reward
from sopo.training.mean import Mean

ROLLOUT = Sampling("ddpm", 3, 1.5)
PAIR_METHODS = [name for name, method in METHODS.items() if method.loser and not method.ranking]


def mined(batch: Batch) -> Tensor:
    return torch.stack([batch.motion * 0.9, batch.motion * -0.5], dim=1)


def objective_of(
    policy: MDM, reward: Reward | None, method: str, tau: float = 0.0, **settings: float
) -> PreferenceObjective:
    config = PreferenceConfig(method, K=3, beta=0.8, scale=20.0, rollout=ROLLOUT, **settings)  # type: ignore[arg-type]
    return PreferenceObjective(policy, reward, config, tau, mined)


def move(policy: MDM, amount: float = 0.05) -> None:
    """Away from the reference."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(amount * torch.randn(parameter.shape, generator=generator))


def gradients(objective: PreferenceObjective, loss: Tensor) -> dict[str, Tensor]:
    objective.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in objective.policy.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("method", PAIR_METHODS)
def test_where_policy_and_reference_agree_every_h_is_0_and_every_loss_log_2(
    policy: MDM, reward: Reward, batch: Batch, method: str
) -> None:
    objective = objective_of(policy, reward, method, tau=0.3)
    loss, values = objective.train()(batch, Draws(0, 4))  # dropout must stay off even so
    assert loss.item() == pytest.approx(math.log(2), abs=1e-6)
    assert values["h_w"] == 0 and values["h_l"].value == 0 and values["margin"].value == 0
    torch.testing.assert_close(values["error_w"], values["error_w/reference"])


def test_rankings_at_the_start_are_as_good_as_a_guess(policy: MDM, reward: Reward, batch: Batch) -> None:
    loss, _ = objective_of(policy, reward, "online-dpo")(batch, Draws(0, 4))
    assert loss.item() == pytest.approx(math.log(math.factorial(3)), abs=1e-6)
    loss, _ = objective_of(policy, reward, "online-dpo-soft")(batch, Draws(0, 4))
    assert loss.item() > 0


@pytest.mark.parametrize(
    "shape",
    [{}, {"architecture": "decoder"}, {"text_layers": 1, "frames_per_token": 4}, {"mask_frames": False}],
    ids=str,
)
def test_h_is_exactly_0_for_one_model_under_one_draw(policy: MDM, batch: Batch, shape: dict[str, Any]) -> None:
    policy = MDM(dataclasses.replace(policy.config, **shape)).eval()
    draw = policy.draw(batch.motion, Draws(0, 4))
    text = policy.embed(batch.captions)
    reference = copy.deepcopy(policy).requires_grad_(False)
    h, error = log_ratio(policy, reference, batch.motion, batch.length, text, draw)
    assert torch.equal(h, torch.zeros(4)) and h.requires_grad and not error.requires_grad


def plainly(objective: PreferenceObjective, batch: Batch, seed: int) -> tuple[Tensor, list[bool]]:
    """Section 2 of the method, one caption at a time and every loser computed; the draws come in the same order."""
    policy, reference, config = objective.policy, objective.reference, objective.config
    reward, method, K = objective.reward, objective.method, objective.config.K
    assert reward is not None
    draws = Draws(seed, len(batch))
    samples = policy.sample(policy.embed(batch.captions), batch.length, 8, draws, config.rollout, K)
    winner, loser = policy.draw(batch.motion, draws), policy.draw(batch.motion, draws)
    losses, valuable = [], []
    for i in range(len(batch)):
        n, caption = int(batch.length[i]), batch.captions[i : i + 1]
        text, length = policy.embed(caption), batch.length[i : i + 1]
        own = [policy.decode(samples[i * K + k, :n][None], length) for k in range(K)]
        scores = [float(reward.score(motion, length, caption)) for motion in own]
        worst = min(range(K), key=scores.__getitem__)
        vu = scores[worst] < objective.tau if method.threshold else True

        def h(x: Tensor, noise: Tensor, i: int = i, n: int = n, text: object = text, length: Tensor = length) -> Tensor:
            draw = NoiseDraw(winner.step[i : i + 1], noise[i : i + 1, :n])
            with torch.no_grad():
                fixed = reference.nll(x[None, :n], length, text, draw)
            return config.scale * (fixed - policy.nll(x[None, :n], length, text, draw))[0]

        real = reward.embed_motions(policy.normalizer.denormalize(batch.motion[i : i + 1, :n]), length)
        S = min(float(torch.cosine_similarity(real, reward.embed_motions(m, length))) for m in own)
        weight = config.beta * (config.C - S) if method.reweight else config.beta
        logit = weight * h(batch.motion[i], winner.noise) - vu * config.beta * h(samples[i * K + worst], loser.noise)
        losses.append(-torch.log(torch.sigmoid(logit)))
        valuable.append(vu)
    return torch.stack(losses).mean(), valuable


@pytest.mark.parametrize("method", ["sopo", "usopo", "sopo-without-vu", "dsopo"])
@pytest.mark.usefixtures("float64")
def test_one_step_is_what_a_plain_loop_computes(policy: MDM, reward: Reward, batch: Batch, method: str) -> None:
    objective = objective_of(policy, reward, method)
    move(policy)
    drawn = draw_candidates(policy.eval(), reward, batch, 3, ROLLOUT, Draws(5, 4)).reward.amin(1)
    objective.tau = float(drawn.median()) + 1e-6  # some groups on each side
    loss, values = objective(batch, Draws(5, 4))
    ours = gradients(objective, loss)
    expected, valuable = plainly(objective, batch, seed=5)
    torch.testing.assert_close(loss, expected)
    assert values["vu"] == sum(valuable) / 4
    assert 0 < sum(valuable) < 4 or not objective.method.threshold
    theirs = gradients(objective, expected)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, msg=name)


def test_below_every_reward_nothing_is_learned_from_losers(
    policy: MDM, reward: Reward, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = objective_of(policy, reward, "sopo", tau=-math.inf)
    passes: list[int] = []
    nll = MDM.nll
    monkeypatch.setattr(MDM, "nll", lambda self, x, *rest: (passes.append(len(x)), nll(self, x, *rest))[1])
    _, values = objective(batch, Draws(0, 4))
    assert passes == [4, 4] and values["vu"] == 0 and values["h_l"].value == 0  # policy and reference, winners only
    objective.tau = math.inf
    _, values = objective(batch, Draws(0, 4))
    assert passes[2:] == [4, 4, 4, 4] and values["vu"] == 1


@pytest.mark.usefixtures("float64")
def test_thresholds_without_effect_make_usopo_dsopo_and_sopo_its_ablation(
    policy: MDM, reward: Reward, batch: Batch
) -> None:
    reference = copy.deepcopy(policy)
    for thresholded, plain in (("usopo", "dsopo"), ("sopo", "sopo-without-vu")):
        losses = []
        for method in (thresholded, plain):
            moved = copy.deepcopy(reference)
            objective = objective_of(moved, reward, method, tau=math.inf)
            move(moved)
            losses.append(objective(batch, Draws(0, 4))[0])
        torch.testing.assert_close(*losses)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_moves_the_policy_and_never_the_reference(
    policy: MDM, reward: Reward, batch: Batch, method: str
) -> None:
    objective = objective_of(policy, reward, method, tau=0.5)
    before = copy.deepcopy(objective.reference.state_dict())
    start = {name: p.detach().clone() for name, p in policy.named_parameters()}
    optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=1e-3)
    for step in range(2):
        loss, values = objective(batch, Draws(step, 4))
        assert loss.isfinite() and loss.ndim == 0
        scalars = [value.value if isinstance(value, Mean) else value for value in values.values()]
        assert all(value.ndim == 0 and not value.requires_grad and value.isfinite() for value in scalars)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is None for p in objective.reference.parameters())
        optimizer.step()
    assert all(not torch.equal(p, start[name]) for name, p in policy.named_parameters())
    after = objective.reference.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not objective.reference.training


def test_steps_raise_the_winners_and_lower_the_losers(policy: MDM, reward: Reward, batch: Batch) -> None:
    objective = objective_of(policy, reward, "dsopo")
    optimizer = torch.optim.AdamW(policy.parameters(), lr=2e-3)
    for _ in range(8):
        loss, values = objective(batch, Draws(0, 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < math.log(2) and values["margin"].value > 0 and values["implicit_accuracy"].value == 1


@pytest.mark.usefixtures("float64")
def test_samples_carry_no_gradient_and_keep_their_places(policy: MDM, reward: Reward, batch: Batch) -> None:
    candidates = draw_candidates(policy.eval(), reward, batch, 3, ROLLOUT, Draws(0, 4), embed=True)
    assert candidates.x.shape == (4, 3, 8, 251) and candidates.reward.shape == (4, 3)
    assert not candidates.x.requires_grad and not candidates.reward.requires_grad
    assert candidates.embedding is not None and not candidates.embedding.requires_grad
    for i in range(4):
        length = batch.length[i].expand(3)
        motion = policy.decode(candidates.x[i], length)
        assert (motion[:, batch.length[i] :] == 0).all()
        torch.testing.assert_close(candidates.reward[i], reward.score(motion, length, [batch.captions[i]] * 3))
        torch.testing.assert_close(candidates.embedding[i], reward.embed_motions(motion, length))


def test_best_worst_and_ranked_follow_the_reward() -> None:
    x = torch.arange(6.0).view(2, 3, 1)
    candidates = Candidates(x, torch.tensor([[0.2, 0.9, 0.1], [0.5, -0.5, 0.0]]))
    assert candidates.best().flatten().tolist() == [1, 3]
    assert candidates.worst().flatten().tolist() == [2, 4]
    assert candidates.ranked().flatten(1).tolist() == [[1, 0, 2], [3, 5, 4]]


def test_what_a_method_lacks_is_said_at_once(policy: MDM, reward: Reward) -> None:
    with pytest.raises(UserError, match="needs a reward"):
        objective_of(policy, None, "sopo")
    with pytest.raises(UserError, match="pairs"):
        PreferenceObjective(policy, reward, PreferenceConfig("modipo"), 0.0)
    for settings, message in (
        ({"method": "ppo"}, "ppo"),
        ({"method": "online-dpo", "K": 1}, "K is 1"),
        ({"K": 0}, "K is 0"),
        ({"beta": 0.0}, "beta is 0"),
        ({"C": 0.9}, "C is 0.9"),
        ({"noisiest": 0.0}, "noisiest is 0"),
        ({"noisiest": 1.1}, "noisiest is 1.1"),
    ):
        with pytest.raises(UserError, match=message):
            PreferenceConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.usefixtures("float64")
def test_snr_weights_multiply_h_and_leave_the_errors_alone(policy: MDM, reward: Reward, batch: Batch) -> None:
    plain, weighed = (objective_of(policy, reward, "dsopo") for _ in range(2))
    weighed.config = dataclasses.replace(weighed.config, weighting="snr")
    for objective in (plain, weighed):
        objective.policy = copy.deepcopy(policy).eval()
        move(objective.policy)
    x, draw = batch.motion, policy.draw(batch.motion, Draws(0, 4))
    h, error, reference = plain._h(x, batch.length, batch.captions, [draw])
    h_weighed, *errors = weighed._h(x, batch.length, batch.captions, [draw])
    alpha_bar = policy.diffusion.alpha_bar
    weight = (alpha_bar / (1 - alpha_bar)).clamp(max=5.0)
    torch.testing.assert_close(h_weighed, h * (weight / weight.mean())[draw.step].float())
    torch.testing.assert_close(errors, [error, reference])


@pytest.mark.usefixtures("float64")
def test_h_is_averaged_over_its_draws(policy: MDM, reward: Reward, batch: Batch) -> None:
    objective = objective_of(policy, reward, "dsopo")
    move(policy.eval())
    drawn = [policy.draw(batch.motion, Draws(seed, 4)) for seed in range(3)]
    h, *errors = objective._h(batch.motion, batch.length, batch.captions, drawn)
    each = [objective._h(batch.motion, batch.length, batch.captions, [draw]) for draw in drawn]
    for whole, parts in zip((h, *errors), zip(*each, strict=True), strict=True):
        torch.testing.assert_close(whole, torch.stack(parts).mean(0))


@pytest.mark.parametrize("noise", ["own", "shared"])
def test_the_motions_compared_share_the_step_and_if_asked_the_noise(
    policy: MDM, reward: Reward, batch: Batch, noise: str
) -> None:
    objective = objective_of(policy, reward, "dsopo", pair_noise=noise, draws=2)  # type: ignore[arg-type]
    winner, loser = objective._draws([batch.motion, batch.motion], Draws(0, 4))
    assert len(winner) == len(loser) == 2
    for w, l in zip(winner, loser, strict=True):  # noqa: E741
        assert torch.equal(w.step, l.step) and torch.equal(w.noise, l.noise) == (noise == "shared")
    assert not torch.equal(winner[0].noise, winner[1].noise)


@pytest.mark.parametrize("method", ["sopo", "online-dpo"])
def test_every_motion_is_compared_at_the_noisiest_levels_asked_for(
    policy: MDM, reward: Reward, batch: Batch, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = objective_of(policy, reward, method, tau=2.0, noisiest=0.3)
    steps = []

    def noted(policy: MDM, reference: MDM, x: Tensor, length: Tensor, text: Any, draw: NoiseDraw) -> Any:
        steps.append(draw.step)
        return log_ratio(policy, reference, x, length, text, draw)

    monkeypatch.setattr("sopo.preference.objective.log_ratio", noted)
    for seed in range(8):
        objective(batch, Draws(seed, 4))
    T = policy.config.diffusion_steps
    seen = torch.stack(steps).unique()
    assert seen.min() == T - math.ceil(0.3 * T) and seen.max() == T - 1
    assert all(torch.equal(steps[0], other) for other in steps[1 : objective.config.K if method == "online-dpo" else 2])


def test_the_real_motions_reward_is_logged(policy: MDM, reward: Reward, batch: Batch) -> None:
    _, values = objective_of(policy, reward, "sopo")(batch, Draws(0, 4))
    raw = policy.normalizer.denormalize(batch.motion) * batch.mask[..., None]
    torch.testing.assert_close(values["reward/preferred"], reward.score(raw, batch.length, batch.captions).mean())
