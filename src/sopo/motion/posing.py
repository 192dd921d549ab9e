"""Joints -> rotations that bring a body from a rest pose to where the joints are, with the least twist.

Joints alone do not say how a limb turns about itself: each bone is swung from its parent's frame by the
shortest way. Where several bones leave a joint, its rotation is the one that fits them best.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sopo.errors import UserError
from sopo.motion.kinematics import bone_directions, rotation_between
from sopo.motion.skeleton import Skeleton, Vector

# The bone that ends in each joint, left side: SMPL's mean body at rest, its two sides averaged. KIT's midfoot
# is where SMPL's foot is.
_T_POSE: dict[str, Vector] = {
    "pelvis": (0, 0, 0),
    "spine1": (0, 0.971, -0.238),
    "spine2": (0, 1.0, 0.008),
    "spine3": (0, 0.901, 0.433),
    "neck": (0, 0.980, -0.197),
    "head": (0, 0.785, 0.620),
    "hip": (0.601, -0.797, -0.049),
    "knee": (0.095, -0.995, -0.018),
    "ankle": (-0.037, -0.994, -0.107),
    "midfoot": (0.193, -0.387, 0.902),
    "foot": (0.193, -0.387, 0.902),
    "collar": (0.539, 0.807, -0.244),
    "shoulder": (0.943, 0.319, -0.091),
    "elbow": (0.994, -0.051, -0.095),
    "wrist": (0.999, 0.033, -0.013),
}


@cache
def t_pose(skeleton: Skeleton) -> NDArray[np.float64]:
    """[J, 3] unit direction of the bone that ends in each joint, in a T-pose: Y up, +Z ahead; zero at the root."""
    rest = np.array([_T_POSE[name.removeprefix("left_").removeprefix("right_")] for name in skeleton.joints])
    rest[[name.startswith("right_") for name in skeleton.joints], 0] *= -1
    return rest / np.linalg.norm(rest, axis=1, keepdims=True).clip(1e-9)


def local_motion(joints: NDArray, rest: NDArray, skeleton: Skeleton) -> tuple[list[Rotation], NDArray[np.float64]]:
    """Joints [T, J, 3], directions at rest [J, 3] -> rotations [T] of each joint, positions [T, J, 3].

    Both are seen from the frame of the joint's parent, so that composing them gives the joints back exactly,
    whatever the lengths of the bones. A joint without children does not turn. Raises UserError on a wrong
    shape, on values that are not finite and on bones without length.
    """
    if joints.shape != (len(joints) or 1, skeleton.num_joints, 3) or not np.isfinite(joints).all():
        expected = f"expected finite [T, {skeleton.num_joints}, 3] for {skeleton.name}"
        raise UserError(f"cannot write joints of shape {list(joints.shape)}; {expected}")
    joints = joints.astype(np.float64)
    world = _world_rotations(joints, rest, skeleton)
    rotations, positions = [], []
    for joint, parent in enumerate(skeleton.parents):
        into = Rotation.identity(len(joints)) if parent < 0 else world[parent].inv()
        rotations.append(into * world[joint])
        positions.append(into.apply(joints[:, joint] - (joints[:, parent] if parent >= 0 else 0.0)))
    return rotations, np.stack(positions, axis=1)


def _world_rotations(joints: NDArray, rest: NDArray, skeleton: Skeleton) -> list[Rotation]:
    bones = bone_directions(joints, skeleton)
    world: list[Rotation] = []
    for joint, parent in enumerate(skeleton.parents):
        before = Rotation.identity(len(joints)) if parent < 0 else world[parent]
        children = children_of(skeleton, joint)
        if len(children) > 1:
            spread = np.einsum("tci,cj->tij", bones[:, [child - 1 for child in children]], rest[children])
            before = Rotation.from_matrix(_nearest_rotation(spread))
        elif children:
            aim = before.inv().apply(bones[:, children[0] - 1])
            before = before * Rotation.from_matrix(rotation_between(rest[children[0]], aim))
        world.append(before)
    return world


def children_of(skeleton: Skeleton, joint: int) -> list[int]:
    """The joints whose parent is ``joint``."""
    return [child for child, parent in enumerate(skeleton.parents) if parent == joint]


def _nearest_rotation(matrix: NDArray) -> NDArray:
    """[..., 3, 3] -> the rotations nearest to them (Frobenius), by the singular value decomposition."""
    left, _, right = np.linalg.svd(matrix)
    left[..., -1] *= np.sign(np.linalg.det(left @ right))[..., None]
    return left @ right
