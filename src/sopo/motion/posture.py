"""How a skeleton's files are to be read: which axis is up, how long a unit is, whether left is left.

Files do not say, or say wrongly, so the bodies in them tell: a head is over a pelvis over feet, a leg has a person's
length, knees and toes point ahead. One clip may lie or stand on its hands, so a skeleton's clips decide together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sopo.motion import stance
from sopo.motion.skeleton import HUMANML3D

Joints = NDArray[np.float64]
Vector = tuple[float, float, float]

AXES = ("x", "y", "z", "-x", "-y", "-z")
# Metres a unit, the usual ones first; Acclaim files of CMU and their many children are in inches by 0.45.
_UNITS = (0.01, 1.0, 0.001, 0.0254, 0.1, 0.0254 / 0.45, 0.3048)
_LEGS = 0.45, 1.15  # metres from hip to ankle, child or giant
_PERSON = 0.82  # the same of most
_STANDS = 0.75  # cosine of a body that stands with its axis
_CLEAR = 0.9  # the same where nothing else speaks for the axis
_WALKS = 3.0  # a vote of somebody who walks, as against one who may lie still
_UPRIGHT = 0.6  # the same of an upright trunk
_LOW = 0.45  # legs: the pelvis of somebody who lies or sits on the floor
_RESTS = 0.9  # cosine with its axis of a rest pose that stands
_AGREED = 0.7  # share of the votes that an axis needs
_SINKS = 0.3  # legs by which feet go on sinking below their usual height: no floor, somebody crawls headfirst
_FLAT = 0.25  # legs by which the lowest joint of somebody who stays on a floor goes up and down
_FASTEST = 20.0  # legs a second that a pelvis goes most of its time; sprinters do 12
_SPINS = 150.0  # degrees a second that a trunk turns on average; a series of somersaults does 260
_ROUGH = 0.9  # change of that turn from frame to frame, as a share of it: somersaults have 0.6, noise 1 and more
_TELLS = 0.08  # legs by which knees and toes lie ahead, or in a mirror image behind
_KNEES_TELL = 0.04  # the same of knees alone


@dataclass(frozen=True)
class Signs:
    """What one clip shows, in its file's axes and unit. Lengths but ``leg`` are in legs.

    trunk, legs: mean directions, pelvis to head and ankles to pelvis. leg: hip to ankle. ahead: how far knees and toes
    lie before hips and ankles; toed: whether there are toes. square: as in ``stance``. spin: degrees a second that the
    trunk turns, mean; rough: by how much of that the turn changes from frame to frame. speed: of the pelvis, a second,
    median. For each of ``AXES`` as up: upright, feet_lowest: shares of frames in which the trunk goes up it, and in
    which no joint lies lower than the feet; pelvis, hands: usual heights above the lowest joint; overhead: of the
    hands above the head; sinks: how far feet go below their usual height; floor: how far the lowest joint goes up and
    down; roams: how far the pelvis goes sideways.
    """

    trunk: Vector
    legs: Vector
    leg: float
    ahead: float
    toed: bool
    square: float
    spin: float
    rough: float
    speed: float
    upright: tuple[float, ...]
    feet_lowest: tuple[float, ...]
    pelvis: tuple[float, ...]
    hands: tuple[float, ...]
    overhead: tuple[float, ...]
    sinks: tuple[float, ...]
    floor: tuple[float, ...]
    roams: tuple[float, ...]

    def along(self, axis: str) -> float:
        """How far the body stretches up ``axis``: 1 standing, 0 lying, -1 standing on its head."""
        return (_part(self.trunk, axis) + _part(self.legs, axis)) / 2

    @property
    def longest(self) -> str:
        """The axis up which the body stretches most."""
        return max(AXES, key=self.along)

    def stands(self, axis: str) -> bool:
        """Whether somebody stands or sits upright with ``axis`` up. Y is up in most files: there feet may sink."""
        at = AXES.index(axis)
        floor = axis == "y" or self.sinks[at] < _SINKS
        return floor and self.along(axis) > _STANDS and self.upright[at] > 0.5 and self.feet_lowest[at] > 0.6

    def clear(self, axis: str) -> bool:
        """Whether a clip that stands does so beyond doubt: straight up, and on feet that carry it, not on its hands."""
        return self.along(axis) > _CLEAR and self.overhead[AXES.index(axis)] < 0

    def on_floor(self, axis: str) -> bool:
        """Whether a body that does not stand may have ``axis`` up: it keeps to a floor, or its trunk is upright."""
        at = AXES.index(axis)
        return self.floor[at] < _FLAT or self.upright[at] > 0.5

    def walks(self, axis: str) -> bool:
        """Whether somebody upright along ``axis`` also goes some way across it, as nobody does who lies along it."""
        return self.stands(axis) and self.roams[AXES.index(axis)] > 1.0

    def wrong_with(self, axis: str) -> str:
        """Why the clip is not to be believed with ``axis`` up, "" if it is: upright, or low as who lies or crawls."""
        at = AXES.index(axis)
        if self.spin > _SPINS and self.rough > _ROUGH:
            return f"its trunk turns by {self.spin:.0f} degrees a second on average: noise, no motion of a body"
        if self.speed > _FASTEST:
            return f"its pelvis goes by {self.speed:.0f} legs a second: its path and its bones are in different units"
        if self.upright[at] > 0.5 or self.pelvis[at] < _LOW or self.hands[at] < _LOW / 2:
            return ""
        lean = np.degrees(np.arccos(np.clip(_part(self.trunk, axis), -1, 1)))
        return f"its trunk leans by {lean:.0f} degrees from {axis} up, over legs that stand: --up {axis} takes it so"


def read_signs(joints: Joints, fps: float, toed: bool = True) -> Signs:
    """Joints [T, 22, 3] in any axes and unit -> what they show; ``toed``: whether the feet are known."""
    feet = list(HUMANML3D.feet)
    head, wrists = HUMANML3D.joints.index("head"), stance.pair(HUMANML3D, "wrist")
    leg = max(stance.leg_length(joints, HUMANML3D), 1e-12)
    trunk = stance.trunk_direction(joints, HUMANML3D)
    legs = stance.leg_direction(joints, HUMANML3D)
    turned = np.diff(trunk, axis=0)
    turns = float(np.linalg.norm(turned, axis=-1).mean()) if len(turned) else 0.0
    jolts = float(np.linalg.norm(np.diff(turned, axis=0), axis=-1).mean()) if len(turned) > 1 else 0.0
    steps = np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1)
    heights = np.concatenate((joints, -joints), axis=-1) / leg  # [T, 22, 6], over each of AXES
    floor, soles = heights.min(axis=1), heights[:, feet].min(axis=1)
    spread = np.ptp(joints[:, 0], axis=0) / leg
    return Signs(
        trunk=_vector(trunk),
        legs=_vector(legs),
        leg=leg,
        ahead=float(stance.ahead(joints, HUMANML3D, toed).mean()) / leg,
        toed=toed,
        square=float(stance.squareness(joints, HUMANML3D).mean()),
        spin=float(np.degrees(turns)) * fps,
        rough=jolts / max(turns, 1e-12),
        speed=float(np.median(steps)) * fps / leg if len(steps) else 0.0,
        upright=_floats((np.concatenate((trunk, -trunk), axis=-1) > _UPRIGHT).mean(axis=0)),
        feet_lowest=_floats((soles <= floor + 0.02).mean(axis=0)),
        pelvis=_floats(np.median(heights[:, 0] - floor, axis=0)),
        hands=_floats(np.median(heights[:, wrists].min(axis=1) - floor, axis=0)),
        overhead=_floats(np.median(heights[:, wrists].mean(axis=1) - heights[:, head], axis=0)),
        sinks=_floats(np.median(soles, axis=0) - np.percentile(soles, 5, axis=0)),
        floor=_floats(np.ptp(np.percentile(floor, (5, 95), axis=0), axis=0)),
        roams=_floats(np.array([np.delete(spread, at % 3).max() for at in range(6)])),
    )


@dataclass(frozen=True)
class Up:
    """The axis that is up, "" if nothing settles it; ``sure`` if nobody who lies could look so; a doubt, or ""."""

    axis: str
    sure: bool
    doubt: str = ""


def settle_up(clips: Sequence[Signs], rest: Signs | None) -> Up:
    """Which axis is up by a skeleton's clips and its rest pose.

    Clear stands count more. Where clips stand along another axis than the rest pose, one of them has to walk.
    """
    resting = rest.longest if rest and rest.along(rest.longest) > _RESTS else ""
    votes = dict.fromkeys(AXES, 0.0)
    for clip in clips:
        if clip.stands(clip.longest) and (clip.longest in ("y", resting) or clip.clear(clip.longest)):
            margin = clip.along(clip.longest) - sorted(map(clip.along, AXES))[-2]
            votes[clip.longest] += margin * (_WALKS if clip.walks(clip.longest) else 1.0)
    lines = {axis: votes[axis] + votes[opposite(axis)] for axis in AXES}
    most = max(AXES, key=lambda axis: (lines[axis], votes[axis]))
    if not lines[most]:
        if resting and all(clip.on_floor(resting) for clip in clips):
            said = f"nobody stands upright in its clips: its rest pose alone says that {resting} is up (--up)"
            return Up(resting, False, said)
        return Up("", False, "nobody stands upright in its clips, so which axis is up? give --up")
    if lines[most] <= _AGREED * sum(votes.values()):
        if votes.get(resting):
            return Up(resting, True)
        return Up("", False, "its clips stand along different axes: give --up, or import them apart")
    if resting == opposite(most):
        return Up(resting, True)
    walked = any(clip.walks(most) for clip in clips)
    if resting not in ("", most) and not walked:
        return Up("", False, f"its clips stand along {most}, its rest pose along {resting}: do they lie? give --up")
    return Up(most, walked or resting == most, "" if most == "y" else f"{most} is up by how its clips stand (--up)")


def flips(clip: Signs, up: str) -> bool:
    """Whether a clip of a skeleton stands the other way up than the rest: written so, for its hands do not carry it."""
    return clip.stands(opposite(up)) and clip.overhead[AXES.index(opposite(up))] < 0


def settle_unit(leg: float) -> tuple[float, str]:
    """Metres a unit for legs ``leg`` units long, and a doubt if no unit that is in use gives a person."""
    for unit in _UNITS:
        if _LEGS[0] <= unit * leg <= _LEGS[1]:
            return unit, ""
    return _PERSON / leg, f"legs are {leg:.3g} units long, which suits no unit in use: taken for {_PERSON} m (--unit)"


def is_reversed(clips: Sequence[Signs]) -> bool | None:
    """Whether left and right are exchanged: knees and toes point backwards; None if they do not tell."""
    ahead = float(np.mean([clip.ahead for clip in clips]))
    tells = _TELLS if all(clip.toed for clip in clips) else _KNEES_TELL
    return ahead < 0 if abs(ahead) > tells else None


def opposite(axis: str) -> str:
    """``-y`` of ``y``, and back."""
    return axis[1:] if axis[0] == "-" else f"-{axis}"


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


def _part(vector: Vector, axis: str) -> float:
    return vector["xyz".index(axis[-1])] * (-1.0 if axis[0] == "-" else 1.0)


def _vector(directions: NDArray[np.floating]) -> Vector:
    x, y, z = directions.mean(axis=0)
    return float(x), float(y), float(z)


def _floats(values: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
