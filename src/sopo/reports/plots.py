"""Training curves and comparisons as pictures (PNG, SVG or PDF by the file's ending)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sopo.errors import UserError
from sopo.reports.results import BETTER, Row
from sopo.reports.tables import ARROWS
from sopo.training.log import read_log

# Panel -> the names in log.jsonl that it shows together.
PANELS = {
    "loss": ("loss",),
    "implicit accuracy": ("implicit_accuracy",),
    "reward": ("reward/preferred", "reward/all", "reward/unpreferred"),
    "h": ("h_w", "h_l"),
    "share of vu groups": ("vu",),
    "error of the winner": ("error_w", "error_w/reference"),
    "error of the loser": ("error_l", "error_l/reference"),
}
COLUMNS = 4
SMOOTHING = 30  # windows into which a curve is averaged, at least


def training_curves(logs: Mapping[str, Path], out: Path) -> Path:
    """The curves of one or more runs, label -> log.jsonl, a panel each for what they logged (``PANELS``).

    Raises UserError if a log is missing or none holds a curve.
    """
    runs = {}
    for label, path in logs.items():
        if not path.is_file():
            raise UserError(f"{path}: no such log; give the log.jsonl of a training run")
        runs[label] = read_log(path)
    logged = {name for lines in runs.values() for line in lines for name in line}
    panels = {title: names for title, names in PANELS.items() if logged & set(names)}
    if not panels:
        raise UserError(f"{', '.join(map(str, logs.values()))}: no curve inside; the run has not logged a step")
    columns = min(len(panels), COLUMNS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns, 3.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes, (title, names) in zip(places, panels.items(), strict=False):
        for label, lines in runs.items():
            for name in names:
                points = np.array([(line["step"], line[name]) for line in lines if name in line])
                if len(points):
                    words = [label] * (len(runs) > 1) + [name] * (len(names) > 1)
                    axes.plot(*_smooth(points).T, label=" ".join(words), linewidth=1.2)
        axes.set_title(title)
        axes.set_xlabel("step")
        if len(runs) > 1 or len(names) > 1:
            axes.legend(fontsize="small", frameon=False)
    for axes in list(figure.axes)[len(panels) :]:
        axes.set_visible(False)
    return _save(figure, out)


def comparison(table: Mapping[str, Row], out: Path) -> Path:
    """A panel per column: every row's mean as a point with its 95% interval. Raises UserError if empty."""
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    if not columns:
        raise UserError("comparison: the table has no values to draw")
    figure = Figure(figsize=(2.6 * len(columns) + 1, 0.35 * len(table) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(columns), squeeze=False, sharey=True)[0]
    for axes, column in zip(panels, columns, strict=True):
        for place, row in enumerate(table.values()):
            if column in row:
                stat = row[column]
                reach = stat.ci if math.isfinite(stat.ci) else 0.0
                axes.errorbar(stat.mean, place, xerr=reach, fmt="o", color=f"C{place}", capsize=3)
        axes.set_title(f"{column} {ARROWS[BETTER[column]]}" if column in BETTER else column)
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(table)), list(table))
    panels[0].invert_yaxis()
    return _save(figure, out)


GAINS = ("R@1", "MMDist", "FID", "rule_accuracy", "jitter")


def gain_over_time(table: Mapping[str, Row], bases: Mapping[str, str], out: Path, seconds: str) -> Path:
    """A panel per measure: runs over their seconds (a column of that name), the interval of their base as a band."""
    columns = [column for column in GAINS if any(column in table[row] for row in bases)]
    figure = Figure(figsize=(3.4 * len(columns), 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        for number, base in enumerate(dict.fromkeys(bases.values())):
            runs = [table[row] for row, of in bases.items() if of == base]
            at = table[base][column]
            axes.axhspan(at.mean - at.ci, at.mean + at.ci, color=f"C{number}", alpha=0.2, label=base)
            values = [run[column] for run in runs]
            places, means, reach = (
                [run[seconds].mean for run in runs],
                [v.mean for v in values],
                [v.ci for v in values],
            )
            axes.errorbar(places, means, yerr=reach, fmt="o-", color=f"C{number}", capsize=3, label=f"{base}, aligned")
        axes.set_title(f"{column} {ARROWS[BETTER[column]]}")
        axes.set_xlabel("seconds of training")
        axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return _save(figure, out)


def _smooth(points: np.ndarray) -> np.ndarray:
    """[n, 2] -> [m, 2], means over windows of consecutive points; a last partial window is left out."""
    window = max(1, len(points) // SMOOTHING)
    whole = len(points) // window * window
    return points[:whole].reshape(-1, window, 2).mean(1)


def _save(figure: Figure, out: Path) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(out, dpi=150)
    except ValueError as error:
        raise UserError(f"{out}: cannot be written ({error})") from error
    return out
