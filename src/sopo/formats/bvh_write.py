"""Write a motion of one of our skeletons as BVH."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sopo.errors import UserError
from sopo.motion.kinematics import bone_directions, rotation_between
from sopo.motion.skeleton import Skeleton

CENTIMETRE = 0.01
_CHANNELS = ("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")


def write_bvh(path: str | Path, joints: NDArray, skeleton: Skeleton) -> None:
    """Write joints [T, J, 3], in the skeleton's units, as BVH in centimetres.

    Every joint has position channels beside its rotation: where several bones leave a joint no rotation fits
    them all, and so positions come back exactly. Raises UserError on a wrong shape or values not finite.
    """
    if joints.ndim != 3 or joints.shape[1:] != (skeleton.num_joints, 3) or not np.isfinite(joints).all():
        expected = f"expected finite [T, {skeleton.num_joints}, 3] for {skeleton.name}"
        raise UserError(f"{path}: cannot write joints of shape {list(joints.shape)}; {expected}")
    scale = skeleton.metres_per_unit / CENTIMETRE
    joints = joints.astype(np.float64) * scale
    world = _world_rotations(joints, skeleton)
    table = []
    for joint in _depth_first(skeleton, 0):
        parent = skeleton.parents[joint]
        before = Rotation.identity(len(joints)) if parent < 0 else world[parent]
        local = before.inv().apply(joints[:, joint] - (joints[:, parent] if parent >= 0 else 0.0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gimbal lock leaves the rotation right, its angles arbitrary
            angles = (before.inv() * world[joint]).as_euler("ZXY", degrees=True)
        table += [local, np.unwrap(angles, axis=0, period=360.0)]  # editors interpolate angles
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.write("HIERARCHY\n" + _hierarchy(skeleton, 0, scale))
        file.write(f"MOTION\nFrames: {len(joints)}\nFrame Time: {1 / skeleton.fps:.7f}\n")
        np.savetxt(file, np.concatenate(table, axis=1), fmt="%.6f")


def _world_rotations(joints: NDArray, skeleton: Skeleton) -> list[Rotation]:
    """[J] rotations over time that turn the bones leaving each joint from rest with the least twist."""
    rest = np.array(skeleton.raw_offsets, dtype=np.float64)
    bones = bone_directions(joints, skeleton)
    world: list[Rotation] = []
    for joint, parent in enumerate(skeleton.parents):
        before = Rotation.identity(len(joints)) if parent < 0 else world[parent]
        children = _children(skeleton, joint)
        if len(children) > 1:
            spread = np.einsum("tci,cj->tij", bones[:, [child - 1 for child in children]], rest[children])
            before = Rotation.from_matrix(_nearest_rotation(spread))
        elif children:
            aim = before.inv().apply(bones[:, children[0] - 1])
            before = before * Rotation.from_matrix(rotation_between(rest[children[0]], aim))
        world.append(before)
    return world


def _nearest_rotation(matrix: NDArray) -> NDArray:
    """[..., 3, 3] -> the rotations nearest to them (Frobenius), by the singular value decomposition."""
    left, _, right = np.linalg.svd(matrix)
    left[..., -1] *= np.sign(np.linalg.det(left @ right))[..., None]
    return left @ right


def _children(skeleton: Skeleton, joint: int) -> list[int]:
    return [child for child, parent in enumerate(skeleton.parents) if parent == joint]


def _depth_first(skeleton: Skeleton, joint: int) -> list[int]:
    """The order in which the hierarchy names the joints, and so the order of the table's columns."""
    return [joint, *(each for child in _children(skeleton, joint) for each in _depth_first(skeleton, child))]


def _hierarchy(skeleton: Skeleton, joint: int, scale: float, depth: int = 0) -> str:
    indent, inner = "  " * depth, "  " * (depth + 1)
    children = _children(skeleton, joint)
    x, y, z = (scale * value for value in skeleton.target_offsets[joint])
    end = f"{inner}End Site\n{inner}{{\n{inner}  OFFSET 0 0 0\n{inner}}}\n"
    return (
        f"{indent}{'JOINT' if depth else 'ROOT'} {skeleton.joints[joint]}\n{indent}{{\n"
        f"{inner}OFFSET {x:.6f} {y:.6f} {z:.6f}\n{inner}CHANNELS {len(_CHANNELS)} {' '.join(_CHANNELS)}\n"
        + ("".join(_hierarchy(skeleton, child, scale, depth + 1) for child in children) or end)
        + f"{indent}}}\n"
    )
