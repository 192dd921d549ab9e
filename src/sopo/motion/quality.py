"""Physical plausibility of joint motion: batched, padding masked; for rewards and for evaluation.

All take joints [N, T, J, 3] in the skeleton's units, floor at y = 0, and length [N] in frames, and give [N].
Clips too short to show a fault score 0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sopo.batch import length_mask
from sopo.errors import UserError
from sopo.motion.skeleton import Skeleton

FLOOR_HEIGHT = 0.05  # metres: a foot below it stands
SLIDING_SPEED = 0.5  # metres per second, over the floor
_SPEED_WINDOW = 0.25  # seconds, for the mean speed


def foot_skating(joints: Tensor, length: Tensor, skeleton: Skeleton) -> Tensor:
    """Share, 0 to 1, of the frame steps in which a standing foot slides.

    The skating ratio of GMD (Karunratanakul et al. 2023): the ball of a foot below 5 cm before and after the step,
    faster than 0.5 m/s in it and on the mean of the quarter of a second around it (5 steps at 20 fps).
    """
    _check(joints, length, skeleton)
    balls = joints[:, :, list(skeleton.balls)] * skeleton.metres_per_unit
    valid = _steps(length, joints.shape[1], 1)[:, :, None]
    speed = (balls[:, 1:, :, [0, 2]] - balls[:, :-1, :, [0, 2]]).norm(dim=-1) * skeleton.fps
    speed = torch.where(valid, speed, 0.0)  # not a product: padding may hold anything, NaN included
    side = int(_SPEED_WINDOW * skeleton.fps / 2)  # steps on either side
    smooth = F.avg_pool1d(speed.transpose(1, 2), 2 * side + 1, 1, padding=side).transpose(1, 2)
    low = balls[..., 1] < FLOOR_HEIGHT
    slides = low[:, 1:] & low[:, :-1] & (speed > SLIDING_SPEED) & (smooth > SLIDING_SPEED)
    return _masked_mean((slides & valid).any(dim=-1).to(joints.dtype), valid[..., 0])


def jitter(joints: Tensor, length: Tensor, skeleton: Skeleton) -> Tensor:
    """Mean over frames and joints of the jerk's magnitude, in m/s^3."""
    _check(joints, length, skeleton)
    jerk = torch.diff(joints, n=3, dim=1).norm(dim=-1).mean(dim=-1) * skeleton.metres_per_unit * skeleton.fps**3
    return _masked_mean(jerk, _steps(length, joints.shape[1], 3))


def limb_speed(joints: Tensor, length: Tensor, skeleton: Skeleton) -> Tensor:
    """Mean speed of the joints relative to the root, in m/s: how much a body moves, wherever it goes."""
    _check(joints, length, skeleton)
    limbs = (joints - joints[:, :, :1]) * skeleton.metres_per_unit
    speed = torch.diff(limbs, dim=1).norm(dim=-1).mean(dim=-1) * skeleton.fps
    return _masked_mean(speed, _steps(length, joints.shape[1], 1))


def floor_penetration(joints: Tensor, length: Tensor, skeleton: Skeleton) -> Tensor:
    """Mean over frames of the depth of the lowest joint below the floor, in metres."""
    _check(joints, length, skeleton)
    depth = (-joints[..., 1].amin(dim=-1)).clamp_min(0.0) * skeleton.metres_per_unit
    return _masked_mean(depth, _steps(length, joints.shape[1], 0))


def _steps(length: Tensor, frames: int, order: int) -> Tensor:
    """[N, max(T - order, 0)] True where a difference of that order lies inside the clip."""
    return length_mask(length - order, max(frames - order, 0))


def _masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, values, 0.0).sum(dim=1) / valid.sum(dim=1).clamp_min(1)


def _check(joints: Tensor, length: Tensor, skeleton: Skeleton) -> None:
    if joints.ndim != 4 or joints.shape[2:] != (skeleton.num_joints, 3) or length.shape != joints.shape[:1]:
        shapes = f"joints {list(joints.shape)}, length {list(length.shape)}"
        raise UserError(f"{shapes}; expected [N, T, {skeleton.num_joints}, 3] for {skeleton.name} and [N]")
