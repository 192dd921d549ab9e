"""One generator's part of a bench: its cells, each trained, measured and kept in a folder of its own."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sopo.device import device, state
from sopo.errors import UserError
from sopo.evaluation.protocol import Table
from sopo.evaluation.settings import ProtocolConfig
from sopo.folders import CONFIG_FILE
from sopo.json_files import read_json
from sopo.matching.guo import GuoMatcher
from sopo.preference.methods import method_by_name
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import numpy_rng
from sopo.recipes.align import align
from sopo.recipes.build import (
    GeneratorSource,
    check_features,
    load_dataset,
    load_generator,
    load_matcher,
    load_reward,
    saved_from,
)
from sopo.recipes.evaluate import measure
from sopo.recipes.fingerprints import check_judge, data_hash, model_hash, reward_hash
from sopo.recipes.jobs import Job
from sopo.recipes.measured import add_measured
from sopo.recipes.mine import mine
from sopo.recipes.pace import seconds_a_motion, seconds_a_step
from sopo.recipes.presets import loop_stable
from sopo.recipes.record import write_json
from sopo.recipes.resume import claim
from sopo.recipes.settings import GridConfig
from sopo.recipes.sources import BestOf, generator_source
from sopo.reports.bench import TIME, WALL
from sopo.reports.results import REAL, Stat
from sopo.reports.tables import as_json, from_json, pooled
from sopo.training.log import read_log
from sopo.training.settings import LoopConfig

BASE, BEST = "base", "best of"
BEGUN, MEASURED, SPENT = "cell.json", "measured.json", "seconds.json"
LOG = Path("run") / "log.jsonl"
SAME_COST: dict[str, Any] = {"scale": 1.0, "beta": 1.0, "C": 2.0, "tau": 0.0}  # what a step's time does not depend on


@dataclass(frozen=True)
class Models:
    """Folders. evaluator: measures, so it is none of the rewards. reward_guo: another Guo matcher, for MoDiPO-G."""

    generators: tuple[Path, ...]
    reward: str
    evaluator: Path
    reward_guo: str | None = None


@dataclass(frozen=True)
class Setting:
    """A row of a table. mined_with: the reward of its mined pairs.

    learning_rate, steps: None takes ``stable``'s, and those of all cells.
    """

    name: str
    preference: PreferenceConfig
    mined_with: str | None = None
    learning_rate: float | None = None
    steps: int | None = None


def labelled(folders: Sequence[Path]) -> dict[str, tuple[str, Path]]:
    """Generators by what their rows call them, their kind where that is enough -> kind and folder."""
    if len(set(folders)) < len(folders):
        raise UserError("generator: a folder is named twice")
    kinds = [load_generator(folder).kind for folder in folders]
    labels = [
        kind if kinds.count(kind) == 1 else f"{kind} ({folder})" for kind, folder in zip(kinds, folders, strict=True)
    ]
    return dict(zip(labels, zip(kinds, folders, strict=True), strict=True))


def check_independent(models: Models) -> None:
    """What was optimised never measures itself."""
    check_judge(models.evaluator, *filter(None, (models.reward, models.reward_guo)))
    if models.reward_guo is not None and not isinstance(load_matcher(models.reward_guo), GuoMatcher):
        raise UserError(f"{models.reward_guo}: modipo-G is mined with a Guo et al. matcher, this is none")


class Grid:
    """The cells of one generator, in folders of their own under ``root``, measured on ``split``.

    earlier: another grid's ``root``; a run that was trained there to its end, from the same, is copied.
    """

    def __init__(
        self,
        label: str,
        folder: Path,
        root: Path,
        data: Path,
        settings: Sequence[Setting],
        models: Models,
        config: GridConfig,
        split: str = "test",
        earlier: Path | None = None,
    ) -> None:
        self.label, self.folder, self.root, self.data, self.earlier = label, folder, root, data, earlier
        self.models, self.config = models, config
        self.generator = load_generator(folder)
        self.dataset = load_dataset(data, split, self.generator)
        self.matcher = load_matcher(models.evaluator)
        check_features(self.matcher.config.features, self.generator.config.features, str(models.evaluator))
        # Two rows may be one setting (the preset's own tau among all taus): its cells are trained once.
        own: dict[Setting, str] = {}
        for setting in settings:
            own.setdefault(dataclasses.replace(setting, name=""), setting.name)
        self.trained = {setting.name: own[dataclasses.replace(setting, name="")] for setting in settings}
        self.settings = {setting.name: setting for setting in settings if self.trained[setting.name] == setting.name}
        self.evaluation = {
            "protocol": dataclasses.asdict(ProtocolConfig(runs=config.runs)),
            "sampling": dataclasses.asdict(config.sampling),
            "evaluator": model_hash(models.evaluator),
            "data": data_hash(data, split),
        }
        self.origin = {"generator": model_hash(folder), "data": data_hash(data, "train")}
        for setting, seed in self._cells():
            if (path := self.cell(setting.name, seed) / BEGUN).is_file():
                claim(path, self._origin(setting, seed))

    def jobs(self) -> Iterator[Job]:
        """Mining, training and measuring, with the time each will take here."""
        config, loop = self.config, LoopConfig(**loop_stable(self.generator.kind))
        train = load_dataset(self.data, "train", self.generator)
        if loop.batch_size > len(train):
            raise UserError(f"{self.data}: {len(train)} motions to train on, fewer than a batch of {loop.batch_size}")
        middle = (len(train) - loop.batch_size) // 2  # clips are sorted by length: these are neither short nor long
        rows = range(middle, middle + loop.batch_size)
        batch = train.batch(rows, numpy_rng(0, "pace")).to(device())
        reward = load_reward(self.models.reward, self.generator.config.features)
        captions = config.mining.captions or sum(len(item.captions) for item in train.items)
        for mined_with in dict.fromkeys(setting.mined_with for setting in self.settings.values()):
            if mined_with is not None:
                drawing = config.mining.K * captions * seconds_a_motion(self.generator, batch, config.mining.sampling)
                pairs, title = self._pairs(mined_with), f"{self.label}: pairs by {mined_with}"
                yield Job("mining", title, 0.0 if pairs.exists() else drawing, partial(self._mine, mined_with))
        times: dict[PreferenceConfig, float] = {}
        for setting in self.settings.values():
            alike = dataclasses.replace(setting.preference, **SAME_COST)
            step = times.get(alike) or seconds_a_step(self.generator, reward, batch, setting.preference)
            times[alike] = step
            for seed in config.seeds:
                done = (self.cell(setting.name, seed) / CONFIG_FILE).is_file() or self._trained_earlier(setting, seed)
                title = f"{self.label} + {setting.name}, seed {seed}"
                seconds = 0.0 if done else self._steps(setting) * step
                yield Job("training", title, seconds, partial(self._train, setting, seed))
        motions = config.runs * len(self.dataset) * seconds_a_motion(self.generator, batch, config.sampling)
        for name in (*self.untrained(), *self.settings):
            folders = self._sources(name)
            missing = sum(self._measured(cell, model) is None for cell, model in folders.items())
            yield Job("measuring", f"measuring {self.label}, {name}", missing * motions, partial(self._measure, name))

    def rows_of_base(self) -> Table:
        """The real motions, the base under the generator's label, and with ``best_of`` the best of so many samples."""
        nothing = Stat(0.0, math.nan)
        base, *others = [(name, self._table(self.root / slug(name), self.folder)) for name in self.untrained()]
        table = {REAL: base[1][REAL], self.label: {TIME: nothing, WALL: nothing} | base[1][BASE]}
        rows = {f"{self.label}, {name} at sampling": found[name] for name, found in others}
        return table | {name: {TIME: nothing, WALL: nothing} | row for name, row in rows.items()}

    def rows(self) -> Table:
        """``rows_of_base``, and a row for each setting, pooled over seeds."""
        return self.rows_of_base() | {f"{self.label} + {row}": self.row(name) for row, name in self.trained.items()}

    def row(self, name: str) -> dict[str, Stat]:
        """What was measured of a setting, pooled over its seeds, and what its tuning took."""
        return self._spent(name) | pooled([self._table(*source)[name] for source in self._sources(name).items()])

    def cells(self) -> Table:
        """Every cell by itself, under its label, setting and seed."""
        return {
            f"{self.label} + {setting.name}, seed {seed}": self._table(cell, saved_from(self.folder, cell))[
                setting.name
            ]
            for setting, seed in self._cells()
            for cell in [self.cell(setting.name, seed)]
        }

    def ended(self) -> dict[str, int]:
        """Cells that their watch has ended, by name -> the step it was at."""
        found = {}
        for setting, seed in self._cells():
            cell = self.cell(setting.name, seed)
            if (cell / CONFIG_FILE).is_file() and (last := read_log(cell / LOG)[-1]["step"]) < self._steps(setting):
                found[f"{setting.name}, seed {seed}"] = int(last)
        return found

    def _steps(self, setting: Setting) -> int:
        return setting.steps or self.config.steps

    def _spent(self, name: str) -> dict[str, Stat]:
        """What a setting's tuning took, mining included: motions, and seconds; means over its seeds."""
        logs = [read_log(self.cell(name, seed) / LOG) for seed in self.config.seeds]
        drawn = [log[-1]["budget"] for log in logs]
        wall = [sum(line.get("seconds", math.nan) for line in log) for log in logs]
        if (mined_with := self.settings[name].mined_with) is not None:
            spent = self._pairs(mined_with).with_suffix(f".{SPENT}")
            mined = sum(read_json(spent)) if spent.is_file() else math.nan
            wall = [seconds + mined for seconds in wall]
        return {TIME: Stat(sum(drawn) / len(drawn), math.nan), WALL: Stat(sum(wall) / len(wall), math.nan)}

    def _cells(self) -> list[tuple[Setting, int]]:
        return [(setting, seed) for setting in self.settings.values() for seed in self.config.seeds]

    def cell(self, name: str, seed: int) -> Path:
        return self.root / f"{slug(name)}-{seed}"

    def _pairs(self, reward: str) -> Path:
        return self.root / f"pairs-{slug(reward_hash(reward))[:12]}.parquet"

    def _loop(self, setting: Setting, seed: int) -> LoopConfig:
        own = {} if setting.learning_rate is None else {"learning_rate": setting.learning_rate}
        return LoopConfig(**(loop_stable(self.generator.kind) | own | {"steps": self._steps(setting), "seed": seed}))

    def _origin(self, setting: Setting, seed: int) -> dict[str, Any]:
        """What a cell's result follows from."""
        origin: dict[str, Any] = {**self.origin, "preference": dataclasses.asdict(setting.preference)}
        origin["loop"] = {
            name: value for name, value in dataclasses.asdict(self._loop(setting, seed)).items() if name != "track"
        }
        if setting.mined_with is not None:
            origin |= {"mining": dataclasses.asdict(self.config.mining), "reward": reward_hash(setting.mined_with)}
        elif method_by_name(setting.preference.method).samples_policy:
            origin["reward"] = reward_hash(self.models.reward)
        return origin

    def _mine(self, reward: str) -> None:
        """Mines, and keeps the seconds of each call: a killed one is gone on with."""
        pairs, start = self._pairs(reward), time.monotonic()
        done, spent = pairs.exists(), pairs.with_suffix(f".{SPENT}")
        try:
            mine(self.data, self.folder, reward, pairs, self.config.mining)
        finally:
            if not done:
                write_json(spent, [*(read_json(spent) if spent.is_file() else []), time.monotonic() - start])

    def _train(self, setting: Setting, seed: int) -> None:
        cell = self.cell(setting.name, seed)
        claim(cell / BEGUN, self._origin(setting, seed))
        if (cell / CONFIG_FILE).is_file():
            return
        if made := self._trained_earlier(setting, seed):
            if state().is_main_process:
                shutil.copytree(made, cell, ignore=shutil.ignore_patterns(MEASURED, CONFIG_FILE), dirs_exist_ok=True)
                shutil.copy2(made / CONFIG_FILE, cell)  # last: a cell that has one is whole
            return
        pairs = None if setting.mined_with is None else self._pairs(setting.mined_with)
        loop = self._loop(setting, seed)
        align(self.data, self.folder, self.models.reward, cell, setting.preference, loop, pairs)

    def _trained_earlier(self, setting: Setting, seed: int) -> Path | None:
        """The finished cell of the earlier grid that follows from the same."""
        same = json.loads(json.dumps(self._origin(setting, seed)))  # as it would have been read
        for begun in self.earlier.glob(f"*-{seed}/{BEGUN}") if self.earlier else ():
            if (begun.parent / CONFIG_FILE).is_file() and read_json(begun) == same:
                return begun.parent
        return None

    def _sources(self, name: str) -> dict[Path, GeneratorSource]:
        """Where the measurements of a setting (or the base) lie -> the model measured."""
        if name in self.untrained():
            return {self.root / slug(name): self.folder}
        cells = (self.cell(name, seed) for seed in self.config.seeds)
        return {cell: saved_from(self.folder, cell) for cell in cells}

    def _measure(self, name: str) -> None:
        """A setting's seeds together, paired with all others by the protocol's seed."""
        best_of = None
        if name.startswith(BEST):
            best_of = BestOf(self.config.best_of, load_reward(self.models.reward, self.generator.config.features))
        models = {cell.name: (cell, model) for cell, model in self._sources(name).items()}
        models = {key: value for key, value in models.items() if self._measured(*value) is None}
        sources = {}
        for key, (_, model) in models.items():
            sources[key] = generator_source(load_generator(model), self.config.sampling, 0, best_of)
        if not sources:
            return
        protocol = ProtocolConfig(runs=self.config.runs)
        table = measure(sources, self.dataset, self.matcher, protocol, f"measuring {self.label}, {name}")
        for key, (cell, model) in models.items():
            rows = {REAL: table[REAL], name: table[key]}
            where = (self.data, self.models.evaluator, self.config.sampling, protocol, self.dataset.split)
            add_measured(cell, name, rows, *where)
            write_json(cell / MEASURED, {**self._measured_how(cell, model), "rows": as_json(rows)})

    def _measured(self, cell: Path, model: GeneratorSource) -> Table | None:
        """What was measured of this very model under this protocol, if it was."""
        trained = model == self.folder or (cell / CONFIG_FILE).is_file()
        if not trained or not (cell / MEASURED).is_file():
            return None
        found, wanted = read_json(cell / MEASURED), self._measured_how(cell, model)
        if not isinstance(found, dict) or any(found.get(key) != value for key, value in wanted.items()):
            return None
        return from_json(found.get("rows"), str(cell / MEASURED))

    def _measured_how(self, cell: Path, model: GeneratorSource) -> dict[str, Any]:
        """What a measurement follows from."""
        how = {**self.evaluation, "model": model_hash(model)}
        return how | ({"chosen_by": reward_hash(self.models.reward)} if cell.name.startswith(slug(BEST)) else {})

    def untrained(self) -> list[str]:
        return [BASE, *([f"{BEST} {self.config.best_of}"] if self.config.best_of > 1 else [])]

    def _table(self, cell: Path, model: GeneratorSource) -> Table:
        table = self._measured(cell, model)
        assert table is not None, cell
        return table


def slug(name: str) -> str:
    """A name as part of a path."""
    return re.sub(r"[^\w.]+", "-", name).strip("-")
