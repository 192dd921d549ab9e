"""How large and how hard the corpus is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sopo.errors import UserError


@dataclass(frozen=True)
class CorpusConfig:
    """Size and difficulty.

    train, val, test: clips. held_out: share of all compositions of actions that only the test split shows (val
    shares training's). wrong_share, coarse_share: of the training captions, those with a mistake (a side,
    direction, tempo, count or the order) and those with a part left out. test_coarse_share: the latter for val
    and test, whose captions are never wrong. test_actions: the least number of actions of a test clip, 4 at most;
    with 1 it is as easy as training. captions: at most so many a clip, 3 at least. skeleton: humanml3d for 22
    joints in metres at 20 fps, kit for 21 joints in KIT-ML's units at 12.5 fps.
    """

    train: int = 3000
    val: int = 150
    test: int = 640
    seed: int = 0
    held_out: float = 0.2
    wrong_share: float = 0.2
    coarse_share: float = 0.25
    test_coarse_share: float = 0.1
    test_actions: int = 3
    captions: int = 4
    skeleton: Literal["humanml3d", "kit"] = "humanml3d"

    def __post_init__(self) -> None:
        if min(self.train, self.val, self.test) < 0 or self.train + self.val + self.test == 0:
            raise UserError(f"a corpus of {self.train}/{self.val}/{self.test} clips: ask for at least one")
        if not 0 < self.held_out < 1:
            raise UserError(f"held_out={self.held_out}: needs a share between 0 and 1, both excluded")
        if min(self.wrong_share, self.coarse_share) < 0 or self.wrong_share + self.coarse_share > 1:
            raise UserError("wrong_share and coarse_share: need shares that add up to at most 1")
        if not 0 <= self.test_coarse_share <= 1:
            raise UserError(f"test_coarse_share={self.test_coarse_share}: needs a share from 0 to 1")
        if not 1 <= self.test_actions <= 4:
            raise UserError(f"test_actions={self.test_actions}: a clip has 1 to 4 actions")
        if self.captions < 3:
            raise UserError(f"captions={self.captions}: needs at least 3 a clip")
