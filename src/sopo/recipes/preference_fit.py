"""Fit a reward, and how its strengths become answers, on people's answers as numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sopo.errors import UserError
from sopo.matching.tmr import TMR
from sopo.randomness import numpy_rng
from sopo.recipes.settings import ChoicesConfig
from sopo.rewards.answers import CHOICES, TIES, AnswerModel
from sopo.rewards.bradley_terry import BradleyTerry
from sopo.rewards.settings import BradleyTerryConfig

PRIORS = (0.001, 0.01, 0.1, 1.0, 10.0)  # tried where the config names none
FOLDS = 3
SLOPE = 10.0  # deviation of the prior on the cosine's slope, so that choices without a mistake do not drive it on
ITERATIONS = 60  # of LBFGS


@dataclass(frozen=True)
class Answers:
    """N answers as numbers, and what they are about.

    described: [U, F], each motion beside its caption once. a, b: [N] rows of it. answer: [N] places in ``ANSWERS``.
    annotator: [N]. caption: [N], the same number for all answers about one caption. tests: annotator and whether the
    answer was right, of tests with a known one, [M] each. names: of the annotators.
    """

    described: Tensor
    a: Tensor
    b: Tensor
    answer: Tensor
    annotator: Tensor
    caption: Tensor
    tests: tuple[Tensor, Tensor]
    names: tuple[str, ...]

    def strengths(self, reward: BradleyTerry, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Of a and b, [M] each."""
        return tuple(reward.strength(self.described[side[rows]]) for side in (self.a, self.b))  # type: ignore[return-value]

    def chosen(self, rows: Tensor) -> Tensor:
        """Those of the rows whose answer prefers one motion."""
        return rows[self.answer[rows] < len(CHOICES)]


@dataclass(frozen=True)
class Fitted:
    """A reward, how its strengths become answers, and the prior that was held to."""

    reward: BradleyTerry
    model: AnswerModel
    prior: float

    @torch.no_grad()
    def chosen_first(self, answers: Answers, rows: Tensor) -> Tensor:
        """P(a | a or b) of answers, [M]."""
        return self.model.chosen_first(*answers.strengths(self.reward, rows), answers.annotator[rows])


def fit(matcher: TMR, answers: Answers, train: Tensor, config: ChoicesConfig) -> Fitted:
    """The most probable reward after the answers ``train`` [M], under a prior N(0, 1 / (2 prior)) on its weights."""
    prior = _best_prior(matcher, answers, train, config) if config.prior is None else config.prior
    reward = BradleyTerry(BradleyTerryConfig(matcher.config))
    reward.matcher.load_state_dict(matcher.state_dict())
    answer, annotator, (tester, right) = answers.answer[train], answers.annotator[train], answers.tests
    tied = answer[answer >= len(CHOICES)].unique()
    model = AnswerModel(len(answers.names), bool(len(tied)), config.weigh_annotators)
    fitted = [reward.slope, reward.weights, *(part for part in model.parameters() if part.requires_grad)]
    optimizer = torch.optim.LBFGS(fitted, max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    reward.double(), model.double()  # where it ends hangs on no rounding

    def loss() -> Tensor:
        optimizer.zero_grad()
        total = model.loss(*answers.strengths(reward, train), answer, annotator).sum()
        total = total + model.test_loss(right, tester).sum() + model.prior()
        total = (total + prior * reward.weights.square().sum() + (reward.slope / SLOPE).square() / 2) / len(train)
        total.backward()
        return total

    optimizer.step(loss)
    with torch.no_grad():
        both = len(tied) == len(TIES)  # then answers say what is good enough
        reward.centre.copy_(model.middle if both else torch.cat(answers.strengths(reward, train)).mean())
        model.middle.sub_(reward.centre)
    if not reward.weights.isfinite().all():
        raise UserError("the answers have no best fit: give a greater --prior")
    return Fitted(reward, model, prior)


def _best_prior(matcher: TMR, answers: Answers, train: Tensor, config: ChoicesConfig) -> float:
    """By how surprising choices about left-out captions are: the ``strongest`` of ``PRIORS``."""
    captions = int(answers.caption.max()) + 1
    fold = torch.from_numpy(numpy_rng(config.seed, "folds").integers(FOLDS, size=captions))[answers.caption[train]]

    def surprise(prior: float) -> Tensor:
        """Of each caption, [C]."""
        total = torch.zeros(captions, dtype=torch.float64)
        for part in range(FOLDS):
            rest, left_out = train[fold != part], answers.chosen(train[fold == part])
            if len(rest) and len(left_out):
                found = fit(matcher, answers, rest, dataclasses.replace(config, prior=prior))
                probability = found.chosen_first(answers, left_out)
                first = answers.answer[left_out] == 0
                total.index_add_(0, answers.caption[left_out], -torch.where(first, probability, 1 - probability).log())
        return total

    return strongest({prior: surprise(prior) for prior in PRIORS})


def strongest(surprise: Mapping[float, Tensor]) -> float:
    """The strongest prior whose surprise [C] is within a standard error of the least one's, in sum over captions.

    Which prior is the best, chance says where answers are few or noisy; a strong one errs by little then, a weak one
    by much (Breiman et al., Classification and Regression Trees, 1984: the rule of one standard error).
    """
    least = min(surprise.values(), key=lambda x: float(x.sum()))
    apart = {prior: x - least for prior, x in surprise.items()}
    return max(prior for prior, x in apart.items() if x.sum() <= x.square().sum().sqrt())


def held_out(answers: Answers, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rows of the answers that measure, and of those that are learnt from, in a random order; no caption is in both."""
    captions = int(answers.caption.max()) + 1
    held = round(share * captions)
    if held == captions or (share and not held):
        raise UserError(f"answers about {captions} captions: too few to hold out {share:g} of them")
    rng = numpy_rng(seed, "held out")
    order = torch.from_numpy(rng.permutation(len(answers.answer)))
    test = torch.isin(answers.caption[order], torch.from_numpy(rng.permutation(captions)[:held]))
    return order[test], order[~test]
