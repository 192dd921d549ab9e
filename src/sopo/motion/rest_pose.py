"""A rest pose before or after the motion: programs put a T-pose there for rigging, nobody moved so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sopo.motion.skeleton import HUMANML3D
from sopo.motion.stance import leg_length, pair

_LONGEST = 2.0  # seconds that a rest pose is held
_STILL = 0.05  # metres per second, mean over joints
_ALIKE = 0.06  # legs by which distances within two poses differ, or within the two sides of one
# A pose that nobody holds so straight, and how much faster than what follows is the step that leaves it: times, and
# metres per second more. The straighter the pose, the less of a step is needed.
_EXACT, _EXACT_STEP = 0.995, (1.5, 0.2)
_STRAIGHT, _STEP = 0.9, (3.0, 0.9)

Joints = NDArray[np.float64]


def motion_range(joints: Joints, fps: float, rest: Joints | None = None) -> tuple[int, int]:
    """Joints [T, 22, 3] in metres -> the first frame of the motion and its end: (0, T) without a rest pose.

    A rest pose is ``rest`` [22, 3] (in metres too), or straight and alike on both sides; it does not move, and a step
    that no body takes parts it from the motion.
    """
    return _held(joints, fps, rest), len(joints) - _held(joints[::-1], fps, rest)


def is_alike(pose: Joints) -> bool:
    """[22, 3] -> whether its left side is like its right, as rest poses are where programs mean them to be seen."""
    mirror = list(HUMANML3D.mirror)
    apart = _distances(pose)
    return bool(np.abs(apart - apart[mirror][:, mirror]).max() <= _ALIKE * leg_length(pose[None], HUMANML3D))


def _held(joints: Joints, fps: float, rest: Joints | None) -> int:
    """Frames of a rest pose at the start."""
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(axis=-1) * fps
    for step in range(min(len(speed) - 3, int(_LONGEST * fps) + 1)):
        if leaving := _step_from(joints[step], rest):
            times, plus = leaving
            if speed[step] > times * speed[step + 1 : step + 4].max() + plus:
                return step + 1
        if leaving is None or speed[step] > _STILL:
            return 0
    return 0


def _step_from(pose: Joints, rest: Joints | None) -> tuple[float, float] | None:
    """What a step has to be to leave ``pose`` as a rest pose; None if it is none."""
    size = leg_length(pose[None], HUMANML3D)
    if rest is not None and np.abs(_distances(pose) - _distances(rest)).max() < _ALIKE * size:
        return _EXACT_STEP
    straight = min(_straightness(pose, "hip", "knee", "ankle"), _straightness(pose, "shoulder", "elbow", "wrist"))
    if straight < _STRAIGHT or not is_alike(pose):
        return None
    return _EXACT_STEP if straight > _EXACT else _STEP


def _distances(pose: Joints) -> Joints:
    return np.linalg.norm(pose[:, None] - pose[None], axis=-1)


def _straightness(pose: Joints, *limb: str) -> float:
    """The cosine at the middle joint of a limb, of the side that is less straight."""
    first, middle, last = (pose[pair(HUMANML3D, part)] for part in limb)
    before, after = middle - first, last - middle
    lengths = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
    return float(((before * after).sum(axis=-1) / np.maximum(lengths, 1e-12)).min())
