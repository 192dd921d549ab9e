"""How a body stands and moves, as a few numbers that hold for every person: what imports and checks judge by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sopo.motion.skeleton import Skeleton

Joints = NDArray[np.floating]
_SMEAR = 2  # steps over which resampling spreads a jump
_TIMES, _PLUS = 3.0, 0.9  # recorded kicks, dances and tantrums stay below 3.0 and 0.1, made-up hops below 3.0 and 0.75


@dataclass(frozen=True)
class Stance:
    """What ``stance`` measures of one clip. Lengths in metres, speeds in metres per second.

    trunk: median cosine between the line from pelvis to head and +Y: 1 upright, 0 lying, -1 head down.
    legs: median height of the pelvis above the ankles, in lengths of the leg: 1 standing, 0 lying, -1 upside down.
    ahead: how far knees and toes lie before hips and ankles, in lengths of the leg; below 0 they point backwards,
        which no knee does: left and right are exchanged, or the body is a mirror image.
    square: mean cosine between the lines through hips and shoulders: below 0 one of them has its sides exchanged.
    faces: cosine between where hips and shoulders face in frame 0 and +Z, where features have it.
    leg: thigh and shank of both sides, mean. lowest: 10th percentile over time of the lowest joint's height.
    moved: the way from its mean place of the joint that goes farthest.
    jump, jump_at: the fastest step that stands out from its neighbours, mean over joints, 0 if none does; its frame.
    stretch, stretched: the most by which a bone leaves its mean length, and the joint that it ends in.
    """

    trunk: float
    legs: float
    ahead: float
    square: float
    faces: float
    leg: float
    lowest: float
    moved: float
    jump: float
    jump_at: int
    stretch: float
    stretched: str


def stance(joints: Joints, skeleton: Skeleton) -> Stance:
    """Joints [T, J, 3] in units, finite, T >= 2 -> what they say about the body. Half a millisecond in float32."""
    joints = np.asarray(joints) * skeleton.metres_per_unit
    leg = leg_length(joints, skeleton)
    jump, at = largest_jump(_length(np.diff(joints, axis=0)).mean(axis=-1) * skeleton.fps)
    stretch, stretched = largest_stretch(joints, skeleton)
    return Stance(
        trunk=float(np.median(trunk_direction(joints, skeleton)[:, 1])),
        legs=float(np.median(leg_drop(joints, skeleton))) / max(leg, 1e-9),
        ahead=float(ahead(joints, skeleton).mean()) / max(leg, 1e-9),
        square=float(squareness(joints, skeleton).mean()),
        faces=faces(joints[0], skeleton),
        leg=leg,
        lowest=float(np.percentile(joints[..., 1].min(axis=-1), 10)),
        moved=float(_length(joints - joints.mean(axis=0)).max()),
        jump=jump,
        jump_at=at,
        stretch=stretch,
        stretched=stretched,
    )


def pair(skeleton: Skeleton, part: str) -> list[int]:
    """[left, right] joint of a limb's part, such as "knee"."""
    return [skeleton.joints.index(f"{side}_{part}") for side in ("left", "right")]


def trunk_direction(joints: Joints, skeleton: Skeleton) -> Joints:
    """Joints [T, J, 3] -> unit vectors from the pelvis to the head [T, 3]."""
    return _unit(joints[:, skeleton.joints.index("head")] - joints[:, 0])


def leg_direction(joints: Joints, skeleton: Skeleton) -> Joints:
    """Joints [T, J, 3] -> unit vectors from between the ankles to the pelvis [T, 3]."""
    return _unit(joints[:, 0] - joints[:, pair(skeleton, "ankle")].mean(axis=1))


def leg_drop(joints: Joints, skeleton: Skeleton) -> Joints:
    """Joints [T, J, 3] -> height of the hips above the ankles [T], mean of both sides."""
    return (joints[:, list(skeleton.hips), 1] - joints[:, pair(skeleton, "ankle"), 1]).mean(axis=-1)


def leg_length(joints: Joints, skeleton: Skeleton) -> float:
    """Joints [T, J, 3] -> thigh and shank, mean of both sides, median over time; in their own unit."""
    knee, ankle = joints[:, pair(skeleton, "knee")], joints[:, pair(skeleton, "ankle")]
    thigh = _length(knee - joints[:, list(skeleton.hips)])
    shank = _length(ankle - knee)
    return float(np.median((thigh + shank).mean(axis=-1)))


def ahead(joints: Joints, skeleton: Skeleton, toed: bool = True) -> Joints:
    """Joints [T, J, 3] -> how far knees lie before the line from hip to ankle, and toes before ankles, summed [T].

    "Before" is where the pelvis faces: across the hips (left to right) and up the trunk and the legs, so any axis may
    point up and a trunk may be bent. ``toed``: whether the feet are known; else knees tell alone.
    """
    hips, knees, ankles = (joints[:, pair(skeleton, part)] for part in ("hip", "knee", "ankle"))
    upwards = trunk_direction(joints, skeleton) + leg_direction(joints, skeleton)
    facing = _unit(_cross(hips[:, 0] - hips[:, 1], upwards))
    forward = knees - (hips + ankles) / 2
    if toed:
        forward = forward + joints[:, list(skeleton.balls)] - ankles
    return np.einsum("tsx,tx->t", forward, facing) / 2


def squareness(joints: Joints, skeleton: Skeleton) -> Joints:
    """Joints [T, J, 3] -> cosine between the lines through the hips and through the shoulders [T]."""
    hips, shoulders = (_unit(line) for line in _across(joints, skeleton))
    return np.einsum("tx,tx->t", hips, shoulders)


def faces(pose: Joints, skeleton: Skeleton) -> float:
    """Joints [J, 3] -> cosine between where hips and shoulders face, from above, and +Z; 0 if they face nowhere."""
    hips, shoulders = _across(pose, skeleton)
    x, _, z = hips + shoulders
    return float(x / max(np.hypot(x, z), 1e-9))


def largest_jump(speed: Joints) -> tuple[float, int]:
    """Speeds of steps [T - 1], m/s, mean over joints -> the fastest that is none of a body's, and its first frame.

    Such a step is faster by 0.9 m/s than three times the steps near it, those that touch it left out; a rest pose
    before the motion is one at the start. (0, 0) without one.
    """
    near = np.zeros_like(speed)
    for gap in (_SMEAR, _SMEAR + 1):
        near[gap:] = np.maximum(near[gap:], speed[:-gap])
        near[:-gap] = np.maximum(near[:-gap], speed[gap:])
    alone = np.where(speed > _TIMES * near + _PLUS, speed, 0.0)
    at = int(alone.argmax())
    return float(alone[at]), at if alone[at] else 0


def largest_stretch(joints: Joints, skeleton: Skeleton) -> tuple[float, str]:
    """Joints [T, J, 3] -> the most by which a bone leaves its mean length, and the joint that it ends in."""
    lengths = _length(joints[:, 1:] - joints[:, list(skeleton.parents[1:])])
    change = np.abs(lengths - lengths.mean(axis=0)).max(axis=0)
    bone = int(change.argmax())
    return float(change[bone]), skeleton.joints[bone + 1]


def _across(joints: Joints, skeleton: Skeleton) -> list[Joints]:
    """Joints [..., J, 3] -> the lines from right to left [..., 3] through the hips and through the shoulders."""
    return [joints[..., left, :] - joints[..., right, :] for left, right in (skeleton.hips, skeleton.shoulders)]


def _length(vectors: Joints) -> Joints:
    return np.sqrt(np.einsum("...x,...x->...", vectors, vectors))


def _unit(vectors: Joints) -> Joints:
    return vectors / np.maximum(_length(vectors), 1e-9)[..., None]


def _cross(u: Joints, v: Joints) -> Joints:
    turn, again = [1, 2, 0], [2, 0, 1]
    return u[..., turn] * v[..., again] - u[..., again] * v[..., turn]
