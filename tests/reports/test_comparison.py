"""Paired differences between two systems."""

import math

import numpy as np
import pytest
from scipy import stats

from sopo.errors import UserError
from sopo.reports.comparison import paired
from sopo.reports.results import Stat

RNG = np.random.default_rng(0)
SHARED = RNG.normal(size=12)  # what all systems of a run have in common
BEFORE = 0.7 + SHARED
AFTER = BEFORE + 0.05 + 0.02 * RNG.normal(size=12)


def row(**columns: np.ndarray) -> dict[str, Stat]:
    return {name: Stat(values.mean(), 0.1, tuple(values)) for name, values in columns.items()}


def test_pairs_see_what_the_runs_spread_hides() -> None:
    found = paired(row(FID=BEFORE), row(FID=AFTER))["FID"]
    difference = AFTER - BEFORE
    half = stats.t.ppf(0.975, 11) * difference.std(ddof=1) / math.sqrt(12)
    assert found.difference == pytest.approx(difference.mean())
    assert (found.low, found.high) == pytest.approx((difference.mean() - half, difference.mean() + half))
    assert found.p == pytest.approx(stats.ttest_1samp(difference, 0).pvalue)
    assert found.low > 0, "the interval of the difference leaves out 0, though those of the means overlap"
    assert found.better is False, "a higher FID is worse"


def test_exchanged_systems_have_the_opposite_difference() -> None:
    there, back = (paired(row(**{"R@1": a}), row(**{"R@1": b}))["R@1"] for a, b in ((BEFORE, AFTER), (AFTER, BEFORE)))
    assert (there.difference, there.low, there.high) == pytest.approx((-back.difference, -back.high, -back.low))
    assert there.p == pytest.approx(back.p) and (there.better, back.better) == (True, False)


def test_columns_that_had_better_be_near_the_data_are_judged_by_it() -> None:
    real = {"jitter": Stat(2.0, 0.0)}
    far, near = np.array([5.0, 5.1, 5.2]), np.array([1.5, 1.7, 1.6])
    assert paired(row(jitter=far), row(jitter=near), real)["jitter"].better is True
    assert paired(row(jitter=far), row(jitter=near))["jitter"].better is None


def test_one_system_against_itself_is_no_difference() -> None:
    found = paired(row(FID=BEFORE), row(FID=BEFORE))["FID"]
    assert (found.difference, found.low, found.high, found.better) == (0, 0, 0, None) and math.isnan(found.p)


def test_runs_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(UserError, match="12 and 11 runs"):
        paired(row(FID=BEFORE), row(FID=AFTER[1:]))
    with pytest.raises(UserError, match="do not hold their runs"):
        paired({"FID": Stat(1.0, 0.1)}, row(FID=AFTER))
