"""Bodies that move, without any data."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from sopo.motion.kinematics import forward_kinematics
from sopo.motion.skeleton import Skeleton

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
