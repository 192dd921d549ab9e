"""Cross-validation: judges, base and alignment anew in each fold, so that every clip is tested once, by strangers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sopo.data.folds import Fold, folds, groups, sources, write_fold
from sopo.data.layout import MotionFolder
from sopo.device import state
from sopo.errors import UserError
from sopo.folders import CONFIG_FILE
from sopo.recipes import presets
from sopo.recipes.bench_grid import Grid, Models, Setting
from sopo.recipes.fingerprints import data_hash
from sopo.recipes.jobs import run_jobs
from sopo.recipes.pretrain import train_evaluator, train_mdm, train_reward
from sopo.recipes.record import environment, provenance, write_json
from sopo.recipes.resume import claim
from sopo.recipes.settings import FoldsConfig, TuneConfig
from sopo.recipes.tune import Choices, candidates, tune
from sopo.recipes.tuning import TUNINGS
from sopo.reports.folds import Folded, folded, folds_page
from sopo.reports.tables import as_json
from sopo.training.progress import console
from sopo.training.settings import LoopConfig

# What folds, judges and bases follow from; rows, seeds and settings may be added later.
FOLLOWED = ("folds", "together", "val_share", "seed", "reward_steps", "evaluator_steps", "base_steps")
KIND, TUNE = "mdm", "tune"
SMALL_BATCH: dict[str, Any] = {"batch_size": 64}  # of the evaluator: folds are small


def cross_validate(data: Path, out: Path, config: FoldsConfig, tuned: Path | None = None) -> Folded:
    """Write ``out/folds.{json,md}``: what each method changes, over folds, each of its own judges and base.

    tuned: a file of ``sopo bench tune``; the methods have the settings that suited them best there, on other data.

    Each fold lies in ``out/fold-K``: data (links), reward, evaluator, base (an MDM) and the cells. An interrupted call
    goes on where it was. Raises UserError where ``out`` was begun with other data or settings.
    """
    if tuned and config.settings:
        raise UserError("settings are tried in every fold, or taken from --tuned: give one of the two")
    choices = Choices(tuned) if tuned else None
    folder = MotionFolder(data)
    made = folds(groups(sources(folder), config.together), config.folds, config.val_share, config.seed)
    origin: dict[str, Any] = {f"{split} split": data_hash(data, split) for split in folder.splits}
    origin |= {name: getattr(config, name) for name in FOLLOWED}
    claim(out / "folds.begun.json", origin)
    tables = []
    for number, fold in enumerate(made):
        where = out / f"fold-{number}"
        line = f"fold {number + 1}/{len(made)}: {len(fold.train)} train, {len(fold.val)} val, {len(fold.test)} test"
        console.print(line, highlight=False, markup=False)
        if not (where / "data").is_dir() and state().is_main_process:
            write_fold(folder, fold, where / "data")
        state().wait_for_everyone()
        tables.append(_fold(where, config, choices))
    result = folded(tables, config.rows)
    write_json(
        out / "folds.json",
        origin
        | {
            "config": dataclasses.asdict(config),
            "tuned": choices and choices.record,
            "folds": [as_json(table) for table in tables],
            "environment": environment(),
        },
    )
    if state().is_main_process:
        (out / "folds.md").write_text(folds_page(result, _intro(made, config, choices)))
    return result


def _intro(made: Sequence[Fold], config: FoldsConfig, choices: Choices | None) -> str:
    clips = sum(len(fold.test) for fold in made)
    how = "at their first setting"
    if choices:
        how = f"at the settings that {choices.path} chose, on other data,"
    elif config.settings:
        how = f"the best of {config.settings} settings on the fold's validation split"
    kept = f" Clips whose sources are alike in `{config.together}` are in one fold." if config.together else ""
    return (
        f"{provenance()}. {clips} clips in {len(made)} folds, each tested once.{kept} In every fold reward, evaluator"
        f" and base are trained on its own training clips ({config.reward_steps}, {config.evaluator_steps} and"
        f" {config.base_steps} steps), the methods {how}, {config.steps} steps, seeds {list(config.seeds)},"
        f" {config.runs} paired runs of the protocol on the fold's test clips. The unit is the fold: its seeds are"
        " averaged, intervals are 95% by Student's t over folds."
    )


def _fold(where: Path, config: FoldsConfig, choices: Choices | None) -> dict[str, Any]:
    """A fold's table: real, base, and each row pooled over seeds."""
    data, models = where / "data", _models(where, config)
    settings = _settings(where, models, config, choices)
    grid = Grid("base", where / "base", where, data, settings, models, config, earlier=where / TUNE / KIND)
    run_jobs(list(grid.jobs()))
    return grid.rows_of_base() | {setting.name: grid.row(setting.name) for setting in settings}


def _models(where: Path, config: FoldsConfig) -> Models:
    data, budgets = where / "data", (config.reward_steps, config.evaluator_steps, config.base_steps)
    jobs = (
        (train_reward, "reward", presets.TMR_SMALL, presets.LOOP_REWARD),
        (train_evaluator, "evaluator", presets.GUO_SMALL, presets.LOOP_EVALUATOR | SMALL_BATCH),
        (train_mdm, "base", presets.MDM_PRESETS["small"], presets.LOOP_GENERATOR),
    )
    for (train, name, model, loop), steps in zip(jobs, budgets, strict=True):
        if not (where / name / CONFIG_FILE).is_file():
            train(data, where / name, model, LoopConfig(**(loop | {"steps": steps})))  # type: ignore[operator]
    return Models((where / "base",), str(where / "reward"), where / "evaluator")


def _settings(where: Path, models: Models, config: FoldsConfig, choices: Choices | None) -> Sequence[Setting]:
    """Of each row: its first setting, ``stable``'s; or the best, on the fold's own validation split or elsewhere."""
    if choices:
        return choices.carried(KIND, config.rows, models, config.steps)
    if not config.settings:
        first = {row: candidates(row, TUNINGS[row], KIND, models, 1)[0] for row in config.rows}
        return [dataclasses.replace(setting, name=row) for row, setting in first.items()]
    shared = {name: getattr(config, name) for name in ("steps", "rows", "runs", "mining", "sampling", "settings")}
    tune(where / TUNE, models, TuneConfig(**shared, seeds=config.seeds[:1]), where / "data")
    return Choices(where / TUNE / "tuned.json").settings(where / "base", models, config.steps)
