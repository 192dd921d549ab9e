"""Every method at its best: the same number of settings for each, chosen on the validation split, never by test."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sopo.device import device, state
from sopo.errors import DivergenceError, UserError, reason
from sopo.json_files import read_json
from sopo.preference.methods import method_by_name
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import numpy_rng
from sopo.recipes.bench_grid import Grid, Models, Setting, check_independent, labelled, slug
from sopo.recipes.build import load_dataset, load_generator, load_reward
from sopo.recipes.corpus import made_corpus
from sopo.recipes.fingerprints import data_hash, model_hash, reward_hash
from sopo.recipes.jobs import run_jobs
from sopo.recipes.pace import seconds_a_step
from sopo.recipes.presets import loop_stable, stable
from sopo.recipes.record import environment, provenance, write_json
from sopo.recipes.settings import TuneConfig
from sopo.recipes.tuning import TUNINGS, Tuning
from sopo.reports.bench import shown
from sopo.reports.results import REAL, Row, Table, apart
from sopo.reports.tables import as_json, as_markdown, from_json
from sopo.settings import settings_from
from sopo.training.progress import console

SPLIT = "val"
DIVERGED = "diverged.json"
RULE = (
    "the highest R@1 among the settings whose FID is not worse than the base's by more than both intervals; where there"
    " is none, the lowest FID"
)


def choose(base: Row, rows: Mapping[str, Row]) -> str | None:
    """The best of the rows by ``RULE``; None where there are none."""
    harmless = [name for name, row in rows.items() if not _worse(row, base)]
    if harmless:
        return max(harmless, key=lambda name: rows[name]["R@1"].mean)
    return min(rows, key=lambda name: rows[name]["FID"].mean, default=None)


def _worse(row: Row, base: Row) -> bool:
    return row["FID"].mean > base["FID"].mean and apart(row["FID"], base["FID"])


def candidates(row: str, tuning: Tuning, kind: str, models: Models, most: int) -> list[Setting]:
    """The first ``most`` settings of a row, for generators of a kind, by the names of their cells."""
    shared = stable(kind, tuning.method) | {"method": tuning.method} | dict(tuning.fixed)
    mined_with = models.reward_guo if tuning.guo else models.reward
    found = []
    for value in tuning.values:
        for rate in tuning.rates:
            own = {tuning.vary: value * shared["scale"] if tuning.vary == "scale" else value} if tuning.vary else {}
            learning_rate = rate * loop_stable(kind)["learning_rate"]
            words = [f"learning_rate {learning_rate:g}", *(f"{name} {number:g}" for name, number in own.items())]
            preference = PreferenceConfig(**(shared | own))
            pairs = mined_with if method_by_name(tuning.method).needs_pairs else None
            found.append(Setting(f"{row}, {', '.join(words)}", preference, pairs, learning_rate))
    return found[:most]


@dataclass(frozen=True)
class Told:
    """best: the base, and by row the measures of the best setting. record: all of it, for the file."""

    best: Table
    record: dict[str, Any]


class TuningGrid(Grid):
    """A grid whose cells may diverge, which a setting that is tried may do."""

    def _train(self, setting: Setting, seed: int) -> None:
        cell = self.cell(setting.name, seed)
        if not (cell / DIVERGED).is_file():
            try:
                super()._train(setting, seed)
            except DivergenceError as error:
                write_json(cell / DIVERGED, {"reason": str(error)})

    def _sources(self, name: str) -> dict[Path, Any]:
        return {cell: model for cell, model in super()._sources(name).items() if not (cell / DIVERGED).is_file()}

    def _measure(self, name: str) -> None:
        try:
            super()._measure(name)
        except DivergenceError as error:  # its weights are numbers, its motions are none
            for cell in self._sources(name):
                write_json(cell / DIVERGED, {"reason": str(error)})

    def tried(self, setting: Setting) -> dict[str, Any]:
        """What became of a setting: its row on the validation split, or why there is none."""
        name = self.trained[setting.name]
        for seed in self.config.seeds:
            if (broken := self.cell(name, seed) / DIVERGED).is_file():
                return {**dataclasses.asdict(setting), "diverged": read_json(broken)["reason"]}
        return {**dataclasses.asdict(setting), "row": self.row(name)}

    def told(self, rows: Mapping[str, Sequence[Setting]]) -> Told:
        """What was tried of each row, and what is chosen."""
        base = self.rows_of_base()
        tried = {row: {setting.name: self.tried(setting) for setting in some} for row, some in rows.items()}
        known = {
            row: {name: each["row"] for name, each in some.items() if "row" in each} for row, some in tried.items()
        }
        chosen = {row: choose(base[self.label], some) for row, some in known.items()}
        plain = {row: {name: _plain(each) for name, each in some.items()} for row, some in tried.items()}
        best = {row: known[row][name] for row, name in chosen.items() if name}
        return Told(base | best, {"base": as_json(base), "chosen": chosen, "tried": plain, "ended": self.ended()})


def tune(out: Path, models: Models, config: TuneConfig, data: Path | None = None) -> dict[str, Table]:
    """Write ``out/tuned.{json,md}``; generator -> base and, by row of ``TUNINGS``, the measures of its best setting.

    data: a motion folder with a validation split, or None: the procedural corpus, made in ``out``. It goes on as
    ``bench`` does. Rows that a generator or reward does not allow are left out, and it is said why.
    """
    check_independent(models)
    labels = labelled(models.generators)
    data = data or made_corpus(out / "data", config.corpus)
    grids, rows, left_out = {}, {}, {}
    for label, (kind, folder) in labels.items():
        named = {row: candidates(row, TUNINGS[row], kind, models, config.settings) for row in config.rows or TUNINGS}
        left_out[label] = _refused(label, named, folder, data, models)
        rows[label] = {row: some for row, some in named.items() if row not in left_out[label]}
        settings = [setting for some in rows[label].values() for setting in some]
        grids[label] = TuningGrid(label, folder, out / slug(label), data, settings, models, config, SPLIT)
    run_jobs([job for grid in grids.values() for job in grid.jobs()])
    told = {label: grid.told(rows[label]) for label, grid in grids.items()}
    generators = [
        {"label": label, "generator": model_hash(folder), **told[label].record, "left_out": left_out[label]}
        for label, (_, folder) in labels.items()
    ]
    record = {
        "rule": RULE,
        "split": SPLIT,
        "generators": generators,
        "reward": reward_hash(models.reward),
        "evaluator": model_hash(models.evaluator),
        "data": {split: data_hash(data, split) for split in ("train", SPLIT)},
        "config": dataclasses.asdict(config),
        "models": dataclasses.asdict(models),
        "environment": environment(),
    }
    write_json(out / "tuned.json", record)
    if state().is_main_process:
        _write_page(out / "tuned.md", generators, config)
    return {label: each.best for label, each in told.items()}


def _refused(
    label: str, named: Mapping[str, Sequence[Setting]], folder: Path, data: Path, models: Models
) -> dict[str, str]:
    """Rows that cannot be trained with this generator or reward -> why; found by trying a step of each."""
    refused: dict[str, str] = {}
    generator = load_generator(folder)
    reward = load_reward(models.reward, generator.config.features)
    batch = load_dataset(data, SPLIT, generator).batch([0, 1], numpy_rng(0, "refused")).to(device())
    for row, some in named.items():
        if TUNINGS[row].guo and models.reward_guo is None:
            refused[row] = "give --reward_guo FOLDER, a Guo matcher that is not the evaluator"
            continue
        try:
            seconds_a_step(generator, reward, batch, some[0].preference)
        except UserError as error:
            refused[row] = str(error)
    for row, why in refused.items():
        console.print(f"{label}: {row} is left out: {why}", highlight=False, markup=False)
    return refused


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, "row": as_json({"row": told["row"]})["row"]} if "row" in told else dict(told)


def _write_page(path: Path, generators: Sequence[Mapping[str, Any]], config: TuneConfig) -> None:
    """The rows of every setting that was tried, the chosen ones first."""
    lines = [
        f"# Tuned on {SPLIT}",
        f"{provenance()}. {config.steps} steps, seeds {list(config.seeds)}. Chosen: {RULE}.",
    ]
    for made in generators:
        label, base = made["label"], from_json(made["base"], "base")
        rows = {name: told for some in made["tried"].values() for name, told in some.items()}
        order = sorted(rows, key=lambda name: name not in made["chosen"].values())
        table = base | from_json({name: rows[name]["row"] for name in order if "row" in rows[name]}, "tried")
        lines += [f"## {label}", "Chosen: " + "; ".join(filter(None, made["chosen"].values())) + "."]
        lines.append(as_markdown(shown(table), {name: label for name in table if name not in (REAL, label)}))
        lines += [f"- {name}: diverged ({told['diverged']})" for name, told in rows.items() if "diverged" in told]
        lines += [f"- {name}: ended by its watch at step {step}" for name, step in made["ended"].items()]
        lines += [f"- {row} is left out: {why}" for row, why in made["left_out"].items()]
    path.write_text("\n\n".join(lines) + "\n")


class Choices:
    """A file of ``tune``, read: what a table takes for the rows of each generator."""

    def __init__(self, path: Path) -> None:
        """Raises UserError if it is none."""
        self.path, record = path, read_json(path)
        try:
            self.rule, self.split, self.steps = str(record["rule"]), str(record["split"]), record["config"]["steps"]
            self.reward, self.data = record["reward"], record["data"]["train"]
            self.chosen = {made["generator"]: self._chosen(made) for made in record["generators"]}
            self.by_label = {made["label"]: self.chosen[made["generator"]] for made in record["generators"]}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: not a file of `sopo bench tune` ({reason(error)})") from error

    def _chosen(self, made: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        return {row: made["tried"][row][name] for row, name in made["chosen"].items() if name}

    def settings(self, folder: Path, models: Models, steps: int) -> list[Setting]:
        """The best setting of each row for the generator in ``folder``; UserError if it was tuned otherwise."""
        if (chosen := self.chosen.get(model_hash(folder))) is None:
            raise UserError(f"{self.path}: {folder} was not tuned there; name it to `sopo bench tune`")
        self._check("steps", steps, self.steps)
        self._check("reward", reward_hash(models.reward), self.reward)
        return [self._setting(row, told, models) for row, told in chosen.items()]

    def carried(self, label: str, rows: Sequence[str], models: Models, steps: int) -> list[Setting]:
        """The best setting of each of the rows, for another generator of the kind; UserError where there is none."""
        self._check("steps", steps, self.steps)
        chosen = self.by_label.get(label, {})
        if missing := [row for row in rows if row not in chosen]:
            raise UserError(f"{self.path}: {', '.join(missing)} of an {label} was not tuned there")
        return [self._setting(row, chosen[row], models) for row in rows]

    def _check(self, what: str, ours: object, theirs: object) -> None:
        if ours != theirs:
            raise UserError(f"{self.path}: was tuned with another {what} ({theirs}, now {ours})")

    def _setting(self, row: str, told: Mapping[str, Any], models: Models) -> Setting:
        mined_with = told["mined_with"]
        if mined_with is not None:
            mined_with = models.reward_guo if row in TUNINGS and TUNINGS[row].guo else models.reward
            if mined_with is None:
                raise UserError(f"{self.path}: {row} was tuned with --reward_guo: give it here too")
        return Setting(
            row, settings_from(PreferenceConfig, told["preference"], str(self.path)), mined_with, told["learning_rate"]
        )

    def check_data(self, data: Path) -> None:
        """UserError unless the training split is the one tuned on."""
        if data_hash(data, "train") != self.data:
            raise UserError(f"{self.path}: was tuned on another training split than that of {data}")

    @property
    def record(self) -> dict[str, Any]:
        """What a table's record says of it."""
        return {"file": str(self.path), "rule": self.rule, "split": self.split}
