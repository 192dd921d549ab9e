"""The losses, written in h alone: their identities, their corners and their shape."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sopo.preference.losses import (
    pair_loss,
    plackett_luce_loss,
    preferred_weight,
    ranking_log_probabilities,
    soft_ranking_loss,
)
from sopo.preference.methods import METHODS, method_by_name
from sopo.preference.proximity import proximity

logit = st.floats(-20, 20)
positive = st.floats(0.05, 5)
ALL, NONE = torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)


def sides() -> tuple[Tensor, Tensor]:
    h = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    return h[0], h[1]


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_two_candidates_of_plackett_luce_are_a_dpo_pair() -> None:
    h_w, h_l = sides()
    ranked = plackett_luce_loss(torch.stack([h_w, h_l], 1), beta=0.7)
    torch.testing.assert_close(ranked, pair_loss(h_w, h_l, 0.7, 0.7, ALL))


def test_pair_is_the_textbook_formula() -> None:
    h_w, h_l = sides()
    expected = torch.log(1 + torch.exp(-(0.7 * h_w - 0.7 * h_l)))
    torch.testing.assert_close(pair_loss(h_w, h_l, 0.7, 0.7, ALL), expected)


def test_plackett_luce_is_the_textbook_product() -> None:
    h, beta = torch.randn(3, 4, dtype=torch.float64), 0.6
    expected = []
    for scores in h.tolist():
        product = 1.0
        for k in range(4):
            product *= math.exp(beta * scores[k]) / sum(math.exp(beta * s) for s in scores[k:])
        expected.append(-math.log(product))
    torch.testing.assert_close(plackett_luce_loss(h, beta), row(*expected))


def test_rankings_of_plackett_luce_are_a_distribution() -> None:
    scores = torch.randn(4, dtype=torch.float64)
    rankings = torch.tensor(list(itertools.permutations(range(4))))
    assert ranking_log_probabilities(scores[rankings]).sum(1).exp().sum() == pytest.approx(1)


def test_similarity_of_c_minus_1_makes_sopo_dsopo() -> None:
    h_w, h_l = sides()
    C, beta = 2.0, 0.7
    weight = preferred_weight(torch.full((6,), C - 1, dtype=torch.float64), beta, C)
    torch.testing.assert_close(pair_loss(h_w, h_l, weight, beta, ALL), pair_loss(h_w, h_l, beta, beta, ALL))


def test_weight_of_beta_makes_sopo_usopo() -> None:
    h_w, h_l = sides()
    vu = torch.tensor([True, False, True, True, False, False])
    usopo = torch.where(
        vu, -torch.nn.functional.logsigmoid(0.7 * (h_w - h_l)), -torch.nn.functional.logsigmoid(0.7 * h_w)
    )
    torch.testing.assert_close(pair_loss(h_w, h_l, torch.full((6,), 0.7), 0.7, vu), usopo)


def test_without_a_valuable_loser_only_the_winner_acts() -> None:
    h_w, h_l = sides()
    loss = pair_loss(h_w, h_l, 1.3, 0.7, NONE)
    torch.testing.assert_close(loss, -torch.nn.functional.logsigmoid(1.3 * h_w))
    by_w, by_l = torch.autograd.grad(loss.sum(), (h_w, h_l))
    assert (by_w < 0).all() and (by_l == 0).all()


def test_hard_ranking_is_the_limit_of_the_soft_one() -> None:
    h, reward = torch.randn(5, 4, dtype=torch.float64), torch.rand(5, 4, dtype=torch.float64)
    ranked = h.gather(1, reward.argsort(1, descending=True))
    torch.testing.assert_close(soft_ranking_loss(h, 1e5 * reward, 0.6), plackett_luce_loss(ranked, 0.6))


@settings(deadline=None)
@given(h_w=logit, h_l=logit, step=st.floats(1e-3, 5), beta=positive, beta_w=positive, vu=st.booleans())
def test_loss_falls_as_the_winner_rises_or_the_loser_falls(
    h_w: float, h_l: float, step: float, beta: float, beta_w: float, vu: bool
) -> None:
    def loss(h_w: float, h_l: float) -> float:
        return pair_loss(row(h_w), row(h_l), beta_w, beta, torch.tensor([vu])).item()

    here = loss(h_w, h_l)
    assert here > 0
    assert loss(h_w + step, h_l) < here
    assert loss(h_w, h_l - step) < here if vu else loss(h_w, h_l - step) == here


@settings(deadline=None)
@given(st.lists(st.tuples(logit, logit, positive, st.booleans()), min_size=1, max_size=8), st.randoms())
def test_each_caption_is_judged_by_itself(rows: list[tuple[float, float, float, bool]], random: object) -> None:
    h_w, h_l, beta_w, vu = (torch.tensor(column) for column in zip(*rows, strict=True))
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    whole = pair_loss(h_w, h_l, beta_w, 0.7, vu)
    torch.testing.assert_close(pair_loss(h_w[order], h_l[order], beta_w[order], 0.7, vu[order]), whole[order])


@settings(deadline=None)
@given(S=st.floats(-1, 1), beta=positive, C=st.floats(1, 4))
def test_weights_lie_between_beta_times_c_minus_and_plus_1(S: float, beta: float, C: float) -> None:
    weight = preferred_weight(row(S), beta, C).item()
    assert beta * (C - 1) - 1e-12 <= weight <= beta * (C + 1) + 1e-12
    assert weight >= 0


@settings(deadline=None)
@given(st.lists(st.tuples(logit, st.floats(-2, 2)), min_size=2, max_size=6), positive)
def test_soft_ranking_is_a_divergence(rows: list[tuple[float, float]], beta: float) -> None:
    h, reward = (torch.tensor([column], dtype=torch.float64) for column in zip(*rows, strict=True))
    assert soft_ranking_loss(h, reward, beta).item() >= -1e-12
    agreeing = (reward + 3.0) / beta  # equal to the rewards up to a constant
    assert soft_ranking_loss(agreeing, reward, beta).item() == pytest.approx(0, abs=1e-9)
    apart = agreeing.clone()
    apart[0, 0] += 1.0 / beta
    assert soft_ranking_loss(apart, reward, beta).item() > 1e-4


def test_soft_ranking_does_not_care_in_which_order_candidates_come() -> None:
    h, reward = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    order = [3, 1, 4, 0, 2]
    torch.testing.assert_close(soft_ranking_loss(h[:, order], reward[:, order], 0.5), soft_ranking_loss(h, reward, 0.5))


def test_proximity_is_the_least_cosine() -> None:
    preferred, generated = torch.randn(3, 8), torch.randn(3, 4, 8)
    expected = [
        min(float(torch.dot(w, x) / w.norm() / x.norm()) for x in group)
        for w, group in zip(preferred, generated, strict=True)
    ]
    torch.testing.assert_close(proximity(preferred, generated), torch.tensor(expected))
    torch.testing.assert_close(proximity(2 * preferred, 5 * preferred[:, None]), torch.ones(3))
    torch.testing.assert_close(proximity(preferred, -preferred[:, None]), -torch.ones(3))


def test_ablations_are_corners_of_sopo() -> None:
    corners = {
        name: (m.threshold, m.reweight) for name, m in METHODS.items() if (m.winner, m.loser) == ("data", "policy")
    }
    assert corners == {
        "dsopo": (False, False),
        "sopo-without-vu": (False, True),
        "usopo": (True, False),
        "sopo": (True, True),
    }
    assert method_by_name("sopo").samples_policy and not method_by_name("modipo").samples_policy
