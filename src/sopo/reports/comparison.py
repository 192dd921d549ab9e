"""Two systems measured in the same runs: differences run by run, with intervals and a test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import rich
from rich.table import Table as ConsoleTable
from scipy import stats

from sopo.errors import UserError
from sopo.reports.results import BETTER, Row, relative_change


@dataclass(frozen=True)
class Paired:
    """A column of two systems: their means, and the mean difference second - first over paired runs.

    low, high: 95% interval of the difference by Student's t. p: of the paired t-test that it is 0; NaN where all
    differences are one number. better: whether the second is the better, None where no way is good or they are equal.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    better: bool | None


def paired(first: Row, second: Row, real: Row | None = None) -> dict[str, Paired]:
    """Column by column, of those whose runs both rows know; UserError if they have not the same runs, or fewer than 2.

    real: the data's own row; columns that had better be near it are judged by it.
    """
    columns = [name for name in first if name in second and first[name].runs and second[name].runs]
    if not columns:
        raise UserError(
            "the results do not hold their runs' values: measure anew with this version of `sopo eval --out`"
        )
    changes = relative_change(first, second, real)
    table = {}
    for column in columns:
        a, b = (np.array(row[column].runs) for row in (first, second))
        if len(a) != len(b) or len(a) < 2:
            raise UserError(f"{column}: {len(a)} and {len(b)} runs; a paired comparison needs the same 2 or more")
        better = bool(changes[column] > 0) if changes.get(column) else None
        table[column] = _paired(a, b, better if column in BETTER else None)
    return table


def _paired(a: np.ndarray, b: np.ndarray, better: bool | None) -> Paired:
    difference, first, second = b - a, float(a.mean()), float(b.mean())
    if np.ptp(difference) == 0:  # no spread to judge by
        value = float(difference[0])
        return Paired(first, second, value, value, value, float("nan"), better)
    test = stats.ttest_rel(b, a)
    interval = test.confidence_interval(0.95)
    low, high = float(interval.low), float(interval.high)
    return Paired(first, second, float(difference.mean()), low, high, float(test.pvalue), better)


def print_comparison(table: dict[str, Paired], first: str, second: str) -> None:
    """One line a column on standard output; a star where the interval of the difference leaves out 0."""
    shown = ConsoleTable("", first, second, "difference", "95% interval", "p", "")
    for column, row in table.items():
        apart = "*" if row.low > 0 or row.high < 0 else ""
        word = {True: "better", False: "worse", None: ""}[row.better]
        numbers = (f"{row.first:.3f}", f"{row.second:.3f}", f"{row.difference:+.3f}")
        shown.add_row(column, *numbers, f"{row.low:+.3f} to {row.high:+.3f}", f"{row.p:.2g}", f"{word}{apart}")
    rich.get_console().print(shown)
