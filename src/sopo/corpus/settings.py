"""How large and how hard the corpus is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sopo.errors import UserError
from sopo.settings import Natural, Range, Rate, Seed, Settings, Share


@dataclass(frozen=True)
class CorpusConfig(Settings):
    """Size and difficulty.

    train, val, test: clips. held_out: share of all compositions of actions that only the test split shows (val
    shares training's). wrong_share, coarse_share: of the training captions, those with a mistake (a side,
    direction, tempo, count or the order) and those with a part left out. test_coarse_share: the latter for val
    and test, whose captions are never wrong. test_actions: the least number of actions of a test clip, 4 at most;
    with 1 it is as easy as training. captions: at most so many a clip, 3 at least. skeleton: humanml3d for 22
    joints in metres at 20 fps, kit for 21 joints in KIT-ML's units at 12.5 fps.
    """

    train: Natural = 3000
    val: Natural = 150
    test: Natural = 640
    seed: Seed = 0
    held_out: Rate = 0.2
    wrong_share: Share = 0.2
    coarse_share: Share = 0.25
    test_coarse_share: Share = 0.1
    test_actions: Annotated[int, Range(1, 4)] = 3
    captions: Annotated[int, Range(3)] = 4
    skeleton: Literal["humanml3d", "kit"] = "humanml3d"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train + self.val + self.test == 0:
            raise UserError("train, val and test are 0: ask for at least one clip")
        if self.wrong_share + self.coarse_share > 1:
            raise UserError("wrong_share and coarse_share: need shares that add up to at most 1")
