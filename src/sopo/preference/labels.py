"""People's answers on disk: which of two motions is better for a caption. One record, read and written here.

A line of .jsonl, a row of .csv or of .parquet each; docs/people.md describes every column.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sopo.errors import UserError, reason
from sopo.json_files import read_json_lines, read_utf8
from sopo.settings import shown

ANSWERS = ("a", "b", "both_good", "both_bad", "skip")
KINDS = ("choice", "repeat", "attention", "open")
SUFFIXES = (".csv", ".jsonl", ".parquet")
MOST = 10_000_000  # answers in a file
AT_ONCE = 64  # rows of a Parquet file in memory; they may hold motions


@dataclass(frozen=True)
class Label:
    """One answer of one person to one pair.

    caption: what both motions were to show. motion_a, motion_b: .npy files of raw features [T, D] or joints [T, J, 3].
    preferred: of ``ANSWERS``. pair: the same name for all answers to one pair. annotator: who answered.
    kind: "choice"; "repeat", asked of the same person again; "attention", a test with a known answer; "open", given in
    sight of the sources. source_a, source_b: what made the motions. left: which of a and b was shown on the left.
    order: the annotator's first answer is 1. seconds: taken, without pauses. answered_at: ISO 8601, UTC.
    expected: a or b in a test, else empty. What a file does not say is empty or 0.
    """

    caption: str
    motion_a: Path
    motion_b: Path
    preferred: str
    pair: str = ""
    annotator: str = ""
    kind: str = "choice"
    source_a: str = ""
    source_b: str = ""
    left: str = ""
    order: int = 0
    seconds: float = 0.0
    answered_at: str = ""
    expected: str = ""


NEEDED = ("caption", "motion_a", "motion_b", "preferred")
FIELDS = {field.name: field for field in dataclasses.fields(Label)}
ALLOWED = {"preferred": ANSWERS, "kind": KINDS, "left": ("a", "b", ""), "expected": ("a", "b", "")}
SCHEMA = pa.schema(
    [(name, {"int": pa.int64(), "float": pa.float64()}.get(str(f.type), pa.string())) for name, f in FIELDS.items()]
)


def read_labels(path: str | Path) -> list[Label]:
    """The answers of a .csv, .jsonl or .parquet; motions lie beside it, or by full path. UserError names the line.

    caption, motion_a, motion_b and preferred have to be there; columns that ``Label`` does not know are left alone.
    """
    path = Path(path)
    labels = [_label(row, where, path.parent) for where, row in read_rows(path, NEEDED)]
    if not labels:
        raise UserError(f"{path}: holds no choice")
    return labels


def write_labels(path: str | Path, labels: Iterable[Label]) -> None:
    """Write .jsonl or .parquet, whole or not at all; motions are named by their way from the file's folder."""
    path = Path(path)
    rows = [{**dataclasses.asdict(label), **_ways(label, path.parent)} for label in labels]
    if path.suffix not in (".jsonl", ".parquet"):
        raise UserError(f"{path}: labels are written as .jsonl or .parquet")
    staging = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows, SCHEMA), staging, compression="zstd")
        else:
            staging.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        staging.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({reason(error)})") from error


def read_rows(path: Path, columns: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each line of a .csv, .jsonl or .parquet stands, FILE:NUMBER, and its values by column.

    columns: those that every line should have, for the message where the file is none. Raises UserError.
    """
    names = ", ".join(columns)
    if not path.is_file() or path.suffix not in SUFFIXES:
        raise UserError(f"{path}: no such file, or another kind; expected a .csv, .jsonl or .parquet of {names}")
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
    elif path.suffix == ".csv":
        reader = csv.DictReader(read_utf8(path).splitlines())
        yield from ((f"{path}:{reader.line_num}", row) for row in reader)
    else:
        for where, row in read_json_lines(path):
            if not isinstance(row, dict):
                raise UserError(f"{where}: expected an object of {names}")
            yield where, row


def _parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A few rows at a time: where values are told by number, a few bytes stand for any amount."""
    try:
        file = pq.ParquetFile(path)
        if file.metadata.num_rows > MOST:
            raise UserError(f"{path}: above {MOST} rows")
        number = 0
        for batch in file.iter_batches(AT_ONCE):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}:{number}", row
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: truncated or not a Parquet file ({reason(error)})") from error


def _label(row: dict[str, Any], where: str, folder: Path) -> Label:
    if missing := [name for name in NEEDED if not isinstance(row.get(name), str) or not row[name].strip()]:
        raise UserError(f"{where}: no {missing[0]}; every line has {', '.join(NEEDED)}")
    values: dict[str, Any] = {
        name: _value(row[name], name, where) for name in FIELDS if row.get(name) not in (None, "")
    }
    for name, allowed in ALLOWED.items():
        if values.get(name, allowed[-1]) not in allowed:
            raise UserError(f"{where}: {name} is {shown(values[name])}: write {' or '.join(filter(None, allowed))}")
    values |= {name: folder / values[name] for name in ("motion_a", "motion_b")}
    return Label(**values)


def _value(value: Any, name: str, where: str) -> Any:
    kind = str(FIELDS[name].type)
    if kind in ("int", "float"):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number) or number < 0:
            raise UserError(f"{where}: {name} is {shown(value)}: must be a number, 0 or more")
        return int(number) if kind == "int" else number
    if not isinstance(value, str):
        raise UserError(f"{where}: {name} is {shown(value)}: must be text")
    return value


def _ways(label: Label, folder: Path) -> dict[str, str]:
    return {name: Path(os.path.relpath(getattr(label, name), folder)).as_posix() for name in ("motion_a", "motion_b")}
