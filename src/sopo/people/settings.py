"""What people are asked, and where the pages are served."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.settings import Natural, Positive, Range, Seed, Settings, Share

TestShare = Annotated[float, Range(0, 0.5)]


@dataclass(frozen=True)
class StudyConfig(Settings):
    """Which pairs are asked, and of how many people."""

    pairs: Positive = 200
    """how many"""
    split: str = "train"
    """of the data, for its captions; test for a study of models"""
    against: Literal["sample", "real"] = "sample"
    """of one generator: two samples, or a sample against the real motion"""
    choose: Literal["chance", "unsure"] = "chance"
    """pairs as drawn, or the quarter of them on which --reward is least sure"""
    seconds: Annotated[float, Range(1, 9.8)] | None = None
    """length of motions for captions from a file; where it is not given, the generator's estimate or 3.2"""
    shared: Share = 0.1
    """share of the pairs that go to several people, for agreement"""
    sharers: Annotated[int, Range(2, 1000)] = 3
    """people who answer a shared pair"""
    repeats: TestShare = 0.05
    """share of a person's questions that they have answered before"""
    attention: TestShare = 0.05
    """share of a person's questions that are tests: a motion against noise"""
    sampling: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 2.5))
    batch_size: Positive = 64
    """captions at a time"""
    seed: Seed = 0


@dataclass(frozen=True)
class CrowdConfig(Settings):
    """Simulated people, to try a study on."""

    people: Positive = 6
    """how many"""
    lazy: Natural = 1
    """of them, who say "left" whatever is shown"""
    wrong: Share = 0.2
    """share of the others' answers that are another one than they think"""
    tie: Annotated[float, Range(0)] = 0.0
    """difference up to which two motions are as good to them: of a share of what is stated, or of a reward's spread"""
    answers: Natural = 0
    """of all together; 0: all that the study wants"""
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lazy > self.people:
            raise UserError(f"lazy is {self.lazy}: there are {self.people} people")


@dataclass(frozen=True)
class ServeConfig(Settings):
    """Where a page is served. Whoever is not on this machine needs the token in the link."""

    host: str = "127.0.0.1"
    """address to listen on; 0.0.0.0 opens the page to the network, with a token in its link"""
    port: Annotated[int, Range(0, 65535)] = 8765
    """0 takes a free one"""
    hosts: tuple[str, ...] = ()
    """further names under which the page may be asked for, such as those of a proxy"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.host.strip():
            raise UserError("host is empty: give an address, such as 127.0.0.1")
