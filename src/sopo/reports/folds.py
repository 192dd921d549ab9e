"""A cross-validation as tables: the unit is the fold, whose rows share judges, base and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sopo.reports.bench import TIME, WALL, shown
from sopo.reports.results import BETTER, Row, Stat, Table
from sopo.reports.tables import as_markdown

PERCENT = ("R@1", "R@2", "R@3", "MMDist", "FID", "foot_skate", "jitter", "limb_speed", "floor_depth", "rule_accuracy")


@dataclass(frozen=True)
class Folded:
    """means: row -> column, over folds. changes: row -> other row -> column -> change against it, in percent.

    Changes are of the value itself, whatever way is good. Both with 95% intervals by Student's t over folds.
    """

    means: Table
    changes: dict[str, dict[str, dict[str, Stat]]]


def folded(tables: Sequence[Mapping[str, Row]], rows: Sequence[str]) -> Folded:
    """Tables of folds, of the same rows. rows: the methods, each compared with the base, the last with all others."""
    names = [name for name in tables[0] if all(name in table for table in tables)]
    means = {name: {column: _over(tables, name, column) for column in _shared(tables, [name])} for name in names}
    base = next(name for name in names if name not in ("real", *rows))
    against = {row: [base] for row in rows} | {rows[-1]: [base, *rows[:-1]]}
    changes = {row: {other: _changes(tables, row, other) for other in others} for row, others in against.items()}
    return Folded(means, changes)


def _shared(tables: Sequence[Mapping[str, Row]], names: Sequence[str]) -> list[str]:
    return [c for c in tables[0][names[0]] if all(c in table[name] for table in tables for name in names)]


def _over(tables: Sequence[Mapping[str, Row]], name: str, column: str) -> Stat:
    return interval([table[name][column].mean for table in tables])


def _changes(tables: Sequence[Mapping[str, Row]], row: str, other: str) -> dict[str, Stat]:
    found = {}
    for column in [c for c in _shared(tables, [row, other]) if c in PERCENT]:
        before, after = (np.array([table[name][column].mean for table in tables]) for name in (other, row))
        if (before > 0).all():
            found[column] = interval(100 * (after / before - 1))
    return found


def interval(values: Sequence[float] | np.ndarray) -> Stat:
    """Mean and half-width of the 95% interval by Student's t; the values are its runs."""
    numbers = np.asarray(values, dtype=float)
    spread = float(stats.sem(numbers)) * float(stats.t.ppf(0.975, len(numbers) - 1))
    return Stat(float(numbers.mean()), spread, tuple(map(float, numbers)))


def folds_page(result: Folded, intro: str) -> str:
    """Markdown: what was measured, then every change with its interval and in how many folds it was an improvement."""
    plain = {name: {c: s for c, s in row.items() if c not in (TIME, WALL)} for name, row in result.means.items()}
    lines = ["# Cross-validation", intro, as_markdown(shown(plain))]
    columns = [c for c in PERCENT if any(c in some for others in result.changes.values() for some in others.values())]
    table = [["change in %", *columns], ["---", *["---:"] * len(columns)]]
    for row, others in result.changes.items():
        for other, changes in others.items():
            table.append([f"{row} against {other}", *(_cell(c, changes.get(c)) for c in columns)])
    lines.append("\n".join(f"| {' | '.join(line)} |" for line in table))
    lines.append(
        "A star marks intervals that leave out 0; in brackets the folds in which the change is an improvement."
    )
    return "\n\n".join(lines) + "\n"


def _cell(column: str, change: Stat | None) -> str:
    if change is None:
        return "–"
    sign = 1 if BETTER[column] == "higher" else -1
    better = sum(sign * value > 0 for value in change.runs)
    star = "\\*" if abs(change.mean) > change.ci else ""
    return f"{change.mean:+.1f} ± {change.ci:.1f}{star} ({better} of {len(change.runs)})"
