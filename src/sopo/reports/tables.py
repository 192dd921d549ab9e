"""Tables of results as Markdown, on the console, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rich
from rich.table import Table as ConsoleTable
from rich.text import Text

from sopo.errors import UserError, reason
from sopo.reports.results import BETTER, REAL, Row, Stat, Table, apart, best_rows, pooled, relative_change

__all__ = ["as_json", "as_markdown", "console_tables", "from_json", "pooled", "print_table"]

CELL_WIDTH = 18  # of a system on the console, frame included
ARROWS = {"higher": "↑", "lower": "↓", "closer": "→"}
Bases = str | Mapping[str, str] | None  # what rows are compared with: one row for all, or row -> its base


@dataclass(frozen=True)
class _Cell:
    """A value, its interval and its change as shown, and whether it is the best of its column."""

    value: str
    interval: str = ""
    change: str = ""
    best: bool = False


def as_json(table: Mapping[str, Row]) -> dict[str, dict[str, Any]]:
    """Row -> column -> {"mean", "ci", "runs"}; null where a number is not known, no runs where they are not."""

    def cell(stat: Stat) -> dict[str, Any]:
        runs = {"runs": [_known(value) for value in stat.runs]} if stat.runs else {}
        return {"mean": _known(stat.mean), "ci": _known(stat.ci), **runs}

    return {name: {column: cell(stat) for column, stat in row.items()} for name, row in table.items()}


def from_json(content: Any, source: str) -> Table:
    """What ``as_json`` gave, as values again, NaN where a number is not known; UserError on anything else."""

    def number(value: float | None) -> float:
        return math.nan if value is None else float(value)

    try:
        return {
            name: {
                column: Stat(number(cell["mean"]), number(cell["ci"]), tuple(map(number, cell.get("runs", ()))))
                for column, cell in row.items()
            }
            for name, row in content.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{source}: not a table of means and intervals ({reason(error)}); measure again") from error


def as_markdown(table: Mapping[str, Row], base: Bases = None) -> str:
    """A Markdown table: mean ± 95% interval, the best in bold, and in brackets the change against ``base``.

    A change is positive where the row is better (``relative_change``), and starred where the intervals of the
    row and its base do not overlap. Raises UserError if a base is not a row.
    """
    columns, cells = _cells(table, base)
    lines = [["", *columns], ["---", *["---:"] * len(columns)]]
    for name, row in cells.items():
        lines.append([name.replace("|", "\\|"), *map(_marked, row)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _marked(cell: _Cell) -> str:
    value = f"**{cell.value}**" if cell.best else cell.value
    change = " " + cell.change.replace("*", "\\*") if cell.change else ""  # a bare star would open italics
    return f"{value}{cell.interval}{change}"


def console_tables(table: Mapping[str, Row], base: Bases = None, width: int = 80) -> list[ConsoleTable]:
    """The same for a terminal ``width`` wide: a line per column, systems side by side, as many as fit."""
    columns, cells = _cells(table, base)
    names = list(cells)
    fit = max(1, (width - 20) // CELL_WIDTH)
    tables = []
    for start in range(0, len(names), fit):
        some = names[start : start + fit]
        shown = ConsoleTable("")
        for name in some:
            shown.add_column(Text(name), overflow="fold")
        for place, column in enumerate(columns):
            shown.add_row(column, *[_styled(cells[name][place]) for name in some])
        tables.append(shown)
    return tables


def print_table(table: Mapping[str, Row], base: Bases = None) -> None:
    """``console_tables`` on standard output."""
    console = rich.get_console()
    for shown in console_tables(table, base, console.width):
        console.print(shown)


def _styled(cell: _Cell) -> Text:
    change = f"\n  {cell.change}" if cell.change else ""
    return Text.assemble((cell.value, "bold" if cell.best else ""), (cell.interval + change, "dim"))


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
        return _Cell("–")
    interval, shown = f" ± {stat.ci:.3f}" if math.isfinite(stat.ci) else "", ""
    if base is not None and change is not None and math.isfinite(change):
        amount = f"{change:+z.3f}" if BETTER[column] == "closer" else f"{change:+z.2%}"
        shown = f"({amount}{'*' if apart(base, stat) else ''})"
    return _Cell(f"{stat.mean:z.3f}", interval, shown, best)


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
