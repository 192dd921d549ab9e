"""Figures as the paper prints them (Tables 1 to 4), to be shown beside measured ones and never among them."""

from __future__ import annotations

import json
import math
from importlib import resources
from typing import Literal

from sopo.reports.results import BETTER, Stat, Table

FILE = "published_figures.json"  # table -> row -> column -> mean and 95% interval, as printed
COMPARISONS = {"humanml3d": "table2", "kit": "table3"}


def published_figures(dataset: Literal["humanml3d", "kit"]) -> Table:
    """Table 2 or 3: each system's published figures under the name ``published: SYSTEM``; NaN where none is printed."""
    return {
        f"published: {name}": {column: stat for column, stat in row.items() if column in BETTER}
        for name, row in published_table(COMPARISONS[dataset]).items()
    }


def published_table(name: str) -> Table:
    """``table1`` to ``table4`` of the paper. ``time``: motions generated for tuning, as multiples of the data."""
    tables = json.loads(resources.files("sopo.reports").joinpath(FILE).read_text(encoding="utf-8"))
    return {row: {column: _stat(cell) for column, cell in cells.items()} for row, cells in tables[name].items()}


def _stat(cell: dict[str, float | None]) -> Stat:
    mean, ci = cell["mean"], cell["ci"]
    assert mean is not None  # what is not printed has no cell
    return Stat(mean, math.nan if ci is None else ci)
