"""Any captured hierarchy, or our 22-joint body, -> joints of one of our skeletons in its units, at its frame rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.motion.clip import Clip
from sopo.motion.skeleton import HUMANML3D, Skeleton

# Our joint -> the clip's joints whose mean it is.
JointMapping = Mapping[str, tuple[str, ...]]

_SIDED = {
    "hip": "UpperLeg",
    "knee": "LowerLeg",
    "ankle": "Foot",
    "foot": "Toes",
    "collar": "Shoulder",
    "shoulder": "UpperArm",
    "elbow": "LowerArm",
    "wrist": "Hand",
}
BANDAI_NAMCO: JointMapping = {
    "pelvis": ("Hips",),
    "spine1": ("Hips", "Spine"),
    "spine2": ("Spine",),
    "spine3": ("Chest",),
    "neck": ("Neck",),
    "head": ("Head",),
    **{f"left_{ours}": (f"{theirs}_L",) for ours, theirs in _SIDED.items()},
    **{f"right_{ours}": (f"{theirs}_R",) for ours, theirs in _SIDED.items()},
}

# KIT's joint -> those of the 22-joint body whose mean it is; the tip of the toes is put on afterwards.
_KIT_JOINTS: JointMapping = {
    "spine1": ("spine1", "spine2"),
    "spine2": ("spine3",),
    "left_midfoot": ("left_foot",),
    "right_midfoot": ("right_foot",),
}
_TOES = 0.45  # of the foot's length to the ball


def retarget(clip: Clip, mapping: JointMapping, skeleton: Skeleton, fps: float | None = None) -> NDArray[np.float64]:
    """A clip -> joints [T, J, 3] in the skeleton's units, at ``fps`` (the skeleton's own if None).

    Bones keep the actor's lengths; ``encode_joints`` brings them to the target body. Raises UserError if a
    joint is not mapped, or is mapped to one that the clip lacks.
    """
    if unmapped := [joint for joint in skeleton.joints if joint not in mapping]:
        raise UserError(f"joint mapping for {skeleton.name} lacks {', '.join(unmapped)}")
    sources = [mapping[joint] for joint in skeleton.joints]
    if missing := sorted({name for names in sources for name in names} - set(clip.names)):
        raise UserError(f"the clip has no joints {', '.join(missing)}; its joints: {', '.join(clip.names)}")
    weights = np.zeros((skeleton.num_joints, len(clip.names)))
    for row, names in zip(weights, sources, strict=True):
        row[[clip.names.index(name) for name in names]] = 1 / len(names)
    joints = weights @ clip.positions
    return resample(joints, clip.fps, fps or skeleton.fps) / skeleton.metres_per_unit


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
