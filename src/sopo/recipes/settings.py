"""The budgets of whole jobs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from sopo.corpus.settings import CorpusConfig
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.preference.methods import method_by_name
from sopo.recipes.presets import ALIGNMENT_CORPUS, LOOP_STABLE
from sopo.recipes.tuning import TUNINGS
from sopo.settings import Natural, Positive, Range, Seed, Settings

TUNING_CORPUS = dataclasses.replace(ALIGNMENT_CORPUS, val=640)  # whose training split is the table's

Keep = Literal["last", "best"]  # of a run's weights, those that are saved

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
class MachineConfig(Settings):
    """Where networks run."""

    device: str | None = None
    """cpu, cuda, cuda:1, mps ...; none: the GPU that there is, else the CPU"""
    text_models: Path | None = None
    """folder with a folder for each published text model; none: the hub's cache, or the hub"""
    text_cache: Path | None = None
    """folder where the embeddings of captions are kept; none: sopo/text in the user's cache"""


@dataclass(frozen=True)
class ExportConfig(Settings):
    """Which clips of a data set become which kinds of files."""

    formats: tuple[str, ...] = ("bvh",)
    split: str | None = None  # None: all clips
    ids: tuple[str, ...] = ()  # these alone; empty: all of the split
    most: Natural = 0  # clips, drawn by the seed; 0: all
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_formats(self.formats)


def check_formats(formats: Iterable[str]) -> None:
    """Raise UserError, naming those that are no format."""
    if unknown := [name for name in formats if name not in FORMATS]:
        raise UserError(f"--formats: unknown {', '.join(unknown)}; known: {', '.join(FORMATS)}")


@dataclass(frozen=True)
class QuickstartConfig(Settings):
    """The quickstart's budget; the defaults take about five minutes on two cores."""

    generator: Literal["mdm", "mld", "momask", "flow"] = "mdm"
    train_clips: Positive = 3000
    test_clips: Positive = 320
    steps: Positive = 100
    runs: Positive = 10
    seed: Seed = 0
    sampling: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 2.5))


@dataclass(frozen=True)
class MineConfig(Settings):
    """How to mine."""

    K: Annotated[int, Range(2)] = 4  # samples a caption
    captions: Natural = 0  # training captions, drawn at random; 0: all
    keep: Literal["pair", "all"] = "pair"  # of the K samples: best and worst, or all (for dpo-ranked)
    sampling: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 2.5))
    half: bool = False  # keep features and latents in 16 bits: half the disk, an error of 5e-4 of their size
    batch_size: Positive = 64  # captions at a time
    seed: Seed = 0


@dataclass(frozen=True)
class GridConfig(Settings):
    """The budget of the cells of a table; every one has the same steps."""

    steps: Positive = LOOP_STABLE["steps"]
    seeds: tuple[Seed, ...] = (0, 1, 2)
    runs: Positive = 20
    rows: tuple[str, ...] = ()  # of the table, by name; empty: all
    best_of: Positive = 1  # above 1, a row of the untrained base: of so many samples the one that the reward likes best
    mining: MineConfig = field(default_factory=lambda: MineConfig(half=True))
    sampling: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 2.5))  # of what is measured

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.seeds:
            raise UserError("seeds is empty: give one or more")


@dataclass(frozen=True)
class BenchConfig(GridConfig):
    """The budget of a table."""

    corpus: CorpusConfig = ALIGNMENT_CORPUS  # made where no data are given


@dataclass(frozen=True)
class AblationConfig(BenchConfig):
    """The budget of Table 4, and what it sweeps: beyond the paper's tau of .40 to .60, K of 2 and 4, and C of 2."""

    tau: tuple[str, ...] = ("0.40", "0.45", "0.50", "0.55", "0.60", "q0.05", "q0.1", "q0.25", "q0.5", "q0.75", "q1")
    K: tuple[Positive, ...] = (2, 4, 8, 16)
    C: tuple[Annotated[float, Range(1)], ...] = (1.5, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class GainConfig(BenchConfig):
    """How many steps runs have whose gains are compared; each is a run of its own, since the learning rate decays."""

    lengths: tuple[Positive, ...] = (10, 25, 50, 100, 150)
    method: str = "sopo"

    def __post_init__(self) -> None:
        super().__post_init__()
        method_by_name(self.method)


@dataclass(frozen=True)
class FigureConfig(BenchConfig):
    """Which captions are drawn before and after; the budget is that of the table whose cells are gone on with."""

    captions: Positive = 4  # of the test split, drawn at random by the first seed


@dataclass(frozen=True)
class TuneConfig(BenchConfig):
    """The budget of a tuning, the same for every method; what is measured is the validation split."""

    settings: Annotated[int, Range(1, 8)] = 8  # that are tried of each method
    seeds: tuple[Seed, ...] = (0,)
    runs: Positive = 4
    corpus: CorpusConfig = TUNING_CORPUS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.runs < 2:
            raise UserError(f"runs is {self.runs}: the choice is by intervals, which take 2 or more")
        if unknown := [name for name in self.rows if name not in TUNINGS]:
            raise UserError(f"rows: unknown {', '.join(unknown)}; known: {', '.join(TUNINGS)}")


@dataclass(frozen=True)
class FoldsConfig(GridConfig):
    """The budget of a cross-validation; ``steps``, ``seeds`` and ``runs`` are those of every fold."""

    folds: Annotated[int, Range(2)] = 5
    together: str = ""  # regular expression with one group: clips whose sources are alike in it share a fold
    val_share: Annotated[float, Range(0, 1, "()")] = 0.1  # of what is not tested, set aside for validation
    seed: Seed = 0  # of the folds
    settings: Annotated[int, Range(0, 8)] = 0  # tried of each method on a fold's validation split; 0: its first alone
    rows: tuple[str, ...] = ("sft", "online-dpo", "sopo")
    reward_steps: Positive = 1000
    evaluator_steps: Positive = 800
    base_steps: Positive = 3000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.settings and self.runs < 2:
            raise UserError(f"runs is {self.runs}: the choice among settings is by intervals, which take 2 or more")
        known = [name for name, tuning in TUNINGS.items() if not tuning.guo]  # a fold trains no second Guo matcher
        if not self.rows or (unknown := [name for name in self.rows if name not in known]):
            raise UserError(f"rows: {', '.join(unknown) if self.rows else 'none'}; known: {', '.join(known)}")


@dataclass(frozen=True)
class ValidationConfig(Settings):
    """What is measured while a run goes on, on captions that it does not learn from."""

    every: Natural = 0  # steps; 0: nothing is
    captions: Annotated[int, Range(32)] = 128  # as many, in whole pools of 32
    split: str = "train"  # that they are kept aside from; or another, such as val, which is not learned from at all
    evaluator: str | None = None  # the matcher that finds the captions; none: the reward's own
    sampling: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 2.5))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split == "test":
            raise UserError("split is test: what a run is chosen by must not measure it; take train or val")


@dataclass(frozen=True)
class ChoicesConfig(Settings):
    """How to bend a TMR to people's answers: all of them at once, as they are few."""

    prior: Annotated[float, Range(0, ends="()")] | None = None  # how far to hold to the TMR; unset: by cross-validation
    held_out: Annotated[float, Range(0, 1, "[)")] = 0.2  # share of the captions whose answers measure it
    weigh_annotators: bool = True  # believe those less who guess; off: all alike
    seed: Seed = 0


@dataclass(frozen=True)
class Plan(Settings):
    """The run that `sopo profile` foretells."""

    steps: Positive = 1000
    price: Annotated[float, Range(0)] = 0.0  # of an hour of the machine, in any currency
