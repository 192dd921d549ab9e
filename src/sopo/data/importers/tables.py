"""Captions of many clips in one file: captions.json, captions.csv or captions.tsv."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

from sopo.batch import Caption
from sopo.data.captions import CaptionLine, seconds
from sopo.data.importers.names import Notes
from sopo.data.importers.texts import parse_at, read_text
from sopo.errors import UserError
from sopo.json_files import parse_json

TABLE, TABLE_SUFFIXES = "captions", (".json", ".csv", ".tsv")
SPLIT_WORDS = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"}
SPLIT_WORDS |= {split: split for split in ("train", "val", "test")}
_NAME = ("name", "file", "filename", "file_name", "clip", "motion", "id", "path")
_CAPTIONS = ("captions", "caption", "texts", "text", "descriptions", "description", "annotations")
_START, _END = ("start", "from", "start_s"), ("end", "to", "end_s")
_SHAPES = "a caption, a list of captions, or an object with 'captions'"


@dataclass(frozen=True)
class Entry:
    """What a table says of a clip: captions, and its split if it says so."""

    name: str
    captions: tuple[CaptionLine, ...]
    split: str | None


def read_table(root: Path, files: Sequence[Path], notes: Notes) -> list[Entry]:
    """Its entries in order; none without such a file. Raises UserError if it is no such table, or if there are two."""
    tables = [path for path in files if path.parent == root and path.stem.lower() == TABLE]
    tables = [path for path in tables if path.suffix.lower() in TABLE_SUFFIXES]
    if not tables:
        return []
    if len(tables) > 1:
        raise UserError(f"{root}: has {' and '.join(path.name for path in tables)}; keep one of them")
    path = tables[0]
    rows = _json_rows(path, notes) if path.suffix.lower() == ".json" else _csv_rows(path, notes)
    return [_entry(name, content, path) for name, content in rows]


def _json_rows(path: Path, notes: Notes) -> Iterator[tuple[str, Any]]:
    """``{name: ...}``, or a list of objects that have a name."""
    content = parse_json(read_text(path, notes), str(path))
    if isinstance(content, dict):
        yield from content.items()
        return
    if not isinstance(content, list):
        raise UserError(f"{path}: expected an object, clip name -> {_SHAPES}")
    for number, item in enumerate(content, start=1):
        name = _first(item, _NAME) if isinstance(item, dict) else None
        if not isinstance(name, str):
            raise UserError(f"{path}: item {number} of the list needs a 'name' and 'captions'")
        yield name, item


def _csv_rows(path: Path, notes: Notes) -> Iterator[tuple[str, Any]]:
    """A row a caption; columns by the header, name and caption without one. Commas in a last caption do no harm."""
    text = read_text(path, notes)
    mark = max(",;\t", key=text.partition("\n")[0].count)
    try:
        rows = [row for row in csv.reader(StringIO(text, newline=""), delimiter=mark) if any(map(str.strip, row))]
    except csv.Error as error:
        raise UserError(f"{path}: not readable as a table ({error})") from error
    columns = [cell.strip().lower() for cell in rows[0]] if rows else []
    if set(columns) & set(_NAME) and set(columns) & set(_CAPTIONS):
        rows = rows[1:]
    else:
        columns = ["name", "caption"]
    for row in rows:
        if len(row) > len(columns) and columns[-1] in _CAPTIONS:
            row = [*row[: len(columns) - 1], mark.join(row[len(columns) - 1 :])]
        if len(row) != len(columns):
            raise UserError(f"{path}: {mark.join(row)[:60]!r} has {len(row)} cells, expected {len(columns)}")
        item = {column: cell for column, cell in zip(columns, row, strict=True) if cell.strip()}
        name = _first(item, _NAME)
        if name is None:
            raise UserError(f"{path}: {mark.join(row)[:60]!r} has no name in it")
        yield name, item


def _entry(name: str, content: Any, path: Path) -> Entry:
    where = f"{path}: entry {name!r}"
    fields = content if isinstance(content, dict) else {"captions": content}
    texts, split = _first(fields, _CAPTIONS), str(fields.get("split") or "").strip().lower()
    if texts is None and not split:
        raise UserError(f"{where} needs {_SHAPES}")
    if split and split not in SPLIT_WORDS:
        raise UserError(f"{where} has unknown split {split!r}; known: train, val, test")
    items = texts if isinstance(texts, list) else [] if texts is None else [{**fields, "caption": texts}]
    captions = [_line(item, where) for item in items]
    return Entry(name, tuple(line for line in captions if line.caption.text), SPLIT_WORDS.get(split))


def _line(item: Any, where: str) -> CaptionLine:
    """A text, or an object of one with the seconds it describes."""
    fields = item if isinstance(item, dict) else {"caption": item}
    text = _first(fields, _CAPTIONS)
    if not isinstance(text, str):
        raise UserError(f"{where} needs {_SHAPES}")
    line = parse_at(text, where) if text.strip() else CaptionLine(Caption(""))
    start, end = _first(fields, _START), _first(fields, _END)
    if start is None and end is None:
        return line
    try:
        return replace(line, start_s=seconds(start or 0), end_s=seconds(end or 0))
    except (ValueError, TypeError) as error:
        raise UserError(f"{where}: {error}; expected the seconds from and to which the caption holds") from error


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((fields[name] for name in names if name in fields), None)
