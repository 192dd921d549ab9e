"""Measuring the averaged weights every so many steps, and remembering the best; knows no model."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sopo.training.ema import EMA

Values = dict[str, float]


class Validation:
    """measure: what the weights as they are now are worth, by name. by: the values that are compared, in this order.

    keep_best: the run ends with the best weights, not with the last. best: those so far, with their step and values.
    """

    def __init__(self, measure: Callable[[], Values], by: tuple[str, ...], every: int, keep_best: bool = False) -> None:
        self.measure, self.by, self.every, self.keep_best = measure, by, every, keep_best
        self.best: dict[str, Any] | None = None

    def told(self, step: int, last: int, ema: EMA) -> Values:
        """What there is to log after ``step`` of ``last`` steps: nothing, where it is not time to measure."""
        return self(step, ema) if step % self.every == 0 or step == last else {}

    def __call__(self, step: int, ema: EMA) -> Values:
        """What the averaged weights are worth, for the log, with the seconds that it took."""
        start = time.monotonic()
        with ema.applied():
            values = self.measure()
        if self.best is None or self._rank(values) > self._rank(self.best["values"]):
            weights = {name: value.clone() for name, value in ema.average.items()}
            self.best = {"step": step, "values": values, "weights": weights}
        values = values | {"seconds": time.monotonic() - start}
        return {f"validation/{name}": value for name, value in values.items()}

    def _rank(self, values: Values) -> list[float]:
        return [values[name] for name in self.by]
