"""Frames a second, from what files state, or from the times of their keys."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError

SLOWEST, FASTEST = 2.0, 1000.0  # frames a second of any capture
_WHOLE = (10, 12, 15, 20, 24, 25, 30, 40, 48, 50, 60, 72, 75, 80, 90, 100, 120, 125, 144, 150, 180)
_FAST = (200, 240, 250, 300, 360, 400, 480, 500, 600, 1000)
_BROADCAST = tuple(rate * 1000 / 1001 for rate in (24, 30, 60, 120, 240))
_CLOSE = 1e-4  # relative: computed in single precision, or thinned from a rounded time
_COARSE = 0.045  # relative: rounding to few digits
_ON_GRID = 0.02, 1e-4  # how far a key may lie from its frame, in frames and in seconds


def nearest_rate(seconds: float, precision: float = _CLOSE) -> float:
    """The common rate that has frames of ``seconds`` up to the relative ``precision``, else just 1 / seconds."""
    for rates in ((*_WHOLE, *_FAST), _BROADCAST):
        best = min(rates, key=lambda rate: abs(1 / rate - seconds))
        if abs(1 / best - seconds) <= precision * seconds:
            return float(best)
    return 1 / seconds


def rate_of_frame_time(written: str) -> tuple[float, str]:
    """A frame time in seconds as a file writes it -> frames a second, and a remark where that took a guess.

    Rounding is undone (0.033 is 30 frames a second). A rate or milliseconds in its place are told by their size.
    Raises UserError on anything else.
    """
    try:
        seconds = float(written.replace(",", "."))
    except ValueError:
        seconds = 0.0
    if 1 / FASTEST <= seconds <= 1 / SLOWEST:
        decimals = re.search(r"[.,](\d*)(?:[eE]([-+]\d+))?", written)
        unit = 10.0 ** (int(decimals[2] or 0) - len(decimals[1])) if decimals else 1.0
        rate = nearest_rate(seconds, min(max(unit / seconds, _CLOSE), _COARSE))
        rounded = abs(rate * seconds - 1) > 1e-3
        return rate, f"the frame time {written} is taken as {rate:g} frames a second" if rounded else ""
    if seconds in (*_WHOLE, *_FAST) or any(abs(seconds - rate) < 0.01 for rate in _BROADCAST):
        return seconds, f"the frame time {written} is taken as a rate, {seconds:g} frames a second; --fps settles it"
    if seconds > 1 and nearest_rate(seconds / 1000, 1e-3) in (*_WHOLE, *_FAST):
        rate = nearest_rate(seconds / 1000, 1e-3)
        return rate, f"the frame time {written} is taken as milliseconds, {rate:g} frames a second; --fps settles it"
    raise UserError(f"the frame time {written} s is none of a motion; give the rate with --fps")


def rate_of_keys(times: NDArray[np.float64]) -> float | None:
    """The lowest common rate from 20 frames a second on whose frames hold the keys, first at 0 s; None if none does.

    Slower ones lose nothing at a multiple; an odd last key does not matter.
    """
    for rate in (*(rate for rate in (*_WHOLE, *_FAST) if rate >= 20), *_BROADCAST):
        frames = times * rate
        if (np.abs(frames - frames.round()) <= _ON_GRID[0] + _ON_GRID[1] * rate).mean() > 0.95:
            return float(rate)
    return None
