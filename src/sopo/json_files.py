"""JSON that others wrote: read as far as it may be long, and refused in one line where it is none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sopo.errors import UserError, reason

MAX_BYTES = 1 << 28  # of results, captions or what is known of clips; settings are far shorter


def read_utf8(path: Path, limit: int = MAX_BYTES) -> str:
    """The text of a file; UserError if it is missing, above ``limit`` bytes, or no UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > limit:
        raise UserError(f"{path}: above {limit >> 10} kB, far more than such a file holds")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error


def read_json(path: Path, limit: int = MAX_BYTES) -> Any:
    """What a JSON file holds; UserError as from ``read_utf8`` and ``parse_json``."""
    return parse_json(read_utf8(path, limit), str(path))


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file. UserError if it holds something else."""
    if not path.is_file():
        return {}
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object")
    return value


def read_json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Where each line stands that is not empty, as FILE:NUMBER, and the value in it; UserError likewise."""
    for number, line in enumerate(read_utf8(path).split("\n"), start=1):
        if line.strip():
            yield f"{path}:{number}", parse_json(line, f"{path}:{number}")


def parse_json(text: str, source: str) -> Any:
    """The value of a JSON text; UserError, naming ``source``, also where an object says one thing twice."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise ValueError(f"{twice!r} stands there twice")
        return found

    try:
        return json.loads(text, object_pairs_hook=members)
    except (ValueError, RecursionError) as error:  # numbers of too many digits are a ValueError too
        raise UserError(f"{source}: not readable as JSON ({reason(error)})") from error
