"""Figures as the paper prints them (Tables 1 to 4), to be shown beside measured ones and never among them."""

from __future__ import annotations

import json
import math
from importlib import resources
from typing import Literal

from sopo.reports.results import BETTER, Row, Stat, Table

Dataset = Literal["humanml3d", "kit"]

FILE = "published_figures.json"  # table -> row -> column -> mean and 95% interval, as printed
COMPARISONS = {"humanml3d": "table2", "kit": "table3"}
# Of the real motions. MM Dist is 2.974 in the paper's Table 1 and 2.794 in its Table 2: the first is the field's.
REAL_ROWS = {"humanml3d": ("table1", "Real"), "kit": ("table3", "Real")}
# How far a true copy comes out: the published interval three times over, and other draws. FID is another one here, of
# the real motions against themselves (docs/protocol.md): 0 where papers print .002.
NEAR = {"R@1": 0.015, "R@2": 0.015, "R@3": 0.012, "MMDist": 0.04, "Diversity": 0.3}
FAR = 1.0  # of MM Dist: no longer a matter of some clips
MATCH_LOST = (
    "texts and motions hardly match: the evaluator has other statistics than its own (convert guo with --mean and --std"
    " of Comp_v6_KLD01/meta, not the data's), other word vectors, or the features are not the published ones"
)
MATCH_WORSE = (
    "texts and motions match less well: usually captions without their tags, a data set from another body model or"
    " without its mirror images, or clips that are missing (sopo data check says how many)"
)
MATCH_BETTER = (
    "texts and motions match better: usually an easier split (--split test is the published one), or few runs"
)
OTHER_SPREAD = (
    "the spread alone is off: usually a part of the split (a build with --partial, --samples), or few motions"
)


def published_figures(dataset: Dataset) -> Table:
    """Table 2 or 3: each system's published figures under the name ``published: SYSTEM``; NaN where none is printed."""
    return {
        f"published: {name}": {column: stat for column, stat in row.items() if column in BETTER}
        for name, row in published_table(COMPARISONS[dataset]).items()
    }


def judge_real_row(row: Row, dataset: Dataset) -> list[str]:
    """Lines on how the measured real row compares with the published one, and why it usually differs.

    The real motions need no generator, so this row says whether data set and evaluator are the published ones.
    """
    where, name = REAL_ROWS[dataset]
    published = published_table(where)[name]
    off = {column: row[column].mean - published[column].mean for column in NEAR if column in row}
    told = ", ".join(f"{column} {row[column].mean:.3f} (published {published[column].mean:.3f})" for column in off)
    if not (wrong := [column for column in off if abs(off[column]) > NEAR[column]]):
        return [f"real row as published: {told}"]
    lines = [f"real row NOT as published: {told}"]
    if off.get("R@3", 0) < -NEAR["R@3"] or off.get("MMDist", 0) > NEAR["MMDist"]:
        lines.append(MATCH_WORSE if off.get("MMDist", 0) < FAR else MATCH_LOST)
    elif "Diversity" in wrong:
        lines.append(OTHER_SPREAD)
    else:
        lines.append(MATCH_BETTER)
    return [*lines, "until it is as published, no row of this table is comparable with a paper's"]


def published_table(name: str) -> Table:
    """``table1`` to ``table4`` of the paper. ``time``: motions generated for tuning, as multiples of the data."""
    tables = json.loads(resources.files("sopo.reports").joinpath(FILE).read_text(encoding="utf-8"))
    return {row: {column: _stat(cell) for column, cell in cells.items()} for row, cells in tables[name].items()}


def _stat(cell: dict[str, float | None]) -> Stat:
    mean, ci = cell["mean"], cell["ci"]
    assert mean is not None  # what is not printed has no cell
    return Stat(mean, math.nan if ci is None else ci)
