"""The contract of rewards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from sopo.batch import Caption
from sopo.errors import UserError, answer_for

METHODS = ("score", "describe", "report", "embed_motions", "score_and_embed")


class Reward(ABC):
    """r(x, c): how good a motion is for a caption, higher is better.

    range: least and greatest possible value; it tells what a threshold tau can mean.
    differentiable: whether ``score`` passes a gradient on to motions that ask for one. No method but
    reward-gradient needs it.
    name: what the log calls it.
    """

    range: tuple[float, float]
    differentiable: bool = False
    name: str = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        answer_for(cls, [name for name in METHODS if getattr(cls, name) is not getattr(Reward, name)])

    @abstractmethod
    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        """Raw features [N, T, D], length [N] frames, N captions -> [N], blind to padding."""

    @abstractmethod
    def describe(self) -> str:
        """One line for logs and reports: what is scored, and how it maps to ``range``."""

    def report(self) -> dict[str, float]:
        """Of what was scored since the last call, what a run should log, by name; it is forgotten then."""
        return {}

    def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor:
        """Raw features [N, T, D], length [N] -> [N, E], the space in which proximity is measured (Sec. 4.3).

        Raises UserError if this reward has none.
        """
        raise UserError(
            f"the reward ({self.describe()}) has no motion embedding, which proximity weights compare: add a"
            " learned one (NAME + 0.5*shipped/reward), or choose a method without them, such as usopo"
        )

    def score_and_embed(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> tuple[Tensor, Tensor]:
        """``score`` [N] and ``embed_motions`` [N, E]; where the one is made of the other, it is computed once."""
        return self.score(motions, length, captions), self.embed_motions(motions, length)
