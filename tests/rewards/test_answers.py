"""How strengths become answers: known models in the corners, and what is fitted is what the answers were drawn by."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sopo.matching.settings import TMRConfig
from sopo.matching.tmr import TMR
from sopo.recipes.preference_fit import Answers, fit, held_out, strongest
from sopo.recipes.settings import ChoicesConfig
from sopo.rewards.answers import ANSWERS, AnswerModel
from sopo.rewards.repeats import WIDTH

A, B, GOOD, BAD = range(len(ANSWERS))


@pytest.fixture(autouse=True)
def _float64(float64: None) -> None:
    pass


def strengths(count: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(2, count, generator=torch.Generator().manual_seed(seed))


def test_without_ties_it_is_bradley_terry() -> None:
    a, b = strengths()
    torch.testing.assert_close(AnswerModel(1, ties=False).log_weights(a, b)[:, A], (a - b).sigmoid().log())


def test_ties_are_davidson_s_and_part_at_the_middle() -> None:
    a, b = strengths()
    model = AnswerModel(1, ties=True)
    torch.nn.init.constant_(model.log_nu, 0.5)
    torch.nn.init.constant_(model.middle, 0.3)
    probability = model.log_weights(a, b).exp()
    torch.testing.assert_close(probability.sum(-1), torch.ones(6))
    tie = probability[:, [GOOD, BAD]].sum(-1)
    weight = torch.tensor(0.5).exp() * ((a.exp() * b.exp()).sqrt())
    torch.testing.assert_close(tie, weight / (a.exp() + b.exp() + weight))
    torch.testing.assert_close(probability[:, GOOD] / tie, ((a + b) / 2 - 0.3).sigmoid())
    swapped = model.log_weights(b, a).exp()
    torch.testing.assert_close(swapped, probability[:, [B, A, GOOD, BAD]])


def test_who_only_guesses_says_nothing_of_the_motions() -> None:
    a, b = strengths().requires_grad_()
    model = AnswerModel(2, ties=True)
    with torch.no_grad():
        model.own[1] = 40.0
    answer = torch.tensor([A, B, GOOD, BAD, A, B])
    loss = model.loss(a, b, answer, torch.ones(6, dtype=torch.long))
    torch.testing.assert_close(loss, torch.full((6,), 4.0).log())
    assert torch.autograd.grad(loss.sum(), a)[0].abs().max() < 1e-12


def drawn(count: int, guess: tuple[float, ...], tests: int = 0) -> tuple[TMR, Answers, Tensor]:
    """Answers by a model of known weights, each annotator guessing so often, and these weights."""
    torch.manual_seed(0)
    matcher = TMR(TMRConfig(263, "hashed-16", 4, 8, 1, 1))
    weights = torch.zeros(3 * 4 + 2 * 263 + WIDTH)
    weights[:12] = 2 * torch.randn(12)
    described = torch.cat([torch.randn(2 * count, 12), torch.zeros(2 * count, 2 * 263 + WIDTH + 1)], -1)
    a, b = torch.arange(2 * count).view(2, -1)
    first, second = (described[side, :-1] @ weights for side in (a, b))
    answer = torch.multinomial(AnswerModel(1, ties=True).log_weights(first, second).exp(), 1)[:, 0]
    annotator = torch.arange(count) % len(guess)
    guessed = torch.rand(count) < torch.tensor(guess)[annotator]
    answer = torch.where(guessed, torch.randint(4, (count,)), answer)
    names = tuple(f"n{i}" for i in range(len(guess)))
    who = torch.arange(tests) % len(guess)
    right = torch.rand(tests) > 0.75 * torch.tensor(guess)[who]
    return matcher, Answers(described, a, b, answer, annotator, torch.arange(count), (who, right), names), weights


def test_the_fit_finds_the_weights_and_who_guesses() -> None:
    matcher, answers, weights = drawn(1500, (0.05, 0.05, 0.95), tests=60)
    found = fit(matcher, answers, torch.arange(1500), ChoicesConfig(prior=0.01))
    guessed = found.model.guessed()
    assert guessed[2] > 0.7 > 0.3 > guessed[:2].max()
    assert torch.corrcoef(torch.stack([found.reward.weights.detach(), weights]))[0, 1] > 0.95
    alike = fit(matcher, answers, torch.arange(1500), ChoicesConfig(prior=0.01, weigh_annotators=False))
    assert alike.model.guessed().unique().numel() == 1
    again = fit(matcher, answers, torch.arange(1500), ChoicesConfig(prior=0.01))
    assert torch.equal(again.reward.weights, found.reward.weights)


def test_few_answers_leave_the_tmr_as_it_is() -> None:
    """Where nothing can be learnt, the strongest prior foresees best."""
    matcher, answers, _ = drawn(120, (1.0,))
    assert fit(matcher, answers, torch.arange(120), ChoicesConfig()).prior == 10


def test_a_weak_prior_wants_more_than_chance() -> None:
    torch.manual_seed(0)
    best, noise = torch.rand(200), torch.randn(200) / 10
    noise -= noise.mean()
    assert strongest({0.1: best, 1.0: best + noise, 10.0: best + noise + 0.1}) == 1.0
    assert strongest({0.1: best, 1.0: best + noise + 0.02}) == 0.1  # within a standard error is less than .007
    assert strongest({0.1: best, 1.0: best}) == 1.0


def test_no_caption_is_on_both_sides() -> None:
    _, answers, _ = drawn(30, (0.0,))
    answers.caption.copy_(torch.arange(30) // 3)
    test, train = held_out(answers, 0.2, seed=1)
    assert len(test) == 6 and sorted([*test.tolist(), *train.tolist()]) == list(range(30))
    assert not set(answers.caption[test].tolist()) & set(answers.caption[train].tolist())
