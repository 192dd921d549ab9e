"""The budgets of whole jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from sopo.corpus.settings import CorpusConfig
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.recipes.presets import ALIGNMENT_CORPUS, LOOP_STABLE

# The kinds of files that motions are written as; `sopo.recipes.outputs` has a writer for each.
FORMATS = {
    "npy": "joints [T, J, 3]",
    "bvh": "animation",
    "glb": "animated body for Blender and browsers",
    "smpl": ".npz as in AMASS",
    "gif": "film",
    "mp4": "film",
    "png": "film strip",
}


@dataclass(frozen=True)
class ExportConfig:
    """Which clips of a data set become which kinds of files."""

    formats: tuple[str, ...] = ("bvh",)
    split: str | None = None  # None: all clips
    ids: tuple[str, ...] = ()  # these alone; empty: all of the split
    most: int = 0  # clips, drawn by the seed; 0: all
    seed: int = 0

    def __post_init__(self) -> None:
        check_formats(self.formats)
        if self.most < 0 or self.seed < 0:
            raise UserError(f"most is {self.most} and seed is {self.seed}: both must be 0 or more")


def check_formats(formats: Iterable[str]) -> None:
    """Raise UserError, naming those that are no format."""
    if unknown := [name for name in formats if name not in FORMATS]:
        raise UserError(f"--formats: unknown {', '.join(unknown)}; known: {', '.join(FORMATS)}")


@dataclass(frozen=True)
class QuickstartConfig:
    """The quickstart's budget; the defaults take about five minutes on two cores."""

    generator: Literal["mdm", "mld", "momask"] = "mdm"
    train_clips: int = 3000
    test_clips: int = 320
    steps: int = 100
    runs: int = 20
    seed: int = 0
    sampling: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 2.5))


@dataclass(frozen=True)
class MineConfig:
    """How to mine."""

    K: int = 4  # samples a caption
    captions: int = 0  # training captions, drawn at random; 0: all
    keep: Literal["pair", "all"] = "pair"  # of the K samples: best and worst, or all (for dpo-ranked)
    sampling: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 2.5))
    half: bool = False  # keep features and latents in 16 bits: half the disk, an error of 5e-4 of their size
    batch_size: int = 64  # captions at a time
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"K": 2, "captions": 0, "batch_size": 1, "seed": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise UserError(f"{name} is {getattr(self, name)}: must be at least {value}")
        if self.keep not in ("pair", "all"):
            raise UserError(f"keep is {self.keep!r}: choose pair or all")


@dataclass(frozen=True)
class BenchConfig:
    """The budget of a table; every cell has the same steps."""

    steps: int = LOOP_STABLE["steps"]
    seeds: tuple[int, ...] = (0, 1, 2)
    runs: int = 20
    corpus: CorpusConfig = ALIGNMENT_CORPUS  # made where no data are given
    mining: MineConfig = field(default_factory=lambda: MineConfig(half=True))
    sampling: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 2.5))  # of what is measured

    def __post_init__(self) -> None:
        if not self.seeds or self.steps < 1 or self.runs < 1:
            raise UserError("steps, runs and the number of seeds must be 1 or more")


@dataclass(frozen=True)
class ChoicesConfig:
    """How to fit the head: all choices at once, as they are few."""

    hidden: int = 64
    steps: int = 300
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    held_out: float = 0.2  # share of the choices that measure it
    seed: int = 0

    def __post_init__(self) -> None:
        if self.hidden < 1 or self.steps < 1:
            raise UserError(f"hidden is {self.hidden} and steps is {self.steps}: both must be at least 1")
        if not 0 < self.learning_rate < 1 or self.weight_decay < 0:
            raise UserError(
                f"learning_rate is {self.learning_rate} and weight_decay is {self.weight_decay}: "
                "the one lies between 0 and 1, the other is not negative"
            )
        if not 0 <= self.held_out < 1:
            raise UserError(f"held_out is {self.held_out}: a share in [0, 1)")
