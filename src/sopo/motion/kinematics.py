"""Inverse kinematics as published (NumPy, whole clips) and forward kinematics (torch, batched).

Published rotations: a joint's rotation turns the bone that ENDS in it, from its direction at rest; the root's
is the rotation from the world into the heading. Rotations accumulate along a chain and restart at the root's.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation
from torch import Tensor

from sopo.errors import UserError
from sopo.motion.skeleton import Skeleton

HEADING_SIGMA = 20.0  # frames


def turn_y(points: NDArray, half_angle: NDArray | float) -> NDArray:
    """Points [..., 3] turned about Y by twice ``half_angle`` (which broadcasts against [...])."""
    c, s = np.cos(2 * np.asarray(half_angle)), np.sin(2 * np.asarray(half_angle))
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return np.stack((c * x + s * z, y, c * z - s * x), axis=-1)


def forward_direction(joints: NDArray, skeleton: Skeleton, swapped_hips: bool = False) -> NDArray:
    """Joints [..., J, 3] -> horizontal direction ahead [..., 3], length up to 1.

    ``swapped_hips`` gives the published inverse kinematics' reading, in which left and right hip are
    exchanged (the shoulders are not), so that the hips pull against the shoulders. Raises UserError where
    hips and shoulders do not spread sideways and so face nowhere.
    """
    left_hip, right_hip = skeleton.hips
    left_shoulder, right_shoulder = skeleton.shoulders
    hips = joints[..., right_hip, :] - joints[..., left_hip, :]
    shoulders = joints[..., right_shoulder, :] - joints[..., left_shoulder, :]
    across = shoulders - hips if swapped_hips else shoulders + hips
    length = np.linalg.norm(across, axis=-1, keepdims=True)
    if not np.all(np.linalg.norm(across[..., ::2], axis=-1) > 1e-6 * length[..., 0]):
        raise UserError("joints: hips and shoulders are not apart in some frame, so it faces nowhere")
    across = across / length
    return np.stack((across[..., 2], np.zeros_like(across[..., 0]), -across[..., 0]), axis=-1)


def half_heading(forward: NDArray) -> NDArray:
    """Directions ahead [..., 3] -> half the angle about Y that turns each to +Z, in (-pi/2, pi/2]."""
    return np.arctan2(-forward[..., 0], forward[..., 2]) / 2


def bone_directions(joints: NDArray, skeleton: Skeleton) -> NDArray:
    """Joints [T, J, 3] -> unit vectors from parent to joint [T, J - 1, 3]; UserError if one has no length."""
    bones = joints[:, 1:] - joints[:, list(skeleton.parents[1:])]
    lengths = np.linalg.norm(bones, axis=-1, keepdims=True)
    if not lengths.all():
        frame, bone = np.argwhere(lengths[..., 0] == 0)[0]
        child, parent = skeleton.joints[bone + 1], skeleton.joints[skeleton.parents[bone + 1]]
        raise UserError(f"joints: {child} coincides with {parent} in frame {frame}, so the bone has no direction")
    return bones / lengths


def rotation_between(u: NDArray, v: NDArray) -> NDArray:
    """Shortest rotations from unit vectors u to v, both [..., 3] -> matrices [..., 3, 3].

    For exactly opposite vectors the published code gives NaN, and its data sets drop the clip; here it is the
    half turn about an axis across u (a straight arm raised overhead is no reason to lose a clip).
    """
    # The quaternion (x, y, z, w) of twice the angle's half: u x v and |u| |v| + u . v.
    quaternion = np.concatenate((np.cross(u, v), 1 + (u * v).sum(axis=-1, keepdims=True)), axis=-1)
    opposite = np.linalg.norm(quaternion, axis=-1) < 1e-12
    if opposite.any():
        start = np.broadcast_to(u, v.shape)[opposite]
        # A coordinate axis turned out of u's own: never parallel to u.
        least = np.eye(3)[np.abs(start).argmin(axis=-1)]
        quaternion[opposite, :3] = np.cross(start, least)
    return Rotation.from_quat(quaternion.reshape(-1, 4)).as_matrix().reshape(*v.shape, 3)


def inverse_kinematics(joints: NDArray, skeleton: Skeleton) -> tuple[NDArray, NDArray]:
    """Joints [T, J, 3] -> half headings [T] and local rotations of joints 1.. [T, J - 1, 3, 3], as published.

    Headings: the (hip-swapped) direction ahead, smoothed over time; frame 0 is overwritten by the identity.
    """
    forward = forward_direction(joints, skeleton, swapped_hips=True)
    half = half_heading(gaussian_filter1d(forward, HEADING_SIGMA, axis=0, mode="nearest"))
    half[0] = 0.0
    rest = np.array(skeleton.raw_offsets, dtype=joints.dtype)
    # The rotation accumulated along a chain is the bone's own rotation from rest, so no chain is walked.
    world = np.empty((*joints.shape, 3), dtype=joints.dtype)
    world[:, 0] = Rotation.from_rotvec(np.outer(2 * half, (0.0, 1.0, 0.0))).as_matrix()
    world[:, 1:] = rotation_between(rest[1:], bone_directions(joints, skeleton))
    before = world[:, list(skeleton.rotation_parents[1:])]
    return half, np.swapaxes(before, -1, -2) @ world[:, 1:]


def forward_kinematics(rotations: Tensor, root: Tensor, skeleton: Skeleton) -> Tensor:
    """Local rotations [..., J, 3, 3] as published and roots [..., 3] -> joints [..., J, 3], in units."""
    offsets = torch.tensor(skeleton.target_offsets, dtype=rotations.dtype, device=rotations.device)
    world = [rotations[..., 0, :, :]]
    joints = [root]
    for joint in range(1, skeleton.num_joints):
        world.append(world[skeleton.rotation_parents[joint]] @ rotations[..., joint, :, :])
        joints.append(joints[skeleton.parents[joint]] + world[joint] @ offsets[joint])
    return torch.stack(joints, dim=-2)
