"""Joint positions -> motion features, numerically equal to the published HumanML3D pipeline.

Its oddities are kept, since published weights were trained on them: the heading inside the inverse
kinematics exchanges the hips, and the first frame's heading is overwritten by the identity. Two are not, for they
only destroy clips: NaN for a bone that points exactly against its rest direction, and a cross product along time for
clips of 3 frames. A third is kept on demand (``published``), for it bends clips that turn past half a turn: half the
heading jumps by half a turn at -Z (a rotation is two quaternions, q and -q), so its step is read as going back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.motion.features import feature_slices
from sopo.motion.kinematics import (
    bone_directions,
    forward_direction,
    half_heading,
    inverse_kinematics,
    turn_y,
)
from sopo.motion.skeleton import Skeleton


def encode_joints(
    joints: NDArray, skeleton: Skeleton, retarget: bool = True, published: bool = False
) -> NDArray[np.float32]:
    """Joints [T, J, 3] in units, Y up -> features [T - 1, 12 J - 1], not normalised.

    ``retarget`` brings the bones to the skeleton's target lengths, as all published clips are; without it the
    body keeps its own. Either way the clip is put on the floor, to the origin, and to face +Z at the start.
    ``published`` flips the turn where the heading crosses -Z, as the features of the published data sets do.
    Raises UserError on wrong shapes, numbers that are not finite, and bones without length.
    """
    joints = _checked(joints, skeleton)
    if retarget:
        joints = uniform_skeleton(joints, skeleton)
    return features_of_placed(place(joints, skeleton), skeleton, published)


def uniform_skeleton(joints: NDArray, skeleton: Skeleton) -> NDArray:
    """Joints [T, J, 3] -> the same bone directions on the target body; the root's path scales with the leg.

    The published inverse and forward kinematics come to this, to 2e-6 m.
    """
    offsets = np.array(skeleton.target_offsets)
    leg = list(skeleton.leg)
    lengths = np.linalg.norm(offsets, axis=-1)
    parents = np.array(skeleton.parents)
    source_leg = np.linalg.norm(joints[0, leg] - joints[0, parents[leg]], axis=-1).sum()
    bones = bone_directions(joints, skeleton) * lengths[1:, None]
    uniform = np.empty_like(joints)
    uniform[:, 0] = joints[:, 0] * (lengths[leg].sum() / source_leg)
    for joint in range(1, skeleton.num_joints):
        uniform[:, joint] = uniform[:, parents[joint]] + bones[:, joint - 1]
    return uniform


def place(joints: NDArray, skeleton: Skeleton) -> NDArray:
    """Joints [T, J, 3] -> the lowest joint of the clip at y = 0, frame 0 at the origin and facing +Z."""
    origin = joints[0, 0].copy()
    origin[1] = joints[..., 1].min()
    return turn_y(joints - origin, half_heading(forward_direction(joints[0], skeleton)))


def features_of_placed(joints: NDArray, skeleton: Skeleton, published: bool = False) -> NDArray[np.float32]:
    """Joints [T, J, 3] that ``place`` has put in position -> features [T - 1, 12 J - 1]; see ``encode_joints``."""
    half, rotations = inverse_kinematics(joints, skeleton)
    now, later = half[:-1], half[1:]
    step = joints[1:] - joints[:-1]
    ground = joints[:-1, :1] * (1.0, 0.0, 1.0)
    feet = step[:, list(skeleton.feet)]

    columns = feature_slices(skeleton)
    features = np.empty((len(step), skeleton.num_features), dtype=np.float32)
    turn = np.arcsin(np.sin(later - now))
    jumps = (np.cos(later - now) < 0) & (not published)
    features[:, columns.root_turn] = np.where(jumps, -turn, turn)[:, None]
    features[:, columns.root_velocity] = turn_y(step[:, 0], later)[:, [0, 2]]
    features[:, columns.root_height] = joints[:-1, 0, 1:2]
    features[:, columns.positions] = _rows(turn_y(joints[:-1, 1:] - ground, now[:, None]))
    features[:, columns.rotations] = _rows(np.swapaxes(rotations[:-1, ..., :2], -1, -2))
    features[:, columns.velocities] = _rows(turn_y(step, now[:, None]))
    features[:, columns.contacts] = (feet**2).sum(axis=-1) < skeleton.contact_threshold
    return features


def _rows(values: NDArray) -> NDArray:
    return values.reshape(len(values), -1)


def _checked(joints: NDArray, skeleton: Skeleton) -> NDArray:
    expected = f"expected [T >= 2, {skeleton.num_joints}, 3] for {skeleton.name}"
    if joints.ndim != 3 or joints.shape[1:] != (skeleton.num_joints, 3) or len(joints) < 2:
        raise UserError(f"joints of shape {list(joints.shape)}; {expected}")
    if not np.isfinite(joints).all():
        frame = int(np.argwhere(~np.isfinite(joints))[0][0])
        raise UserError(f"joints: NaN or infinity, first in frame {frame}; drop or repair the clip")
    return joints.astype(np.float64)
