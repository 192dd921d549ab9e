"""A body as a stick figure: how joints land on paper, and one pose."""

from __future__ import annotations

from functools import cache

import numpy as np

from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, Skeleton
from sopo.viewer.canvas import FLOOR, Canvas

COLOURS = {"left": "#2c7bd4", "right": "#e46f33", "middle": "#8f897d"}
YAW, PITCH = 0.75, 0.2  # radians: from the side that the motion faces, a little from above
BONE_M, GAP_M, SKULL_M = 0.05, 0.02, 0.1  # width of a bone, of the white around it, radius of the head


def in_metres(joints: np.ndarray, skeleton: Skeleton = HUMANML3D) -> np.ndarray:
    """Joints [T, J, 3] in the skeleton's units -> metres; UserError if the shape or a value is off."""
    joints = np.asarray(joints, dtype=np.float64) * skeleton.metres_per_unit
    if joints.ndim != 3 or joints.shape[1:] != (skeleton.num_joints, 3) or len(joints) == 0:
        raise UserError(f"cannot draw joints of shape {joints.shape}; expected [T, {skeleton.num_joints}, 3]")
    if not np.isfinite(joints).all():
        raise UserError("cannot draw a motion with joints that are not finite")
    return joints


def project(points: np.ndarray) -> np.ndarray:
    """Points [..., 3] in metres, Y up -> [..., 3]: right and up on the paper, nearness (no perspective)."""
    x, y, z = np.moveaxis(points, -1, 0)
    right = x * np.cos(YAW) - z * np.sin(YAW)
    near = x * np.sin(YAW) + z * np.cos(YAW)
    up = y * np.cos(PITCH) - near * np.sin(PITCH)
    return np.stack((right, up, near * np.cos(PITCH) + y * np.sin(PITCH)), axis=-1)


def draw_pose(canvas: Canvas, pose: np.ndarray, skeleton: Skeleton, shift: np.ndarray) -> None:
    """Draw one pose [J, 3] in metres with its shadow, moved by ``shift`` [2] on the paper; what is near covers."""
    shadow = project(shadow_of(pose))[:, :2] + shift
    seen = project(pose)
    paper = seen[:, :2] + shift
    limbs = _limbs(skeleton)
    for joints, _ in limbs:
        canvas.line(shadow[joints], BONE_M, FLOOR)
    for joints, colour in sorted(limbs, key=lambda limb: seen[limb[0], 2].mean()):
        canvas.line(paper[joints[1:]], BONE_M + GAP_M, "white")  # not where the limb leaves the trunk
        canvas.line(paper[joints], BONE_M, colour)
    neck, head = paper[_head(skeleton)]
    centre = head + 0.6 * (head - neck)
    canvas.disc(centre, SKULL_M + GAP_M / 2, "white")
    canvas.disc(centre, SKULL_M, COLOURS["middle"])


def shadow_of(points: np.ndarray) -> np.ndarray:
    """Points [..., 3] as a lamp high on the side casts them onto the floor."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack((x + 0.3 * y, np.zeros_like(y), z + 0.2 * y), axis=-1)


def under_root(pose: np.ndarray) -> np.ndarray:
    """[2] the shift that brings the floor under a pose's root to the origin of the paper."""
    return -project(pose[0] * (1, 0, 1))[:2]


@cache
def _limbs(skeleton: Skeleton) -> list[tuple[list[int], str]]:
    """The kinematic chains, each with the colour of its side."""
    return [(list(chain), COLOURS[skeleton.sides[chain[-1]]]) for chain in skeleton.chains]


def _head(skeleton: Skeleton) -> list[int]:
    """[neck, head]: the bone that carries the skull."""
    head = skeleton.joints.index("head")
    return [skeleton.parents[head], head]
