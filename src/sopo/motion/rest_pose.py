"""A rest pose before or after the motion: programs put a T-pose there for rigging, nobody moved so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sopo.motion.skeleton import HUMANML3D
from sopo.motion.stance import leg_length, pair

_LONGEST = 2.0  # seconds that a rest pose is held
_STILL = 0.05  # metres per second, mean over joints
_TIMES, _PLUS = 3.0, 0.9  # as in stance.largest_jump: no body takes such a step
_ALIKE = 0.06  # legs by which the distances of the two sides differ
_STRAIGHT = 0.9  # cosine at knees and elbows

Joints = NDArray[np.float64]


def motion_range(joints: Joints, fps: float) -> tuple[int, int]:
    """Joints [T, 22, 3] in metres -> the first frame of the motion and the end: (0, T) without a rest pose.

    A rest pose is straight, alike on both sides, does not move, and a step that no body takes parts it from the rest.
    """
    return _held(joints, fps), len(joints) - _held(joints[::-1], fps)


def _held(joints: Joints, fps: float) -> int:
    """Frames of a rest pose at the start."""
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(axis=-1) * fps
    for step in range(min(len(speed) - 3, int(_LONGEST * fps) + 1)):
        after = speed[step + 1 : step + 4].max()
        if speed[step] > _TIMES * after + _PLUS:
            return step + 1 if _is_rest(joints[step]) else 0
        if speed[step] > _STILL:
            return 0
    return 0


def _is_rest(pose: Joints) -> bool:
    """[22, 3]: arms and legs straight, the left side like the right."""
    size = leg_length(pose[None], HUMANML3D)
    apart = np.linalg.norm(pose[:, None] - pose[None], axis=-1)
    mirror = list(HUMANML3D.mirror)
    alike = np.abs(apart - apart[mirror][:, mirror]).max() < _ALIKE * size
    limbs = (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"))
    return bool(alike) and all(_straight(pose, limb) for limb in limbs)


def _straight(pose: Joints, limb: tuple[str, str, str]) -> bool:
    first, middle, last = (pose[pair(HUMANML3D, part)] for part in limb)
    before, after = middle - first, last - middle
    lengths = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
    return bool(((before * after).sum(axis=-1) > _STRAIGHT * lengths).all())
