"""``sopo eval --out`` and ``--compare``: what was measured of what, and two of such records beside each other."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.evaluation.settings import ProtocolConfig
from sopo.json_files import read_json
from sopo.recipes.fingerprints import data_hash, files_hash, model_hash
from sopo.recipes.record import environment
from sopo.reports.comparison import Paired, paired
from sopo.reports.results import REAL, Row, Table
from sopo.reports.tables import as_json, from_json

PAIRING = ("protocol", "data", "evaluator")  # what two records must share for their runs to be pairs


def evaluation_record(
    table: Table,
    generators: Sequence[Path],
    motions: Sequence[Path],
    data: Path,
    split: str,
    evaluator: Path,
    sampling: Sampling,
    protocol: ProtocolConfig,
) -> dict[str, Any]:
    """The table, and all it takes to repeat it or to compare it: settings, hashes, command, environment."""
    return {
        "rows": as_json(table),
        "protocol": dataclasses.asdict(protocol),
        "sampling": dataclasses.asdict(sampling),
        "data": {"folder": str(data), "split": split, "sha256": data_hash(data, split)},
        "evaluator": {"folder": str(evaluator), "sha256": model_hash(evaluator)},
        "systems": {
            **{str(folder): {"generator": model_hash(folder)} for folder in generators},
            **{str(path): {"motions": files_hash(path)} for path in motions},
        },
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "environment": environment(),
    }


def compare(first: str, second: str) -> tuple[dict[str, Paired], tuple[str, str]]:
    """Two systems, each ``FILE`` or ``FILE:ROW`` of ``sopo eval --out``: differences by column, and the rows' names.

    Raises UserError if a file is no such record, does not name its row, or its runs are not paired with the other's.
    """
    (a, name_a, record_a), (b, name_b, record_b) = _system(first), _system(second)
    for what in PAIRING:
        ours, theirs = (_core(record[what]) for record in (record_a, record_b))
        if ours != theirs:
            raise UserError(f"{first} and {second} were measured with another {what}: their runs are no pairs")
    return paired(a, b, from_json(record_a["rows"], first).get(REAL)), (name_a, name_b)


def _core(value: dict[str, Any]) -> dict[str, Any]:
    """Without what may differ between equals: where a folder lies."""
    return {key: part for key, part in value.items() if key not in ("folder", "batch_size")}


def _system(text: str) -> tuple[Row, str, dict[str, Any]]:
    path, _, row = text.rpartition(":")
    if Path(text).is_file() or not path:
        path, row = text, ""
    record = read_json(Path(path))
    if not isinstance(record, dict) or not all(isinstance(record.get(what), dict) for what in PAIRING):
        raise UserError(f"{path}: not a record of `sopo eval --out`; measure anew with this version")
    table = from_json(record.get("rows"), path)
    names = [name for name in table if name != REAL]
    if not row and len(names) != 1:
        raise UserError(f"{path}: holds {', '.join(names) or 'no system'}: name one of them, {path}:ROW")
    row = row or names[0]
    if row not in table:
        raise UserError(f"{path}: has no row {row!r}; it has {', '.join(table)}")
    return table[row], row, record
