"""How strengths of two motions become people's answers: one scale for choices, ties and both kinds of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHOICES, TIES = ("a", "b"), ("both_good", "both_bad")
ANSWERS = (*CHOICES, *TIES)  # an answer's number is its place
GUESSED = 0.1  # share of guesses that an annotator begins with


class AnswerModel(nn.Module):
    """P(answer | s_a, s_b) of N pairs, and the share of guesses among each annotator's answers.

    A tie has Davidson's weight nu sqrt(e^s_a e^s_b) beside e^s_a and e^s_b (1970); of the ties sigmoid(mean strength -
    middle) are "both good". An annotator r guesses a share g_r of the answers evenly, the rest is drawn so; g_r has a
    common part and an own one of prior N(0, 1), so that few answers hardly part annotators.
    """

    def __init__(self, annotators: int, ties: bool, weigh: bool = True) -> None:
        """ties: whether the labels know such answers. weigh: whether annotators differ in g_r."""
        super().__init__()
        self.options = len(ANSWERS) if ties else len(CHOICES)
        self.log_nu, self.middle = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.guesses = nn.Parameter(torch.logit(torch.tensor(GUESSED)))
        self.own = nn.Parameter(torch.zeros(annotators), requires_grad=weigh)

    def guessed(self) -> Tensor:
        """g_r of each annotator, [annotators]."""
        return (self.guesses + self.own).sigmoid()

    def log_weights(self, a: Tensor, b: Tensor) -> Tensor:
        """Strengths [N] -> log P of each answer that is not guessed, [N, 4] in the order of ``ANSWERS``, or [N, 2]."""
        if self.options == len(CHOICES):
            return torch.stack([a, b], -1).log_softmax(-1)
        level = (a + b) / 2
        tie = self.log_nu + level
        good, bad = F.logsigmoid(level - self.middle), F.logsigmoid(self.middle - level)
        return torch.stack([a, b, tie + good, tie + bad], -1).log_softmax(-1)

    def loss(self, a: Tensor, b: Tensor, answer: Tensor, annotator: Tensor) -> Tensor:
        """-log P of the answers given, [N]; strengths [N], numbers of answers and annotators [N]."""
        drawn = self.log_weights(a, b).gather(-1, answer[:, None])[:, 0].exp()
        guessed = self.guessed()[annotator]
        return -((1 - guessed) * drawn + guessed / self.options).log()

    def test_loss(self, right: Tensor, annotator: Tensor) -> Tensor:
        """-log P of answers to tests whose right answer is known, [N]: who does not guess gives it. right: bool [N]."""
        wrong = self.guessed()[annotator] * (1 - 1 / self.options)
        return -torch.where(right, 1 - wrong, wrong).log()

    def prior(self) -> Tensor:
        """-log of the prior, scalar: belongs to the sum of the losses."""
        return self.own.square().sum() / 2

    def chosen_first(self, a: Tensor, b: Tensor, annotator: Tensor) -> Tensor:
        """P(a | the answer is a or b), [N], guesses included."""
        probability = self.log_weights(a, b)[:, : len(CHOICES)].exp()
        guessed = self.guessed()[annotator][:, None]
        mixed = (1 - guessed) * probability + guessed / self.options
        return mixed[:, 0] / mixed.sum(-1)
