"""How a skeleton's files are to be read: which axis is up, how long a unit is, whether left is left.

Files do not say, or say wrongly, so the bodies in them tell: a head is over a pelvis over feet, a leg has a person's
length, knees and toes point ahead. One clip may lie or stand on its hands, so a skeleton's clips decide together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.motion import stance
from sopo.motion.skeleton import HUMANML3D

Joints = NDArray[np.float64]

AXES = ("x", "y", "z", "-x", "-y", "-z")
# Metres a unit, the usual ones first; Acclaim files of CMU and their many children are in inches by 0.45.
_UNITS = (0.01, 1.0, 0.001, 0.0254, 0.1, 0.0254 / 0.45, 0.3048)
_LEGS = 0.45, 1.15  # metres from hip to ankle, child or giant
_PERSON = 0.82  # the same of most
_STANDS = 0.75  # cosine of a body that stands with its axis
_UPRIGHT = 0.6  # and of its trunk
_LOW = 0.45  # legs: the pelvis of somebody who lies or sits on the floor
_STRAYS = 0.25  # cosine by which a body goes with another axis more
_BEHIND = -0.03  # legs by which knees and toes lie behind, if a body is a mirror image
_AGREED = 0.7  # share of the votes that an axis needs


@dataclass(frozen=True)
class Signs:
    """What one clip shows, in its file's axes and unit.

    trunk, legs: mean directions, pelvis to head and ankles to pelvis. For each of ``AXES`` as up: feet_lowest is the
    share of frames in which no joint lies lower than the feet; pelvis and hands are their usual heights above the
    lowest joint, in legs. leg: hip to ankle. ahead, square: as in ``stance``.
    """

    trunk: tuple[float, float, float]
    legs: tuple[float, float, float]
    feet_lowest: tuple[float, ...]
    pelvis: tuple[float, ...]
    hands: tuple[float, ...]
    leg: float
    ahead: float
    square: float

    def along(self, axis: str) -> float:
        """How far the body stretches up ``axis``: 1 standing, 0 lying, -1 standing on its head."""
        return (_part(self.trunk, axis) + _part(self.legs, axis)) / 2

    def stands(self, axis: str) -> bool:
        """Whether the clip shows somebody who stands or sits upright with ``axis`` up."""
        on_feet = self.feet_lowest[AXES.index(axis)] > 0.6
        return self.along(axis) > _STANDS and _part(self.trunk, axis) > _UPRIGHT and on_feet

    def strays(self, axis: str) -> bool:
        """Whether the body goes with another axis than ``axis`` and no lying, crawling or handstand explains it."""
        at = AXES.index(axis)
        low = self.pelvis[at] < _LOW or self.hands[at] < _LOW / 2
        return not low and max(map(self.along, AXES)) > self.along(axis) + _STRAYS


@dataclass(frozen=True)
class Posture:
    """How to read a skeleton: the axis that points up, metres a unit, whether to mirror; and doubts, a line each."""

    up: str
    unit: float
    mirrored: bool
    doubts: tuple[str, ...] = ()


def read_signs(joints: Joints) -> Signs:
    """Joints [T, 22, 3] in any axes and unit -> what they show."""
    ankles, feet = stance.pair(HUMANML3D, "ankle"), list(HUMANML3D.feet)
    trunk = stance.trunk_direction(joints, HUMANML3D)
    legs = joints[:, 0] - joints[:, ankles].mean(axis=1)
    legs /= np.maximum(np.linalg.norm(legs, axis=-1, keepdims=True), 1e-12)
    heights = np.concatenate((joints, -joints), axis=-1)  # over each of AXES
    leg = stance.leg_length(joints, HUMANML3D)
    slack = 0.02 * leg
    floor = heights.min(axis=1)
    lowest = heights[:, feet].min(axis=1) <= floor + slack
    hands = heights[:, stance.pair(HUMANML3D, "wrist")].min(axis=1)
    return Signs(
        trunk=_vector(trunk),
        legs=_vector(legs),
        feet_lowest=tuple(float(share) for share in lowest.mean(axis=0)),
        pelvis=tuple(np.median(heights[:, 0] - floor, axis=0) / max(leg, 1e-12)),
        hands=tuple(np.median(hands - floor, axis=0) / max(leg, 1e-12)),
        leg=leg,
        ahead=float(stance.ahead(joints, HUMANML3D).mean()) / max(leg, 1e-12),
        square=float(stance.squareness(joints, HUMANML3D).mean()),
    )


def settle_up(clips: Sequence[Signs]) -> str:
    """The axis along which the clips stand, "" if none stands or they disagree. Clear stands count more."""
    votes = dict.fromkeys(AXES, 0.0)
    for clip in clips:
        best, second = sorted(AXES, key=clip.along, reverse=True)[:2]
        if clip.stands(best):
            votes[best] += clip.along(best) - clip.along(second)
    most = max(AXES, key=votes.__getitem__)
    return most if votes[most] > _AGREED * sum(votes.values()) else ""


def settle_unit(leg: float) -> tuple[float, str]:
    """Metres a unit for legs ``leg`` units long, and a doubt if no unit that is in use gives a person."""
    for unit in _UNITS:
        if _LEGS[0] <= unit * leg <= _LEGS[1]:
            return unit, ""
    return _PERSON / leg, f"legs are {leg:.3g} units long, which suits no unit in use: taken for {_PERSON} m (--unit)"


def settle_sides(clips: Sequence[Signs]) -> bool:
    """Whether left and right are exchanged: knees and toes point backwards. UserError if arms and legs disagree."""
    if np.median([clip.square for clip in clips]) < -0.3:
        raise UserError("left and right of the arms are those of the legs exchanged; give a mapping file")
    return float(np.mean([clip.ahead for clip in clips])) < _BEHIND


def upright(joints: Joints, up: str, unit: float, mirrored: bool) -> Joints:
    """Joints [T, J, 3] in a file's axes and unit -> in metres, Y up; mirrored left to right if so."""
    at = "xyz".index(up[-1])
    turn = np.zeros((3, 3))
    turn[[0, 1, 2], [(at + 2) % 3, at, (at + 1) % 3]] = 1.0  # the axes in their order, turned: still right-handed
    if up[0] == "-":
        turn[:2] *= -1.0
    if mirrored:
        turn[0] *= -1.0
    return joints @ turn.T * unit


def _part(vector: tuple[float, float, float], axis: str) -> float:
    return vector["xyz".index(axis[-1])] * (-1.0 if axis[0] == "-" else 1.0)


def _vector(directions: NDArray[np.floating]) -> tuple[float, float, float]:
    x, y, z = directions.mean(axis=0)
    return float(x), float(y), float(z)
