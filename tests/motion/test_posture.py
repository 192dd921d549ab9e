"""What a clip shows of how it stands, and what follows from it; tests/data/importers/test_rigs.py has whole folders."""

import numpy as np
import pytest
from moving_body import walking
from numpy.testing import assert_allclose

from sopo.motion.posture import AXES, flips, is_reversed, opposite, read_signs, settle_unit, settle_up, upright


@pytest.mark.parametrize("axis", AXES)
def test_upright_turns_and_does_not_mirror(axis: str) -> None:
    points = np.random.default_rng(0).normal(size=(1, 3, 3))
    turned = upright(points, axis, 2.0, mirrored=False)
    along = points[..., "xyz".index(axis[-1])] * (-2.0 if axis[0] == "-" else 2.0)
    assert_allclose(turned[..., 1], along)
    assert_allclose(np.linalg.det(turned[0]), 8 * np.linalg.det(points[0]))
    mirrored = upright(points, axis, 2.0, mirrored=True)
    assert_allclose(mirrored[..., 1], along)
    assert_allclose(np.linalg.det(mirrored[0]), -8 * np.linalg.det(points[0]))


def test_signs_of_a_walk() -> None:
    signs = read_signs(walking(), 20.0)
    assert signs.longest == "y" and signs.stands("y") and signs.walks("y") and not signs.wrong_with("y")
    assert not any(signs.stands(axis) for axis in AXES if axis != "y") and flips(signs, "-y") and not flips(signs, "y")
    assert settle_up([signs], None).axis == settle_up([signs], signs).axis == "y"
    assert is_reversed([signs]) is False
    assert is_reversed([read_signs(walking() * (-1, 1, 1), 20.0)]) is True


def test_knees_tell_sides_without_toes_and_straight_legs_do_not() -> None:
    assert is_reversed([read_signs(walking(), 20.0, toed=False)]) is False
    straight = walking()
    straight[:, [4, 5]] = (straight[:, [1, 2]] + straight[:, [7, 8]]) / 2
    assert is_reversed([read_signs(straight, 20.0, toed=False)]) is None


@pytest.mark.parametrize("unit", [1.0, 0.1, 0.01, 0.001, 0.0254, 0.0254 / 0.45])
@pytest.mark.parametrize("leg", [0.75, 0.95])
def test_the_unit_of_a_grown_leg(unit: float, leg: float) -> None:
    assert settle_unit(leg / unit) == (unit, "")


def test_a_leg_of_no_unit_is_scaled_and_doubted() -> None:
    unit, doubt = settle_unit(1e4)
    assert_allclose(unit * 1e4, 0.82)
    assert "--unit" in doubt


def test_every_axis_has_an_opposite() -> None:
    assert {opposite(axis) for axis in AXES} == set(AXES) and all(opposite(opposite(axis)) == axis for axis in AXES)
