"""Guards: a group that is left out has no say in any method, and the log counts it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.mdm import MDM
from sopo.preference.base import Objective
from sopo.preference.candidates import draw_candidates
from sopo.preference.methods import METHODS
from sopo.preference.objective import PreferenceObjective
from sopo.preference.policy_gradient import PolicyGradient
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws
from sopo.rewards.reward import Reward

ROLLOUT = Sampling("ddpm", 3, 1.0)
GROUPED = [name for name, method in METHODS.items() if method.has_groups]
BIG = 100.0  # a gap that no two rewards have


def objective_of(policy: MDM, reward: Reward | None, method: str, still: bool = False, **settings: Any) -> Objective:
    def mined(batch: Batch) -> Tensor:
        loser = policy.normalizer.normalize(torch.zeros_like(batch.motion)) if still else batch.motion
        return torch.stack([batch.motion, loser], dim=1)

    config = PreferenceConfig(method, K=2, scale=20.0, rollout=ROLLOUT, **settings)
    kind = PolicyGradient if method == "policy-gradient" else PreferenceObjective
    return kind(policy, reward, config, 10.0, mined)


def sizes(objective: Objective, loss: Tensor) -> float:
    objective.zero_grad()
    loss.backward()
    return sum(float(p.grad.abs().sum()) for p in objective.policy.parameters() if p.grad is not None)


@pytest.mark.parametrize("method", GROUPED)
def test_groups_that_are_left_out_teach_nothing(policy: MDM, reward: Reward, batch: Batch, method: str) -> None:
    plain, all_out = (objective_of(policy, reward, method, min_gap=gap) for gap in (0.0, BIG))
    assert sizes(plain, plain(batch, Draws(0, 4))[0]) > 0
    loss, values = all_out(batch, Draws(0, 4))
    assert values["left_out/gap"] == 1 and sizes(all_out, loss) == 0


@pytest.mark.parametrize("method", ["sopo", "online-dpo"])
def test_those_that_stay_count_as_before(policy: MDM, reward: Reward, batch: Batch, method: str) -> None:
    """Where policy and reference agree, each group's loss is log 2, and 0 where it is left out."""
    found = draw_candidates(policy.eval(), reward, batch, 2, ROLLOUT, Draws(0, 4))
    best = reward.score(policy.raw(batch), batch.length, batch.captions) if method == "sopo" else found.ends[0]
    gaps = (best - found.ends[1]).sort().values
    between = max(float(gaps[1] + gaps[2]) / 2, 1e-6)
    share = float((gaps >= between).float().mean())
    assert 0 < share < 1
    loss, values = objective_of(policy, reward, method, min_gap=between)(batch, Draws(0, 4))
    assert loss.item() == pytest.approx(share * math.log(2), abs=1e-6)
    assert values["left_out/gap"] == pytest.approx(1 - share)


def test_the_best_of_n_trains_on_the_groups_that_stay(policy: MDM, reward: Reward, batch: Batch) -> None:
    """As if the others had not been drawn: the same loss, weighted by the share that stays."""
    gaps = draw_candidates(policy.eval(), reward, batch, 2, ROLLOUT, Draws(0, 4)).ends
    gap = (gaps[0] - gaps[1]).sort().values
    objective = objective_of(policy, reward, "best-of-n", min_gap=float(gap[1] + gap[2]) / 2)
    seen: list[tuple[Batch, Draws]] = []
    own = policy.training_loss
    policy.training_loss = lambda b, d: seen.append((b, d)) or own(b, d)  # type: ignore[method-assign, func-returns-value]
    torch.manual_seed(0)
    _, values = objective(batch, Draws(0, 4))
    [(few, draws)] = seen
    assert len(few) == 2 and values["left_out/gap"] == 0.5
    assert set(few.captions) < set(batch.captions)
    assert draws.normal(3).shape == (2, 3)


@pytest.mark.parametrize("still", [False, True])
def test_a_winner_that_trembles_more_than_the_loser_is_vetoed(policy: MDM, batch: Batch, still: bool) -> None:
    """The same motion is no worse; a body that does not move has no jitter at all."""
    _, values = objective_of(policy, None, "dpo", still, veto=("jitter",))(batch, Draws(0, 4))
    assert values["left_out/veto"] == float(still)


def test_guards_that_make_no_sense_are_refused(policy: MDM) -> None:
    for method in ("sft", "reward-gradient"):
        with pytest.raises(UserError, match=f"which {method} does not"):
            PreferenceConfig(method, min_gap=0.1)
        with pytest.raises(UserError, match=f"which {method} does not"):
            PreferenceConfig(method, veto=("floor",))
    with pytest.raises(UserError, match="veto"):
        PreferenceConfig("sopo", veto=("grace",))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="give --reward"):
        objective_of(policy, None, "dpo", min_gap=0.1)


def test_rows_of_a_batch_and_of_its_draws(batch: Batch) -> None:
    index = torch.tensor([3, 1])
    some = batch.at(index)
    assert some.keys == ("d", "b") and torch.equal(some.motion, batch.motion[[3, 1]])
    whole = Draws(5, 8, start=2, stop=6)
    assert torch.equal(Draws(5, 8, start=2, stop=6).at(index).normal(2), whole.normal(2)[[3, 1]])
