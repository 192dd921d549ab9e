"""Tables 1 and 4 of the paper as one command: generators x settings x seeds, every cell kept and gone on from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sopo.device import state
from sopo.errors import UserError
from sopo.evaluation.protocol import Table
from sopo.preference.methods import method_by_name
from sopo.preference.settings import PreferenceConfig
from sopo.recipes.bench_grid import Grid, Models, Setting, check_independent, labelled, slug
from sopo.recipes.corpus import made_corpus
from sopo.recipes.jobs import run_jobs
from sopo.recipes.presets import stable
from sopo.recipes.record import environment, provenance, write_json
from sopo.recipes.settings import AblationConfig, BenchConfig, GainConfig
from sopo.recipes.tune import Choices
from sopo.reports.bench import GAIN, PRINTED, TIME, WALL, published_rows, shortest_gain, write_pages
from sopo.reports.results import REAL
from sopo.reports.tables import as_json
from sopo.training.progress import console

NOISIEST = (0.3, 0.5, 1.0)
SCALES = (30.0, 300.0)


def table1(models: Models, kind: str, config: BenchConfig) -> list[Setting]:
    """The alignment methods for a generator of that kind, all from the ``stable`` preset."""
    row = partial(stable_row, kind, models.reward)
    rows = [row("sft"), row("modipo", "modipo-T")]
    if models.reward_guo is None:
        line = "modipo-G is left out: give --reward_guo FOLDER, a Guo matcher that is not the evaluator"
        console.print(line, highlight=False, markup=False)
    else:
        rows.append(stable_row(kind, models.reward_guo, "modipo", "modipo-G"))
    return [*rows, row("dpo"), row("online-dpo"), row("sopo")]


def table4(models: Models, kind: str, config: BenchConfig) -> list[Setting]:
    """The ablations: objectives, tau, K, C and, ours, what h is estimated from, each around the ``stable`` preset."""
    assert isinstance(config, AblationConfig)
    row = partial(stable_row, kind, models.reward)
    return [
        *(row(method) for method in ("dsopo", "sopo-without-vu", "usopo", "sopo")),
        *(row("sopo", f"sopo (tau = {tau})", tau=tau) for tau in config.tau),
        *(row("sopo", f"sopo (K = {K})", K=K) for K in config.K),
        *(row("sopo", f"sopo (C = {C:g})", C=C) for C in config.C),
        *(row("sopo", f"sopo (noisiest = {share:g})", noisiest=share) for share in NOISIEST),
        *(row("sopo", f"sopo (scale = {scale:g})", scale=scale) for scale in SCALES),
        row("sopo", "sopo (own noise)", pair_noise="own"),
        row("sopo", "sopo (one draw)", draws=1),
    ]


def time_to_gain(models: Models, kind: str, config: BenchConfig) -> list[Setting]:
    """One method's runs of several lengths."""
    assert isinstance(config, GainConfig)
    row = stable_row(kind, models.reward, config.method)
    return [dataclasses.replace(row, name=f"{config.method}, {steps} steps", steps=steps) for steps in config.lengths]


TABLES = {"table1": table1, "table4": table4, GAIN: time_to_gain}


def stable_row(kind: str, reward: str, method: str, name: str = "", **changes: Any) -> Setting:
    """A method as ``stable`` sets it for generators of a kind, but for ``changes``; pairs are mined with ``reward``."""
    preference = PreferenceConfig(**(stable(kind, method) | {"method": method} | changes))
    return Setting(name or method, preference, reward if method_by_name(method).needs_pairs else None)


def _asked(settings: list[Setting], names: Sequence[str]) -> list[Setting]:
    """Those of the names, or all where there are none; UserError names one that no setting has."""
    known = [setting.name for setting in settings]
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"rows: unknown {', '.join(unknown)}; known: {', '.join(known)}")
    return [setting for setting in settings if not names or setting.name in names]


def bench(
    name: str, out: Path, models: Models, config: BenchConfig, data: Path | None = None, tuned: Path | None = None
) -> tuple[Table, dict[str, str]]:
    """Write ``out/NAME.{md,json,png}``; the table, and for each row its base. ``name`` is one of TABLES.

    data: a motion folder, or None: the procedural corpus, made in ``out``. tuned: a file of ``sopo bench tune``, whose
    rows and settings stand in for the table's own; what it has trained is not trained again.

    Finished cells and measurements of an earlier call are kept, an interrupted one goes on from its checkpoint.
    Raises UserError before any work if a folder is missing or a cell was begun with other settings.
    """
    check_independent(models)
    labels = labelled(models.generators)
    choices = None if tuned is None else Choices(tuned)
    settings = {
        label: TABLES[name](models, kind, config) if choices is None else choices.settings(folder, models, config.steps)
        for label, (kind, folder) in labels.items()
    }
    settings = {label: _asked(rows, config.rows) for label, rows in settings.items()}
    data = data or made_corpus(out / "data", config.corpus)
    if choices is not None:
        choices.check_data(data)
    grids = []
    for label, (_, folder) in labels.items():
        earlier = tuned and tuned.parent / slug(label)
        grids.append(Grid(label, folder, out / slug(label), data, settings[label], models, config, earlier=earlier))
    run_jobs([job for grid in grids for job in grid.jobs()])
    table: Table = {}
    bases: dict[str, str] = {}
    cells: Table = {}
    for grid in grids:
        rows = grid.rows()
        table |= rows
        bases |= {row: grid.label for row in rows if row not in (REAL, grid.label)}
        cells |= grid.cells()
    ended = {f"{grid.label} + {cell}": step for grid in grids for cell, step in grid.ended().items()}
    budget = f"{config.steps} steps a cell" if name != GAIN else "As many steps a cell as its row says"
    intro = (
        f"{provenance()}. {budget}, seeds {list(config.seeds)}, {config.runs} paired runs of the"
        f" protocol. Mean over the seeds ± 95% interval (spread between seeds included), in brackets the change"
        f" against the base, starred where the intervals do not overlap; for Diversity, by how much it came nearer to"
        f" the real motions'. {TIME}: motions generated for the tuning, mining included, in units of the training"
        f" captions (the paper's Time*); {WALL}: what that took here. jitter in m/s³, limb_speed in m/s, floor_depth in"
        f" mm."
    )
    if choices is not None:
        intro += f" Each method at its best of the settings in {tuned}, chosen on {choices.split}: {choices.rule}."
    if name == GAIN:
        intro = f"{' '.join(shortest_gain(table, grid.label) for grid in grids)}\n\n{intro}"
    if ended:
        intro += f" Ended by their watch: {', '.join(f'{cell} at step {step}' for cell, step in ended.items())}."
    record = {
        "rows": as_json(table),
        "bases": bases,
        "published": as_json(published_rows(name)[0]) if name in PRINTED else None,
        "config": dataclasses.asdict(config),
        "models": dataclasses.asdict(models),
        "settings": {label: [dataclasses.asdict(row) for row in rows] for label, rows in settings.items()},
        "tuned": None if choices is None else choices.record,
        "ended": ended,
        "cells": as_json(cells),
        "environment": environment(),
    }
    write_json(out / f"{name}.json", record)
    if state().is_main_process:
        write_pages(out, name, table, bases, intro)
    return table, bases
