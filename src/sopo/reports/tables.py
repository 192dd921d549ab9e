"""Tables of results as Markdown, on the console, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import rich
from rich.table import Table as ConsoleTable
from rich.text import Text

from sopo.errors import UserError
from sopo.reports.results import BETTER, REAL, Row, Stat, apart, best_rows, pooled, relative_change

__all__ = ["as_json", "as_markdown", "console_table", "pooled", "print_table"]

ARROWS = {"higher": "↑", "lower": "↓", "closer": "→"}
Bases = str | Mapping[str, str] | None  # what rows are compared with: one row for all, or row -> its base


@dataclass(frozen=True)
class _Cell:
    """A value as shown, the rest of the cell, and whether it is the best of its column."""

    value: str
    rest: str
    best: bool


def as_json(table: Mapping[str, Row]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Row -> column -> {"mean", "ci"}; null where a number is not known."""
    return {
        name: {column: {"mean": _known(stat.mean), "ci": _known(stat.ci)} for column, stat in row.items()}
        for name, row in table.items()
    }


def as_markdown(table: Mapping[str, Row], base: Bases = None) -> str:
    """A Markdown table: mean ± 95% interval, the best in bold, and in brackets the change against ``base``.

    A change is positive where the row is better (``relative_change``), and starred where the intervals of the
    row and its base do not overlap. Raises UserError if a base is not a row.
    """
    columns, cells = _cells(table, base)
    lines = [["", *columns], ["---", *["---:"] * len(columns)]]
    for name, row in cells.items():
        shown = [f"{f'**{cell.value}**' if cell.best else cell.value}{cell.rest}" for cell in row]
        # A star would open italics and a bar would end the cell.
        lines.append([name.replace("|", "\\|"), *[text.replace("*)", "\\*)") for text in shown]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def console_table(table: Mapping[str, Row], base: Bases = None) -> ConsoleTable:
    """The same for a terminal."""
    columns, cells = _cells(table, base)
    shown = ConsoleTable("", *columns)
    for name, row in cells.items():
        parts = [Text.assemble((cell.value, "bold" if cell.best else ""), (cell.rest, "dim")) for cell in row]
        shown.add_row(Text(name), *parts)
    return shown


def print_table(table: Mapping[str, Row], base: Bases = None) -> None:
    """``console_table`` on standard output."""
    rich.print(console_table(table, base))


def _cells(table: Mapping[str, Row], base: Bases) -> tuple[list[str], dict[str, list[_Cell]]]:
    bases = dict.fromkeys(table, base) if isinstance(base, str) else dict(base or {})
    if strange := sorted({*bases, *filter(None, bases.values())} - set(table)):
        raise UserError(f"table: no row {strange[0]!r} to compare with; it has {', '.join(table)}")
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    best = {column: best_rows(table, column) for column in columns}
    real = table.get(REAL)
    cells: dict[str, list[_Cell]] = {}
    for name, row in table.items():
        reference = table[bases[name]] if name in bases and name not in (REAL, bases[name]) else {}
        changes = relative_change(reference, row, real)
        cells[name] = [
            _cell(row.get(column), reference.get(column), changes.get(column), column, name in best[column])
            for column in columns
        ]
    return [f"{column} {ARROWS[BETTER[column]]}" if column in BETTER else column for column in columns], cells


def _cell(stat: Stat | None, base: Stat | None, change: float | None, column: str, best: bool) -> _Cell:
    if stat is None or not math.isfinite(stat.mean):
        return _Cell("–", "", False)
    rest = f" ± {stat.ci:.3f}" if math.isfinite(stat.ci) else ""
    if base is not None and change is not None and math.isfinite(change):
        amount = f"{change:+.3f}" if BETTER[column] == "closer" else f"{change:+.2%}"
        rest += f" ({amount}{'*' if apart(base, stat) else ''})"
    return _Cell(f"{stat.mean:.3f}", rest, best)


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
