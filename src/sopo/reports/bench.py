"""A bench as a page and a plot, the paper's own figures below and apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from sopo.reports.plots import comparison, gain_over_time
from sopo.reports.published import published_table
from sopo.reports.results import REAL, Row, Stat, Table, apart, relative_change
from sopo.reports.tables import as_markdown

TIME = "time"  # the paper's "Time*": motions generated for the tuning, in units of the training captions
WALL = "seconds"  # wall time of the tuning, mining included
WITNESSES = ("rule_accuracy", "foot_skate", "jitter", "limb_speed", "floor_depth")
COLUMNS = (TIME, WALL, "R@1", "R@2", "R@3", "MMDist", "Diversity", "FID", *WITNESSES)
GAIN = "time-to-gain"
PRINTED = ("table1", "table4")  # in the paper
PUBLISHED = "published (HumanML3D): "


def shown(table: Mapping[str, Row]) -> Table:
    """The columns of Table 1 and the independent witnesses, in that order."""
    names = [column for column in COLUMNS if any(column in row for row in table.values())]
    unknown = Stat(math.nan, math.nan)
    return {row: {column: cells.get(column, unknown) for column in names} for row, cells in table.items()}


def published_rows(name: str) -> tuple[Table, dict[str, str]]:
    """The paper's own ``table1`` or ``table4``, its models labelled, and which base each row is compared with."""
    printed = published_table(name)
    labels = {row: REAL if row == "Real" else PUBLISHED + row for row in printed}
    bases, base = {}, ""
    for row, label in labels.items():
        if "+" in row:
            bases[label] = base
        else:
            base = label
    return {labels[row]: dict(cells) for row, cells in printed.items()}, bases


def shortest_gain(table: Table, base: str, column: str = "R@1") -> str:
    """One sentence: the shortest of a base's runs whose ``column`` is better than the base's, intervals apart."""
    runs = {name: row for name, row in table.items() if name.startswith(f"{base} + ")}
    for name, row in sorted(runs.items(), key=lambda item: item[1][WALL].mean):
        gain = relative_change(table[base], row)[column]
        if gain > 0 and apart(table[base][column], row[column]):
            told = f"{gain:+.1%}, {row[WALL].mean:.0f} s of training"
            return f"The shortest run whose {column} is apart from the base's: {name} ({told})."
    return f"No run from {base} has an {column} above the base's, apart from it."


def write_pages(out: Path, name: str, table: Table, bases: Mapping[str, str], intro: str) -> None:
    """``out/NAME.md`` and ``out/NAME.png``. bases: row -> the row that it is compared with."""
    columns = shown(table)
    page = f"# {name.replace('table', 'Table ')}\n\n{intro}\n\n{as_markdown(columns, bases)}\n"
    if name in PRINTED:
        published, published_bases = published_rows(name)
        page += (
            "\n## Published (HumanML3D)\n\n"
            "What the paper prints for its own models on HumanML3D; nothing of it was measured here. Other data and"
            " another evaluator do not compare with the rows above: what may be compared is the direction of the"
            f" changes.\n\n{as_markdown(shown(published), published_bases)}\n"
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(page)
    if name == GAIN:
        gain_over_time(columns, bases, out / f"{name}.png", WALL)
        return
    measured = {row: {c: stat for c, stat in cells.items() if c not in (TIME, WALL)} for row, cells in columns.items()}
    comparison(measured, out / f"{name}.png")
