"""Agreement with recorded numbers of published code: asserted, and gathered into docs/parity.md.

The page says how it is written anew: pytest with ``--parity-table docs/parity.md``.
"""

from __future__ import annotations

import datetime
import math
import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

PAGE = """# Parity with published code

Each line is one recording made by running the public code of a system on small inputs (random weights where there is a
network), and what our code gives on the same inputs: the largest absolute difference over all numbers compared, and
the tolerance under which the test passes, mostly a share of the largest number recorded. An error of 0 under "exact"
means equal tokens, ranks or bits; tokens and ranks are compared where the recorded numbers are clear about them. Lines
of a manifest count the numbers of a released model at its published size: every key and shape has its place in ours,
none is missing and none left over.

The recordings are not part of this repository: they lie in `../shared/parity` of a development checkout, and the tests
skip where they are absent. Written on {date} by

    pytest tests/motion tests/data tests/diffusion tests/evaluation tests/matching tests/published \\
        --parity-table docs/parity.md

with torch {torch}, numpy {numpy}, Python {python}, on a CPU ({machine}): ours in 64 bits where the recording, unless it
says otherwise, is of 32, so that the error is that of the recording. `--parity DIR` compares with another folder's.

| recording | compared numbers | tolerance | largest error | share of the tolerance |
| --- | ---: | --- | ---: | ---: |
{rows}

No released checkpoint was at hand: what is shown here is that equal weights give equal numbers, and `tests/published`
shows that files of the released layout and size load.
"""

Row = tuple[str, int, float, float, float, float]  # name, numbers, share, rtol, error, how much of what is allowed
_pending: list[Row] = []


def parity(
    name: str, actual: Any, expected: Any, share: float = 0.0, rtol: float = 0.0, size: float | None = None
) -> None:
    """Assert |actual - expected| <= share size + rtol |expected|, and keep the largest error under ``name``.

    size: of the numbers whose sums or differences these are, as roundings grow with them; else the largest recorded.
    """
    ours, theirs = (
        np.asarray(x.detach() if isinstance(x, torch.Tensor) else x, dtype=np.float64) for x in (actual, expected)
    )
    assert ours.shape == theirs.shape, f"{name}: {ours.shape}, recorded {theirs.shape}"
    with np.errstate(invalid="ignore"):  # equal infinities are no error
        error = np.where(ours == theirs, 0.0, np.abs(ours - theirs))
        sizes = np.abs(theirs, where=np.isfinite(theirs), out=np.zeros_like(theirs))
        allowed = share * (sizes.max(initial=0.0) if size is None else size) + rtol * sizes
    used = np.where(error == 0, 0.0, error / np.maximum(allowed, 1e-300))
    worst = float(used.max(initial=0.0))
    _pending.append((name, error.size, share, rtol, float(error.max(initial=0.0)), worst))
    assert worst <= 1, f"{name}: off by {error.max():.3g}, {worst:.3g} times what is allowed"


def same_tokens(name: str, ours: Any, theirs: Any, sure: Any) -> None:
    """Assert equal tokens, ranks or choices where ``sure``: where roundings cannot tell which of two is the first.

    Three of four must be: of too few nothing would be left to compare.
    """
    ours, theirs, sure = (np.asarray(x) for x in (ours, theirs, sure))
    assert ours.shape == theirs.shape == sure.shape, f"{name}: {ours.shape}, recorded {theirs.shape}"
    assert sure.mean() >= 0.75, f"{name}: {sure.mean():.0%} of the choices are clear ones"
    parity(name, ours[sure], theirs[sure])


def same_layout(name: str, ours: Mapping[str, Sequence[int]], theirs: Mapping[str, Mapping[str, Any]]) -> None:
    """Assert that our shapes have the keys and the shapes of a manifest, none missing and none left over."""
    assert {key: list(shape) for key, shape in ours.items()} == {key: entry["shape"] for key, entry in theirs.items()}
    _pending.append((name, sum(math.prod(shape) for shape in ours.values()), 0.0, 0.0, 0.0, 0.0))


def drain() -> list[tuple[str, Row]]:
    """What was compared since the last call, as a test's user properties (they reach us from other processes)."""
    properties = [("parity", row) for row in _pending]
    _pending.clear()
    return properties


class ParityTable:
    """The pytest plugin behind ``--parity-table``: gathers the rows of passed tests and writes the page."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: defaultdict[str, list[Row]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for kind, row in report.user_properties if report.when == "teardown" else ():
            if kind == "parity":
                self.rows[row[0]].append(tuple(row))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus == 0 and self.rows:
            self.path.write_text(self.page())

    def page(self) -> str:
        lines = []
        for name, rows in sorted(self.rows.items()):
            tolerances = sorted({(share, rtol) for _, _, share, rtol, _, _ in rows})
            told = "; ".join(_told(*pair) for pair in tolerances)
            numbers, error, share = (
                sum(row[1] for row in rows),
                max(row[4] for row in rows),
                max(row[5] for row in rows),
            )
            lines.append(f"| `{name}` | {numbers:,} | {told} | {error:.1e} | {share:.0%} |")
        return PAGE.format(
            date=datetime.date.today().isoformat(),
            torch=torch.__version__,
            numpy=np.__version__,
            python=platform.python_version(),
            machine=platform.machine(),
            rows="\n".join(lines).replace("0.0e+00", "0"),
        )


def _told(share: float, rtol: float) -> str:
    parts = [f"{share:g} of the largest"] * bool(share) + [f"{rtol:g} relative"] * bool(rtol)
    return " + ".join(parts) or "exact"
