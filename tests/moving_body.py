"""Bodies that move, without any data."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from sopo.motion.kinematics import forward_kinematics
from sopo.motion.skeleton import HUMANML3D, Skeleton

MakeJoints = Callable[..., NDArray[np.float64]]


def make_joints(skeleton: Skeleton, frames: int = 24, seed: int = 0) -> NDArray[np.float64]:
    """Joints [T, J, 3] of a body with its own bone lengths that sways, wanders and turns by a radian."""
    rng = np.random.default_rng(seed)
    angles = gaussian_filter1d(rng.normal(size=(frames, skeleton.num_joints, 3)), 4.0, axis=0)
    angles[:, 0] = np.linspace(0.0, 1.0, frames)[:, None] * (0.0, 1.0, 0.0)
    local = Rotation.from_rotvec(angles.reshape(-1, 3)).as_matrix().reshape(frames, -1, 3, 3)
    height = 0.95 / skeleton.metres_per_unit
    root = np.cumsum(rng.normal(scale=0.02 * height, size=(frames, 3)), axis=0) * (1, 0.1, 1) + (0, height, 0)
    body = skeleton.with_target(_rest_pose(skeleton) * rng.uniform(0.8, 1.2))
    return forward_kinematics(torch.from_numpy(local), torch.from_numpy(root), body).numpy()


def _rest_pose(skeleton: Skeleton) -> NDArray[np.float64]:
    identity = torch.eye(3, dtype=torch.float64).expand(skeleton.num_joints, 3, 3)
    return forward_kinematics(identity, torch.zeros(3, dtype=torch.float64), skeleton).numpy()


def walking(frames: int = 80, speed: float = 1.0) -> NDArray[np.float64]:
    """Joints [T, 22, 3] in metres, Y up, at 20 fps: somebody walks ahead to +Z and holds the left hand out."""
    joints = np.repeat(_rest_pose(HUMANML3D)[None], frames, axis=0)
    time = np.arange(frames) / 20
    for side, phase in (("left", 0.0), ("right", np.pi)):
        hip, knee, ankle, foot = (HUMANML3D.joints.index(f"{side}_{part}") for part in ("hip", "knee", "ankle", "foot"))
        swing = 0.4 * np.sin(5 * time + phase)
        bend = 0.3 + 0.3 * np.cos(5 * time + phase)
        joints[:, knee] = joints[:, hip] + 0.39 * _down(swing + bend / 2)
        joints[:, ankle] = joints[:, knee] + 0.43 * _down(swing - bend / 2)
        joints[:, foot] = joints[:, ankle] + (0, -0.05, 0.13)
    elbow, wrist = (HUMANML3D.joints.index(f"left_{part}") for part in ("elbow", "wrist"))
    joints[:, wrist] = joints[:, elbow] + (0.25, 0.05, 0.02)
    joints[..., 1] -= joints[..., 1].min(axis=1, keepdims=True)
    return joints + time[:, None, None] * (0, 0, speed)


def _down(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T] -> directions [T, 3], straight down at 0, ahead above it."""
    return np.stack((np.zeros_like(angle), -np.cos(angle), np.sin(angle)), axis=-1)


def t_pose() -> NDArray[np.float64]:
    """[22, 3] legs straight down, arms straight to the sides."""
    joints = np.array(HUMANML3D.target_offsets)
    for joint, parent in enumerate(HUMANML3D.parents):
        joints[joint] += joints[parent] if parent >= 0 else 0.0
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for part, reach in (("collar", 0.08), ("shoulder", 0.18), ("elbow", 0.45), ("wrist", 0.7)):
            joints[HUMANML3D.joints.index(f"{side}_{part}")] = (sign * reach, 0.45, 0.0)
        for part, height in (("hip", 0.0), ("knee", -0.4), ("ankle", -0.8)):
            joints[HUMANML3D.joints.index(f"{side}_{part}")] = (sign * 0.1, height, 0.0)
        joints[HUMANML3D.joints.index(f"{side}_foot")] = (sign * 0.1, -0.86, 0.13)
    return joints
