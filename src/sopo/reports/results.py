"""Measured values, and what may be said when two of them are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sopo.errors import UserError

REAL = "real"  # the row of the data's own motions


@dataclass(frozen=True)
class Stat:
    """A mean over runs and the half-width of its 95% interval (NaN where a publication gives none).

    runs: each run's value, in order, where they are known.
    """

    mean: float
    ci: float
    runs: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.ci:.3f}" if math.isfinite(self.ci) else f"{self.mean:.3f}"


Row = Mapping[str, Stat]
Table = dict[str, dict[str, Stat]]

# Which way is good. A still body has no jitter at all, so that one, like Diversity, is to be near the data's.
BETTER: dict[str, Literal["higher", "lower", "closer"]] = {
    "R@1": "higher",
    "R@2": "higher",
    "R@3": "higher",
    "MMDist": "lower",
    "FID": "lower",
    "Diversity": "closer",
    "MultiModality": "higher",
    "rule_accuracy": "higher",
    "foot_skate": "lower",
    "jitter": "closer",
    "limb_speed": "closer",
    "floor_depth": "lower",
}


def relative_change(base: Row, other: Row, real: Row | None = None) -> dict[str, float]:
    """By how much ``other`` is better (positive) or worse than ``base``, column by column, as in Table 1.

    Higher and lower columns: a share of the base's value (0.05 = 5%). Closer columns: absolute, by how much
    |value - real's value| shrank; left out where ``real`` has no value. Unknown columns are left out.
    """
    changes: dict[str, float] = {}
    for column in [name for name in base if name in other and name in BETTER]:
        before, after = base[column].mean, other[column].mean
        if BETTER[column] == "closer":
            if real is not None and column in real:
                changes[column] = abs(before - real[column].mean) - abs(after - real[column].mean)
        else:
            gain = after - before if BETTER[column] == "higher" else before - after
            changes[column] = gain / abs(before) if before else math.nan
    return changes


def apart(a: Stat, b: Stat) -> bool:
    """Whether the 95% intervals do not overlap; False where one is unknown."""
    return abs(a.mean - b.mean) > a.ci + b.ci


def best_rows(table: Mapping[str, Row], column: str) -> set[str]:
    """The rows with the best value of a column, the real one aside; none where there is nothing to choose."""
    values = {
        name: row[column].mean
        for name, row in table.items()
        if name != REAL and column in row and math.isfinite(row[column].mean)
    }
    better = BETTER.get(column)
    target = table.get(REAL, {}).get(column)
    if better is None or len(values) < 2 or (better == "closer" and target is None):
        return set()
    if better == "closer" and target is not None:
        values = {name: -abs(value - target.mean) for name, value in values.items()}
    elif better == "lower":
        values = {name: -value for name, value in values.items()}
    return {name for name, value in values.items() if value == max(values.values())}


def pooled(rows: Sequence[Row]) -> dict[str, Stat]:
    """Several trainings of one method as one row: the mean over their means, in the columns all of them have.

    The interval adds the spread between trainings, 1.96 std(ddof 1) / sqrt(K), to the mean interval of each.
    That one does not shrink with K: the runs are paired, so all trainings share their draws.
    """
    if not rows:
        raise UserError("no rows to pool")
    pooled_row: dict[str, Stat] = {}
    for column in [name for name in rows[0] if all(name in row for row in rows)]:
        means = np.array([row[column].mean for row in rows])
        between = 1.96 * means.std(ddof=1) / math.sqrt(len(rows)) if len(rows) > 1 else 0.0
        within = np.mean([row[column].ci ** 2 for row in rows])
        pooled_row[column] = Stat(float(means.mean()), float(math.sqrt(between**2 + within)))
    return pooled_row
