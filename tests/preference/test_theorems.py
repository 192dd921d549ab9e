"""Theorems 1 and 2, and the limit of Sec. 3.2, on a policy whose motions can be counted.

The policy is a softmax over five motions; h(x) = log pi(x) - log pi_ref(x). Everything is in float64 and every
expectation is a sum over all outcomes.
"""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from sopo.preference.losses import pair_loss, plackett_luce_loss, soft_ranking_loss

MOTIONS, K, BETA = 5, 3, 0.8
GROUPS = torch.tensor(list(itertools.product(range(MOTIONS), repeat=K)))  # what K draws can give
REFERENCE = torch.tensor([0.3, -0.4, 0.9, -1.1, 0.2], dtype=torch.float64)
REWARD = torch.tensor([0.5, -0.9, 0.1, 1.7, -0.3], dtype=torch.float64)


def h_of(theta: Tensor) -> Tensor:
    return theta.log_softmax(0) - REFERENCE.log_softmax(0)


def gradient(value: Tensor, theta: Tensor) -> Tensor:
    return torch.autograd.grad(value, theta, retain_graph=True)[0]


def policy() -> Tensor:
    return torch.randn(MOTIONS, dtype=torch.float64, requires_grad=True)


def place_probabilities(score: Tensor) -> list[Tensor]:
    """Eq. 5 at each place: the distribution over the candidates not yet placed, best first."""
    return [score[k:].exp() / score[k:].exp().sum() for k in range(len(score))]


def test_theorem_1_offline_dpo_follows_the_forward_kl_to_the_preferences() -> None:
    theta = policy()
    rankings = torch.tensor(list(itertools.permutations((0, 2, 3))))
    truth = torch.rand(len(rankings), dtype=torch.float64).softmax(0)
    h = h_of(theta)

    divergence = torch.zeros((), dtype=torch.float64)
    for p_gt, ranking in zip(truth, rankings, strict=True):
        p_theta = torch.ones((), dtype=torch.float64)
        for k in range(K):
            p_theta = p_theta * h[ranking[k]].exp() ** BETA / (h[ranking[k:]].exp() ** BETA).sum()
        divergence = divergence + p_gt * torch.log(p_gt / p_theta)

    offline = (truth * plackett_luce_loss(h[rankings], BETA)).sum()
    torch.testing.assert_close(gradient(offline, theta), gradient(divergence, theta))
    # The two differ by the entropy of the preferences, and meet where there is one ranking only.
    entropy = -(truth * truth.log()).sum()
    torch.testing.assert_close(offline, divergence + entropy)


def test_theorem_2_online_dpo_follows_the_forward_kl_weighted_by_what_is_sampled() -> None:
    theta = policy()
    h, sampled = h_of(theta), theta.detach().softmax(0)
    weighted = torch.zeros((), dtype=torch.float64)  # Eq. 6
    cross_entropy = torch.zeros((), dtype=torch.float64)  # the likelihood of the online preferences
    for group in GROUPS:
        ranked = group[REWARD[group].argsort(descending=True, stable=True)]
        chance = sampled[group].prod()
        for p_r, p_theta in zip(
            place_probabilities(REWARD[ranked]), place_probabilities(BETA * h[ranked]), strict=True
        ):
            weighted = weighted + chance * (p_r * torch.log(p_r / p_theta)).sum()
            cross_entropy = cross_entropy - chance * (p_r * torch.log(p_theta)).sum()

    online = (sampled[GROUPS].prod(1) * soft_ranking_loss(h[GROUPS], REWARD[GROUPS], BETA)).sum()
    torch.testing.assert_close(online, weighted)
    torch.testing.assert_close(gradient(online, theta), gradient(weighted, theta))
    torch.testing.assert_close(gradient(online, theta), gradient(cross_entropy, theta))


def test_online_gradient_is_zero_only_where_the_policy_agrees_with_the_reward() -> None:
    agreeing = (REFERENCE + REWARD / BETA).requires_grad_()  # h = reward / beta, up to a constant
    for theta, least in ((agreeing, 0.0), (policy(), 1e-3)):
        h, sampled = h_of(theta), theta.detach().softmax(0)
        online = (sampled[GROUPS].prod(1) * soft_ranking_loss(h[GROUPS], REWARD[GROUPS], BETA)).sum()
        norm = gradient(online, theta).norm().item()
        assert norm == pytest.approx(0, abs=1e-12) if least == 0 else norm > least


def test_online_dpo_forgets_a_good_motion_that_is_rarely_sampled_and_sopo_does_not() -> None:
    best = int(REWARD.argmax())
    groups = GROUPS[(best == GROUPS).any(1)]
    online_norms, semi_online_norms = [], []
    for score in (0.0, -5.0, -10.0, -20.0, -40.0):
        theta = torch.zeros(MOTIONS, dtype=torch.float64)
        theta[best] = score
        theta.requires_grad_()
        h, sampled = h_of(theta), theta.detach().softmax(0)
        chance = sampled[groups].prod(1)
        hard = plackett_luce_loss(h[groups].gather(1, REWARD[groups].argsort(1, descending=True)), BETA)
        soft = soft_ranking_loss(h[groups], REWARD[groups], BETA)
        online_norms.append([gradient((chance * loss).sum(), theta).norm().item() for loss in (hard, soft)])
        # DSoPo: the good motion comes from the data, its rival from the policy.
        rivals = pair_loss(h[best].expand(MOTIONS), h, BETA, BETA, torch.ones(MOTIONS, dtype=torch.bool))
        semi_online_norms.append(gradient((sampled * rivals).sum(), theta).norm().item())
    hard_norms, soft_norms = zip(*online_norms, strict=True)
    for norms in (hard_norms, soft_norms):
        assert all(later < earlier for earlier, later in itertools.pairwise(norms))
        assert norms[-1] < 1e-14
    assert min(semi_online_norms[1:]) > 0.5
