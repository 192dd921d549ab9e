"""Work that is gone on with: a folder belongs to the settings that it was begun with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sopo.errors import UserError
from sopo.preference.pairs import first_difference
from sopo.recipes.record import write_json


def claim(path: Path, settings: Mapping[str, Any]) -> None:
    """Write ``settings`` as JSON to ``path``; where they are written already, refuse others (``refuse_others``)."""
    if path.is_file():
        refuse_others(path.parent, json.loads(path.read_text()), settings)
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
