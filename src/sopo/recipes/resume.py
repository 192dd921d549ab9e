"""Work that is gone on with: a folder belongs to the settings that it was begun with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sopo.errors import UserError
from sopo.json_files import read_json
from sopo.preference.pairs import first_difference
from sopo.recipes.record import environment, write_json
from sopo.training.loop import CHECKPOINT

# Of run.json, what may differ when a run goes on: what was measured at its start, and how long and how safely it runs.
FREE = {"environment", "rewards", "tau", "mined", "LoopConfig.steps", "LoopConfig.checkpoint_every", "LoopConfig.track"}


def write_run(folder: Path, settings: dict[str, Any], *configs: Any) -> None:
    """Write ``folder/run.json``: the settings, each config dataclass under its name, the environment.

    Where a checkpoint in ``folder`` would be gone on with, other settings are refused (UserError). Of several processes
    the first alone writes.
    """
    record = dict(settings)
    for config in configs:
        record[type(config).__name__] = dataclasses.asdict(config)
    path = folder / "run.json"
    if path.is_file() and next(folder.rglob(CHECKPOINT), None):
        made, wanted = _fixed(_read(path)), _fixed(record)
        refuse_others(path, made, {name: value for name, value in wanted.items() if name in made})
    write_json(path, {**record, "environment": environment()})


def _read(path: Path) -> dict[str, Any]:
    record = read_json(path)
    if not isinstance(record, dict):
        raise UserError(f"{path}: expected an object of settings; choose another --out or delete it")
    return record


def _fixed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that a run keeps to, those of a config as CONFIG.ENTRY."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        flat |= {f"{name}.{part}": entry for part, entry in value.items()} if isinstance(value, dict) else {name: value}
    return {name: value for name, value in flat.items() if name not in FREE and name.partition(".")[0] not in FREE}


def claim(path: Path, settings: Mapping[str, Any]) -> None:
    """Write ``settings`` as JSON to ``path``; where they are written already, refuse others (``refuse_others``)."""
    if path.is_file():
        refuse_others(path.parent, _read(path), settings)
    else:
        write_json(path, dict(settings))


def refuse_others(path: Path, made: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """UserError that names the first setting that ``path`` was made with another value of."""
    wanted = json.loads(json.dumps(wanted, default=str))  # as it would have been read
    if name := first_difference(made, wanted):
        raise UserError(
            f"{path}: was made with another {name} ({made.get(name)}, now {wanted[name]}); choose another --out or"
            " delete it"
        )
