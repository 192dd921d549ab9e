"""Rewards keep to their range, prefer what they should, and see no padding."""

import pytest
import torch
from torch import Tensor

from sopo.batch import as_captions
from sopo.errors import UserError
from sopo.matching.guo import GuoMatcher
from sopo.matching.settings import GuoConfig, TMRConfig
from sopo.matching.tmr import TMR
from sopo.motion.skeleton import HUMANML3D, KIT, skeleton_for_features
from sopo.rewards.learned import GuoReward, LearnedReward, TMRReward
from sopo.rewards.physical import PhysicalReward, WeightedReward
from sopo.rewards.reward import Reward

CAPTIONS = as_captions(["walk", "jump up", "walk", "a person sits down"])
LENGTH = torch.tensor([24, 12, 16, 8])


def tmr() -> TMR:
    return TMR(TMRConfig(HUMANML3D.num_features, "hashed-16", 16, 32))


def guo() -> GuoMatcher:
    return GuoMatcher(GuoConfig(HUMANML3D.num_features, "hashed-16", 16, 8, 64, 16, 16, 16, 16, 16))


def motions(seed: int = 0, width: int = HUMANML3D.num_features) -> Tensor:
    return 0.3 * torch.randn(4, 24, width, generator=torch.Generator().manual_seed(seed))


REWARDS = {
    "tmr": lambda: TMRReward(tmr()),
    "cosine": lambda: TMRReward(tmr(), plain_cosine=True),
    "guo": lambda: GuoReward(guo()),
    "physical": PhysicalReward,
    "sum": lambda: WeightedReward([(0.7, PhysicalReward()), (-0.5, TMRReward(tmr()))]),
}


@pytest.mark.parametrize("name", REWARDS)
@pytest.mark.usefixtures("float64")
def test_range_padding_and_gradient(name: str) -> None:
    reward: Reward = REWARDS[name]()
    x = motions()
    score = reward.score(x.requires_grad_(), LENGTH, CAPTIONS)
    low, high = reward.range
    assert score.shape == (4,) and score.requires_grad == reward.differentiable
    assert not reward.score(x.detach(), LENGTH, CAPTIONS).requires_grad
    assert (score >= low).all() and (score <= high).all()
    assert reward.describe() and "\n" not in reward.describe()
    dirty = torch.cat([x.detach(), torch.zeros(4, 6, x.shape[-1])], 1)
    for row, frames in enumerate(LENGTH.tolist()):
        dirty[row, frames:] = torch.nan
    torch.testing.assert_close(reward.score(dirty, LENGTH, CAPTIONS), score)


@pytest.mark.parametrize("name", ["tmr", "cosine", "guo"])
def test_a_gradient_is_the_slope_of_the_score(name: str) -> None:
    reward: Reward = REWARDS[name]()
    x, direction = motions().requires_grad_(), motions(1)
    (slope,) = torch.autograd.grad(reward.score(x, LENGTH, CAPTIONS).sum(), x)
    step = 1e-2
    ahead, behind = (reward.score(x.detach() + sign * step * direction, LENGTH, CAPTIONS).sum() for sign in (1, -1))
    torch.testing.assert_close((slope * direction).sum(), (ahead - behind) / (2 * step), rtol=0.02, atol=1e-3)
    beyond = slope[3, int(LENGTH[3]) :]
    assert slope.abs().sum() > 0 and not beyond.any(), "frames beyond the length have no say"


def test_the_mapping_of_tmr() -> None:
    model = tmr()
    cosine = TMRReward(model, plain_cosine=True).score(motions(), LENGTH, CAPTIONS)
    torch.testing.assert_close(TMRReward(model).score(motions(), LENGTH, CAPTIONS), (cosine + 1) / 2)


@pytest.mark.usefixtures("float64")
def test_the_mapping_of_guo() -> None:
    model = guo()
    distance = (model.embed_texts(CAPTIONS) - model.embed_motions(motions(), LENGTH)).norm(dim=1)
    torch.testing.assert_close(GuoReward(model).score(motions(), LENGTH, CAPTIONS), 1 / (1 + distance))


@pytest.mark.parametrize("build", [lambda: TMRReward(tmr()), lambda: GuoReward(guo())])
def test_learned_rewards_embed_and_are_frozen(build: type[LearnedReward]) -> None:
    reward = build()
    assert reward.embed_motions(motions(), LENGTH).shape == (4, 16)
    assert not any(p.requires_grad for p in reward.matcher.parameters()) and not reward.matcher.training


@pytest.mark.parametrize("name", ["tmr", "cosine", "guo", "sum"])
@pytest.mark.usefixtures("float64")
def test_score_and_embedding_at_once_are_those_of_each(name: str) -> None:
    reward: Reward = REWARDS[name]()
    score, embedding = reward.score_and_embed(motions(), LENGTH, CAPTIONS)
    torch.testing.assert_close(score, reward.score(motions(), LENGTH, CAPTIONS))
    torch.testing.assert_close(embedding, reward.embed_motions(motions(), LENGTH))


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
def test_a_still_body_is_perfect_and_a_shaking_one_is_not(skeleton: type) -> None:
    reward = PhysicalReward()
    width = skeleton.num_features  # type: ignore[attr-defined]
    still = torch.ones(1, 24, 1).expand(4, 24, width) * (torch.arange(width) == 3)
    still = still / skeleton_for_features(width).metres_per_unit
    assert torch.allclose(reward.score(still, LENGTH, CAPTIONS), torch.ones(4))
    shaken = still + motions(width=width) / skeleton_for_features(width).metres_per_unit
    assert (reward.score(shaken, LENGTH, CAPTIONS) < 0.9).all()


def test_what_has_no_embedding_says_so() -> None:
    for reward in (PhysicalReward(), WeightedReward([(1.0, PhysicalReward())])):
        with pytest.raises(UserError, match="no motion embedding"):
            reward.embed_motions(motions(), LENGTH)
    both = WeightedReward([(1.0, PhysicalReward()), (1.0, TMRReward(tmr()))])
    assert both.embed_motions(motions(), LENGTH).shape == (4, 16)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(UserError, match="positive"):
        PhysicalReward(jitter=0)
    with pytest.raises(UserError, match="at least one"):
        WeightedReward([])
    with pytest.raises(UserError, match="17 features"):
        PhysicalReward().score(torch.zeros(4, 24, 17), LENGTH, CAPTIONS)
