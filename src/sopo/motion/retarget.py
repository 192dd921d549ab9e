"""Any captured hierarchy, or our 22-joint body, -> joints of one of our skeletons, at its frame rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.motion.clip import Clip
from sopo.motion.skeleton import HUMANML3D, Skeleton
from sopo.motion.stance import leg_length, pair, trunk_direction

# Our joint -> the clip's joints whose weighted mean it is; a foot without any is put on the sole.
JointMapping = Mapping[str, Mapping[str, float]]
Joints = NDArray[np.float64]

# KIT's joint -> those of the 22-joint body whose mean it is; the tip of the toes is put on afterwards.
_KIT_JOINTS: Mapping[str, tuple[str, ...]] = {
    "spine1": ("spine1", "spine2"),
    "spine2": ("spine3",),
    "left_midfoot": ("left_foot",),
    "right_midfoot": ("right_foot",),
}
_TOES = 0.45  # of the foot's length to the ball
_AHEAD, _DOWN = 0.15, 0.08  # legs from the ankle to the ball of the foot, as in HumanML3D's body


def on_body(clip: Clip, mapping: JointMapping) -> Joints:
    """A clip -> the 22 joints [T, 22, 3], in the clip's axes and unit.

    A foot mapped to no joint lies at right angles to the shin, ahead. Raises UserError if a joint is not mapped,
    or is mapped to one that the clip lacks.
    """
    if unmapped := [joint for joint in HUMANML3D.joints if joint not in mapping]:
        raise UserError(f"joint mapping lacks {', '.join(unmapped)}")
    if missing := sorted({name for theirs in mapping.values() for name in theirs} - set(clip.names)):
        raise UserError(f"the clip has no joints {', '.join(missing)}; its joints: {', '.join(clip.names)}")
    at = {name: index for index, name in enumerate(clip.names)}
    weights = np.zeros((HUMANML3D.num_joints, len(clip.names)))
    for row, joint in zip(weights, HUMANML3D.joints, strict=True):
        for name, share in mapping[joint].items():
            row[at[name]] = share
    joints = weights @ clip.positions
    for foot, ankle, knee in zip(*(pair(HUMANML3D, part) for part in ("foot", "ankle", "knee")), strict=True):
        if not mapping[HUMANML3D.joints[foot]]:
            joints[:, foot] = joints[:, ankle] + _sole(joints, joints[:, ankle] - joints[:, knee])
    return joints


def _sole(joints: Joints, shin: Joints) -> Joints:
    """From ankle to ball [T, 3], with a shin of direction ``shin`` and where the pelvis faces ahead."""
    left, right = HUMANML3D.hips
    shin = shin / np.maximum(np.linalg.norm(shin, axis=-1, keepdims=True), 1e-12)
    facing = np.cross(joints[:, left] - joints[:, right], trunk_direction(joints, HUMANML3D))
    ahead = facing - (facing * shin).sum(axis=-1, keepdims=True) * shin
    ahead /= np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-12)
    return leg_length(joints, HUMANML3D) * (_AHEAD * ahead + _DOWN * shin)


def resample(values: NDArray, fps: float, new_fps: float) -> NDArray:
    """Values [T, ...] at ``fps`` -> linearly interpolated at ``new_fps``, from the first frame on."""
    last = len(values) - 1
    # Frame times are written with few digits: a frame a thousandth past the end still counts.
    count = int(np.floor(last * new_fps / fps + 1e-3)) + 1
    at = np.minimum(np.arange(count) * (fps / new_fps), last)
    before = np.minimum(at.astype(int), max(last - 1, 0))
    after = np.minimum(before + 1, last)
    share = (at - before).reshape(-1, *(1,) * (values.ndim - 1))
    return values[before] * (1 - share) + values[after] * share


def on_skeleton(joints: NDArray, skeleton: Skeleton) -> NDArray[np.float64]:
    """Joints [T, 22, 3] in metres -> the same pose in the joints and units of ``skeleton``, [T, J, 3].

    KIT's foot goes on from the ball, where the 22-joint body ends, to the tip of the toes: straight on, but
    never below the lowest joint of the clip, so that toes lie flat under a raised heel.
    """
    if skeleton.name == HUMANML3D.name:
        return joints
    names = [_KIT_JOINTS.get(joint, (joint,)) for joint in skeleton.joints]
    body = np.stack([joints[:, [HUMANML3D.joints.index(name) for name in group]].mean(axis=1) for group in names], 1)
    floor = joints[..., 1].min()
    for side in ("left", "right"):
        ankle, ball, tip = (skeleton.joints.index(f"{side}_{part}") for part in ("ankle", "midfoot", "foot"))
        body[:, tip] = body[:, ball] + _TOES * (body[:, ball] - body[:, ankle])
        body[:, tip, 1] = np.maximum(body[:, tip, 1], floor)
    return body / skeleton.metres_per_unit
