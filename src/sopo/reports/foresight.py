"""How well a reward foresees people's choices: shares with intervals, a learning curve, calibration, one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import binomtest

BINS = 8  # of the calibration, with equally many choices each


def share(right: NDArray[np.bool_]) -> dict[str, float]:
    """Of N choices foreseen or not: the share, and its 95% interval (Wilson)."""
    if not len(right):
        return {"share": float("nan"), "low": float("nan"), "high": float("nan")}
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return {"share": float(right.mean()), "low": float(interval.low), "high": float(interval.high)}


def foreseen(first: NDArray[np.bool_], expected: NDArray, rival: NDArray) -> dict[str, Any]:
    """Shares of N choices that a reward and its rival foresee, and of how much more, with paired 95% intervals.

    first: whether a was chosen. expected: P(a) by the reward. rival: positive where the rival prefers a.
    """
    own, other = (expected > 0.5) == first, (rival > 0) == first
    difference = own.astype(float) - other
    ci = 1.96 * float(difference.std()) / max(len(first), 1) ** 0.5 if len(first) else float("nan")
    more = float(difference.mean()) if len(first) else float("nan")
    return {"choices": len(first), **share(own), "by_tmr_alone": share(other), "more_than_tmr": more, "ci": ci}


def calibration(first: NDArray[np.bool_], expected: NDArray, _: NDArray) -> dict[str, Any]:
    """Of the motion that a reward expects to be chosen: how surely, and how often it was, by bins; their mean gap."""
    sure, right = np.maximum(expected, 1 - expected), (expected > 0.5) == first
    parts = [part for part in np.array_split(np.argsort(sure, kind="stable"), BINS) if len(part)]
    bins = [{"expected": float(sure[part].mean()), "choices": len(part), **share(right[part])} for part in parts]
    gap = sum(one["choices"] * abs(one["expected"] - one["share"]) for one in bins) / max(len(first), 1)
    return {"bins": bins, "expected_calibration_error": float(gap)}


def write_picture(path: Path, curve: Sequence[Mapping[str, Any]], calibrated: Mapping[str, Any]) -> None:
    """Learning curve and calibration, side by side, as a PNG."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    counts = [point["answers"] for point in curve]
    _whiskers(left, counts, curve, "reward")
    tmr = curve[-1]["by_tmr_alone"]
    left.axhline(tmr["share"], color="C1", linewidth=1.2, label="TMR alone")
    left.axhspan(tmr["low"], tmr["high"], color="C1", alpha=0.15, linewidth=0)
    left.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
    left.set(xscale="log", xlabel="answers learnt from", ylabel="held-out choices foreseen")
    left.set_xticks(counts, [str(count) for count in counts])
    left.minorticks_off()
    left.legend(loc="best", fontsize="small")
    bins = calibrated["bins"]
    right.plot([0.5, 1], [0.5, 1], color="grey", linewidth=0.8, linestyle=":")
    _whiskers(right, [one["expected"] for one in bins], bins, "reward")
    error = calibrated["expected_calibration_error"]
    right.set(xlabel="expected", ylabel="chosen", title=f"calibration: mean gap {error:.3f}", xlim=(0.48, 1.02))
    figure.savefig(path, dpi=110)


def _whiskers(axes: Any, x: Sequence[float], points: Sequence[Mapping[str, Any]], label: str) -> None:
    shares = np.array([point["share"] for point in points])
    ends = np.array([[point["share"] - point["low"], point["high"] - point["share"]] for point in points]).T
    axes.errorbar(x, shares, yerr=np.maximum(ends, 0), marker="o", capsize=2, linewidth=1.2, label=label)
