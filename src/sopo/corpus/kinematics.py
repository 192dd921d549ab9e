"""From controls to joints: the spine and arms by forward kinematics, the legs by two-bone inverse kinematics.

All functions work on whole clips at once. Axes: Y up, +Z ahead, +X to the body's left. Angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sopo.motion.skeleton import HUMANML3D

# Directions of the bones of a standing person with hanging arms, one per joint (the target body's own raw
# offsets lie along the axes, which would put hips, collar bones and shoulders in one line).
_REST = np.array(
    [
        (0, 0, 0), (0.58, -0.81, -0.1), (-0.58, -0.81, -0.1), (0, 0.98, -0.2),
        (0, -1, 0), (0, -1, 0), (0, 1, 0), (0, -1, 0), (0, -1, 0), (0, 0.95, 0.3),
        (0, -0.4, 0.92), (0, -0.4, 0.92), (0, 0.99, -0.1), (0.53, 0.84, -0.1), (-0.53, 0.84, -0.1),
        (0, 0.8, 0.6), (0.92, 0.34, -0.1), (-0.92, 0.34, -0.1),
        (0, -1, 0), (0, -1, 0), (0, -1, 0), (0, -1, 0),
    ]
)  # fmt: skip
_LENGTH = np.linalg.norm(np.array(HUMANML3D.target_offsets), axis=1)
_DIRECTION = _REST / np.maximum(np.linalg.norm(_REST, axis=1, keepdims=True), 1e-9)
SIDES = ("left", "right")
_HIP, _KNEE, _ANKLE, _TOE = (1, 2), (4, 5), (7, 8), (10, 11)
_COLLAR, _SHOULDER, _ELBOW, _WRIST = (13, 14), (16, 17), (18, 19), (20, 21)
_SOLE = float(-_DIRECTION[10, 1] * _LENGTH[10:12].mean())  # height of the ankle over the toe's joint


@dataclass(frozen=True)
class Body:
    """One person: lengths [22] in metres, rest offsets [22, 3]; the bones of the target body scaled by parts."""

    offsets: NDArray

    @classmethod
    def scaled(cls, size: float = 1.0, torso: float = 1.0, arms: float = 1.0) -> Body:
        """A body ``size`` times the target's, its torso and arms further scaled."""
        part = np.full(22, size)
        part[[3, 6, 9, 12, 15]] *= torso
        part[[18, 19, 20, 21]] *= arms
        return cls(_DIRECTION * (_LENGTH * part)[:, None])

    @property
    def leg(self) -> float:
        """Length of the shorter leg from hip to ankle."""
        bones = np.linalg.norm(self.offsets, axis=1)
        return float(min(bones[4] + bones[7], bones[5] + bones[8]))

    @property
    def standing(self) -> float:
        """Height of the pelvis over the floor with all but straight legs."""
        return 0.985 * self.leg + self.sole - float(self.offsets[1, 1])

    @property
    def sole(self) -> float:
        return _SOLE * float(np.linalg.norm(self.offsets[4])) / float(_LENGTH[4])


@dataclass
class Pose:
    """Controls of a clip of T frames, in world coordinates.

    root: [T, 3] pelvis. yaw, pitch, roll: [T] of the pelvis. bend, twist: [T] of the spine on top of it.
    arms: [T, 2, 4] flexion, abduction, outward turn of the upper arm, and elbow bend, left then right.
    toes: [T, 2, 3]. foot_yaw, heel: [T, 2] heading of the foot and how far the heel is raised about the toe.
    """

    root: NDArray
    yaw: NDArray
    pitch: NDArray
    roll: NDArray
    bend: NDArray
    twist: NDArray
    arms: NDArray
    toes: NDArray
    foot_yaw: NDArray
    heel: NDArray


def turn(axis: int, angle: NDArray | float) -> NDArray:
    """Rotation matrices [..., 3, 3] about axis 0 (x), 1 (y) or 2 (z)."""
    angle = np.asarray(angle, dtype=float)
    cos, sin = np.cos(angle), np.sin(angle)
    out = np.zeros((*angle.shape, 3, 3))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    out[..., axis, axis] = 1
    out[..., a, a] = out[..., b, b] = cos
    out[..., a, b], out[..., b, a] = -sin, sin
    return out


def ankles_of(pose: Pose, body: Body) -> NDArray:
    """Ankles [T, 2, 3] of feet that stand on their toes with heels raised as the pose says."""
    foot = turn(1, pose.foot_yaw) @ turn(0, pose.heel)  # [T, 2, 3, 3]
    return pose.toes - np.einsum("tsij,sj->tsi", foot, body.offsets[list(_TOE)])


def solve(pose: Pose, body: Body) -> NDArray:
    """Joints [T, 22, 3] in metres; bones keep their length exactly, feet reach their targets where legs can."""
    frames = len(pose.root)
    joints = np.zeros((frames, 22, 3))
    joints[:, 0] = pose.root
    pelvis = turn(1, pose.yaw) @ turn(0, pose.pitch) @ turn(2, pose.roll)
    vertebra = turn(1, pose.twist / 3) @ turn(0, pose.bend / 3)
    rotation = pelvis
    for joint, parent in ((3, 0), (6, 3), (9, 6)):
        rotation = rotation @ vertebra
        joints[:, joint] = joints[:, parent] + rotation @ body.offsets[joint]
    level = rotation @ turn(0, -0.5 * (pose.pitch + pose.bend))  # the head looks up again when the back bends
    joints[:, 12] = joints[:, 9] + rotation @ body.offsets[12]
    joints[:, 15] = joints[:, 12] + level @ body.offsets[15]
    for side, sign in enumerate((1.0, -1.0)):
        _arm(joints, rotation, pose.arms[:, side], side, sign, body)
    ankles = ankles_of(pose, body)
    for side in range(2):
        _leg(joints, pelvis, ankles[:, side], pose, side, body)
    return joints


def _arm(joints: NDArray, chest: NDArray, angles: NDArray, side: int, sign: float, body: Body) -> None:
    collar, shoulder, elbow, wrist = _COLLAR[side], _SHOULDER[side], _ELBOW[side], _WRIST[side]
    flexion, abduction, outward, bend = angles.T
    joints[:, collar] = joints[:, 9] + chest @ body.offsets[collar]
    joints[:, shoulder] = joints[:, collar] + chest @ body.offsets[shoulder]
    upper = chest @ turn(2, sign * abduction) @ turn(0, -flexion) @ turn(1, sign * outward)
    joints[:, elbow] = joints[:, shoulder] + upper @ body.offsets[elbow]
    joints[:, wrist] = joints[:, elbow] + upper @ turn(0, -bend) @ body.offsets[wrist]


def _leg(joints: NDArray, pelvis: NDArray, ankle: NDArray, pose: Pose, side: int, body: Body) -> None:
    """Analytic two-bone leg: the knee bends ahead, between the pelvis' and the foot's heading."""
    hip, knee, foot, toe = _HIP[side], _KNEE[side], _ANKLE[side], _TOE[side]
    thigh, shank = np.linalg.norm(body.offsets[[knee, foot]], axis=1)
    joints[:, hip] = joints[:, 0] + pelvis @ body.offsets[hip]
    line = ankle - joints[:, hip]
    distance = np.linalg.norm(line, axis=1)
    reach = np.clip(distance, 1.05 * abs(thigh - shank) + 0.1 * thigh, 0.999 * (thigh + shank))
    line /= distance[:, None]
    joints[:, foot] = joints[:, hip] + line * reach[:, None]
    ahead = turn(1, pose.foot_yaw[:, side])[..., 2] + turn(1, pose.yaw)[..., 2] + 0.3 * pelvis[..., 2]
    pole = ahead - line * (ahead * line).sum(1, keepdims=True)
    pole /= np.maximum(np.linalg.norm(pole, axis=1, keepdims=True), 1e-6)
    along = (reach**2 + thigh**2 - shank**2) / (2 * reach)
    aside = np.sqrt(np.maximum(thigh**2 - along**2, 0))
    joints[:, knee] = joints[:, hip] + line * along[:, None] + pole * aside[:, None]
    direction = pose.toes[:, side] - joints[:, foot]
    length = np.linalg.norm(body.offsets[toe])
    joints[:, toe] = joints[:, foot] + direction * (length / np.linalg.norm(direction, axis=1))[:, None]
