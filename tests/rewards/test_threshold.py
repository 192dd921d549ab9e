"""tau as a number or a quantile."""

import math

import pytest
import torch

from sopo.errors import UserError
from sopo.rewards.threshold import Quantile, parse_tau, resolve_tau

REAL = torch.linspace(0, 1, 101)


@pytest.mark.parametrize(
    ("tau", "value"),
    [
        (0.45, 0.45),
        ("0.45", 0.45),
        ("q0.05", 0.05),
        (" q1 ", 1.0),
        (0, 0.0),
        ("inf", math.inf),
        (-math.inf, -math.inf),
    ],
)
def test_resolved(tau: float | str, value: float) -> None:
    assert resolve_tau(tau, REAL, (0.0, 1.0)) == pytest.approx(value)


def test_parsed() -> None:
    assert parse_tau("q0.5") == Quantile(0.5)
    assert parse_tau(1) == 1.0


@pytest.mark.parametrize("tau", ["", "q", "q1.5", "q-0.1", "qnan", "nan", "p0.05", "0.05q", "qq0.1", math.nan, "qinf"])
def test_nonsense_is_refused(tau: float | str) -> None:
    with pytest.raises(UserError, match=r"q0\.05"):
        parse_tau(tau)


@pytest.mark.parametrize("tau", [1.5, "-0.2"])
def test_a_number_of_another_scale_is_refused(tau: float | str) -> None:
    with pytest.raises(UserError, match=r"0\.\.1"):
        resolve_tau(tau, REAL, (0.0, 1.0))


@pytest.mark.parametrize("real", [torch.zeros(0), torch.tensor([0.1, math.nan])])
def test_a_quantile_needs_sound_rewards(real: torch.Tensor) -> None:
    with pytest.raises(UserError, match="real pairs"):
        resolve_tau("q0.1", real, (0.0, 1.0))
    assert resolve_tau(0.3, real, (0.0, 1.0)) == 0.3
