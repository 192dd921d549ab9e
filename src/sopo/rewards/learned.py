"""Text-motion matchers as rewards. Their networks follow the motions to their device."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor

from sopo.batch import Caption
from sopo.matching.guo import GuoMatcher
from sopo.matching.tmr import TMR
from sopo.rewards.reward import Reward


class LearnedReward(Reward):
    """A function of how well the embeddings of motion and caption match."""

    differentiable = True

    def __init__(self, matcher: TMR | GuoMatcher) -> None:
        self.matcher = matcher.eval().requires_grad_(False)

    def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor:
        return self.matcher.to(motions.device).embed_motions(motions, length)

    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        return self.score_and_embed(motions, length, captions)[0]

    def score_and_embed(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> tuple[Tensor, Tensor]:
        embedded = self.embed_motions(motions, length)
        return self.value(self.matcher.similarity(self.matcher.embed_texts(captions), embedded)), embedded

    @abstractmethod
    def value(self, similarity: Tensor) -> Tensor:
        """The matcher's similarity [N] -> reward [N]."""


class TMRReward(LearnedReward):
    """TMR's score (cos + 1) / 2 of the two means, in 0..1 (``get_score_matrix``); or the plain cosine.

    On the first, the paper's tau = 0.45 means cos < -0.1.
    """

    def __init__(self, matcher: TMR, plain_cosine: bool = False) -> None:
        super().__init__(matcher)
        self.plain_cosine = plain_cosine
        self.range = (-1.0, 1.0) if plain_cosine else (0.0, 1.0)

    def value(self, similarity: Tensor) -> Tensor:
        return similarity if self.plain_cosine else (similarity + 1) / 2

    def describe(self) -> str:
        return "TMR, cosine, -1..1" if self.plain_cosine else "TMR, (cos + 1) / 2, 0..1"


class GuoReward(LearnedReward):
    """1 / (1 + d) of the Euclidean distance d in Guo et al.'s evaluator, in 0..1 (MoDiPO-G).

    MoDiPO only ranks by it, which any falling function of d leaves alone; this one is bounded.
    """

    range = (0.0, 1.0)

    def value(self, similarity: Tensor) -> Tensor:
        return 1 / (1 - similarity)

    def describe(self) -> str:
        return "Guo et al.'s evaluator, 1 / (1 + distance), 0..1"
