"""Write a motion of one of our skeletons as BVH."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sopo.motion.posing import children_of, local_motion
from sopo.motion.skeleton import Skeleton

CENTIMETRE = 0.01
_CHANNELS = ("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")


def write_bvh(path: str | Path, joints: NDArray, skeleton: Skeleton) -> None:
    """Write joints [T, J, 3], in the skeleton's units, as BVH in centimetres.

    Every joint has position channels beside its rotation: where several bones leave a joint no rotation fits
    them all, and so positions come back exactly. Raises UserError on a wrong shape or values not finite.
    """
    scale = skeleton.metres_per_unit / CENTIMETRE
    rest = np.array(skeleton.raw_offsets, dtype=np.float64)
    rotations, positions = local_motion(joints, rest, skeleton)
    table = []
    for joint in _depth_first(skeleton, 0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gimbal lock leaves the rotation right, its angles arbitrary
            angles = rotations[joint].as_euler("ZXY", degrees=True)
        table += [scale * positions[:, joint], np.unwrap(angles, axis=0, period=360.0)]  # editors interpolate angles
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.write("HIERARCHY\n" + _hierarchy(skeleton, 0, scale))
        file.write(f"MOTION\nFrames: {len(joints)}\nFrame Time: {1 / skeleton.fps:.7f}\n")
        np.savetxt(file, np.concatenate(table, axis=1), fmt="%.6f")


def _depth_first(skeleton: Skeleton, joint: int) -> list[int]:
    """The order in which the hierarchy names the joints, and so the order of the table's columns."""
    return [joint, *(each for child in children_of(skeleton, joint) for each in _depth_first(skeleton, child))]


def _hierarchy(skeleton: Skeleton, joint: int, scale: float, depth: int = 0) -> str:
    indent, inner = "  " * depth, "  " * (depth + 1)
    children = children_of(skeleton, joint)
    x, y, z = (scale * value for value in skeleton.target_offsets[joint])
    end = f"{inner}End Site\n{inner}{{\n{inner}  OFFSET 0 0 0\n{inner}}}\n"
    return (
        f"{indent}{'JOINT' if depth else 'ROOT'} {skeleton.joints[joint]}\n{indent}{{\n"
        f"{inner}OFFSET {x:.6f} {y:.6f} {z:.6f}\n{inner}CHANNELS {len(_CHANNELS)} {' '.join(_CHANNELS)}\n"
        + ("".join(_hierarchy(skeleton, child, scale, depth + 1) for child in children) or end)
        + f"{indent}}}\n"
    )
