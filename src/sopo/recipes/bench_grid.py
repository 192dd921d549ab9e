"""One generator's part of a bench: its cells, each trained, measured and kept in a folder of its own."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import PartialState

from sopo.errors import UserError
from sopo.evaluation.protocol import Table
from sopo.evaluation.settings import ProtocolConfig
from sopo.folders import CONFIG_FILE
from sopo.json_files import read_json
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
from sopo.recipes.fingerprints import data_hash, model_hash, reward_hash
from sopo.recipes.jobs import Job
from sopo.recipes.mine import mine
from sopo.recipes.pace import seconds_a_motion, seconds_a_step
from sopo.recipes.presets import loop_stable
from sopo.recipes.record import write_json
from sopo.recipes.resume import claim
from sopo.recipes.settings import BenchConfig
from sopo.recipes.sources import generator_source
from sopo.reports.bench import TIME
from sopo.reports.results import REAL, Stat
from sopo.reports.tables import as_json, from_json, pooled
from sopo.training.log import read_log
from sopo.training.settings import LoopConfig

BASE, BEGUN, MEASURED = "base", "cell.json", "measured.json"


@dataclass(frozen=True)
class Models:
    """Folders. evaluator: measures, so it is none of the rewards. reward_guo: another Guo matcher, for MoDiPO-G."""

    generators: tuple[Path, ...]
    reward: str
    evaluator: Path
    reward_guo: str | None = None


@dataclass(frozen=True)
class Setting:
    """A row of a table. mined_with: the reward of its mined pairs."""

    name: str
    preference: PreferenceConfig
    mined_with: str | None = None


class Grid:
    """The cells of one generator, in folders of their own under ``root``."""

    def __init__(
        self,
        label: str,
        folder: Path,
        root: Path,
        data: Path,
        settings: Sequence[Setting],
        models: Models,
        config: BenchConfig,
    ) -> None:
        self.label, self.folder, self.root, self.data = label, folder, root, data
        self.models, self.config = models, config
        self.generator = load_generator(folder).to(PartialState().device)
        self.test = load_dataset(data, "test", self.generator)
        self.matcher = load_matcher(models.evaluator)
        check_features(self.matcher.config.features, self.generator.config.features, str(models.evaluator))
        # Two rows may be one setting (the preset's own tau among all taus): its cells are trained once.
        own: dict[tuple[PreferenceConfig, str | None], str] = {}
        for setting in settings:
            own.setdefault((setting.preference, setting.mined_with), setting.name)
        self.trained = {setting.name: own[setting.preference, setting.mined_with] for setting in settings}
        self.settings = {setting.name: setting for setting in settings if self.trained[setting.name] == setting.name}
        self.evaluation = {
            "protocol": dataclasses.asdict(ProtocolConfig(runs=config.runs)),
            "sampling": dataclasses.asdict(config.sampling),
            "evaluator": model_hash(models.evaluator),
            "data": data_hash(data, "test"),
        }
        self.origin = {"generator": model_hash(folder), "data": data_hash(data, "train")}
        for setting, seed in self._cells():
            if (path := self._cell(setting.name, seed) / BEGUN).is_file():
                claim(path, self._origin(setting, seed))

    def jobs(self) -> Iterator[Job]:
        """Mining, training and measuring, with the time each will take here."""
        config, loop = self.config, self._loop(0)
        train = load_dataset(self.data, "train", self.generator)
        if loop.batch_size > len(train):
            raise UserError(f"{self.data}: {len(train)} motions to train on, fewer than a batch of {loop.batch_size}")
        middle = (len(train) - loop.batch_size) // 2  # clips are sorted by length: these are neither short nor long
        rows = range(middle, middle + loop.batch_size)
        batch = train.batch(rows, numpy_rng(0, "pace")).to(PartialState().device)
        reward = load_reward(self.models.reward, self.generator.config.features)
        captions = config.mining.captions or sum(len(item.captions) for item in train.items)
        drawing = config.mining.K * captions * seconds_a_motion(self.generator, batch, config.mining.sampling)
        for mined_with in dict.fromkeys(setting.mined_with for setting in self.settings.values()):
            if mined_with is not None:
                pairs, title = self._pairs(mined_with), f"{self.label}: pairs by {mined_with}"
                work = partial(mine, self.data, self.folder, mined_with, pairs, config.mining)
                yield Job("mining", title, 0.0 if pairs.exists() else drawing, work)
        for setting in self.settings.values():
            step = seconds_a_step(self.generator, reward, batch, setting.preference)
            for seed in config.seeds:
                done = (self._cell(setting.name, seed) / CONFIG_FILE).is_file()
                title = f"{self.label} + {setting.name}, seed {seed}"
                yield Job("training", title, 0.0 if done else config.steps * step, partial(self._train, setting, seed))
        motions = config.runs * len(self.test) * seconds_a_motion(self.generator, batch, config.sampling)
        for name in (BASE, *self.settings):
            folders = self._sources(name)
            missing = sum(self._measured(cell, model) is None for cell, model in folders.items())
            yield Job("measuring", f"measuring {self.label}, {name}", missing * motions, partial(self._measure, name))

    def rows(self) -> Table:
        """The real motions, the base under the generator's label, and a row for each setting, pooled over seeds."""
        base = self._table(self.root / BASE, self.folder)
        table = {REAL: base[REAL], self.label: {TIME: Stat(0.0, math.nan)} | base[BASE]}
        for row, name in self.trained.items():
            cells = [self._table(*source)[name] for source in self._sources(name).items()]
            spent = [read_log(cell / "run" / "log.jsonl")[-1]["budget"] for cell in self._sources(name)]
            time = Stat(sum(spent) / len(spent), math.nan)
            table[f"{self.label} + {row}"] = {TIME: time} | pooled(cells)
        return table

    def cells(self) -> Table:
        """Every cell by itself, under its label, setting and seed."""
        return {
            f"{self.label} + {setting.name}, seed {seed}": self._table(cell, saved_from(self.folder, cell))[
                setting.name
            ]
            for setting, seed in self._cells()
            for cell in [self._cell(setting.name, seed)]
        }

    def _cells(self) -> list[tuple[Setting, int]]:
        return [(setting, seed) for setting in self.settings.values() for seed in self.config.seeds]

    def _cell(self, name: str, seed: int) -> Path:
        return self.root / f"{slug(name)}-{seed}"

    def _pairs(self, reward: str) -> Path:
        return self.root / f"pairs-{slug(reward_hash(reward))[:12]}.parquet"

    def _loop(self, seed: int) -> LoopConfig:
        return LoopConfig(**(loop_stable(self.generator.kind) | {"steps": self.config.steps, "seed": seed}))

    def _origin(self, setting: Setting, seed: int) -> dict[str, Any]:
        """What a cell's result follows from."""
        origin: dict[str, Any] = {**self.origin, "preference": dataclasses.asdict(setting.preference)}
        origin["loop"] = dataclasses.asdict(self._loop(seed))
        if setting.mined_with is not None:
            origin |= {"mining": dataclasses.asdict(self.config.mining), "reward": reward_hash(setting.mined_with)}
        elif method_by_name(setting.preference.method).samples_policy:
            origin["reward"] = reward_hash(self.models.reward)
        return origin

    def _train(self, setting: Setting, seed: int) -> None:
        cell = self._cell(setting.name, seed)
        claim(cell / BEGUN, self._origin(setting, seed))
        if not (cell / CONFIG_FILE).is_file():
            pairs = None if setting.mined_with is None else self._pairs(setting.mined_with)
            align(self.data, self.folder, self.models.reward, cell, setting.preference, self._loop(seed), pairs)

    def _sources(self, name: str) -> dict[Path, GeneratorSource]:
        """Where the measurements of a setting (or the base) lie -> the model measured."""
        if name == BASE:
            return {self.root / BASE: self.folder}
        cells = (self._cell(name, seed) for seed in self.config.seeds)
        return {cell: saved_from(self.folder, cell) for cell in cells}

    def _measure(self, name: str) -> None:
        """A setting's seeds together, paired with all others by the protocol's seed."""
        models = {cell.name: (cell, model) for cell, model in self._sources(name).items()}
        models = {key: value for key, value in models.items() if self._measured(*value) is None}
        sources = {}
        for key, (_, model) in models.items():
            sources[key] = generator_source(load_generator(model).to(PartialState().device), self.config.sampling, 0)
        if not sources:
            return
        protocol = ProtocolConfig(runs=self.config.runs)
        table = measure(sources, self.test, self.matcher, protocol, f"measuring {self.label}, {name}")
        for key, (cell, model) in models.items():
            rows = as_json({REAL: table[REAL], name: table[key]})
            write_json(cell / MEASURED, {**self.evaluation, "model": model_hash(model), "rows": rows})

    def _measured(self, cell: Path, model: GeneratorSource) -> Table | None:
        """What was measured of this very model under this protocol, if it was."""
        trained = cell == self.root / BASE or (cell / CONFIG_FILE).is_file()
        if not trained or not (cell / MEASURED).is_file():
            return None
        found, wanted = read_json(cell / MEASURED), {**self.evaluation, "model": model_hash(model)}
        if not isinstance(found, dict) or any(found.get(key) != value for key, value in wanted.items()):
            return None
        return from_json(found.get("rows"), str(cell / MEASURED))

    def _table(self, cell: Path, model: GeneratorSource) -> Table:
        table = self._measured(cell, model)
        assert table is not None, cell
        return table


def slug(name: str) -> str:
    """A name as part of a path."""
    return re.sub(r"[^\w.]+", "-", name).strip("-")
