"""BVH, the text format of motion capture: read any hierarchy, write a motion of one of our skeletons.

The package bvhio reads the same positions (the tests compare) in single precision, but waits for ever at the
end of a truncated file, so the format is parsed here; scipy does the rotations.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sopo.errors import UserError
from sopo.motion.clip import Clip
from sopo.motion.kinematics import bone_directions, rotation_between
from sopo.motion.skeleton import Skeleton

CENTIMETRE = 0.01
_CHANNELS = ("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")


@dataclass
class _Node:
    name: str
    parent: int
    offset: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    channels: list[str] = field(default_factory=list)


def read_bvh(path: str | Path, metres_per_unit: float = CENTIMETRE) -> Clip:
    """Joint positions of a BVH file; end sites are left out.

    A joint's position channels replace its offset. Raises UserError if the file is missing,
    truncated or not BVH.
    """
    path = Path(path)
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as BVH ({error})") from error
    parts = re.split(r"^\s*MOTION\s*$", text, maxsplit=1, flags=re.MULTILINE)
    if len(parts) != 2:
        raise UserError(f"{path}: no line MOTION; truncated, or not a BVH file")
    nodes = _parse_hierarchy(parts[0], path)
    table, fps = _parse_motion(parts[1], sum(len(node.channels) for node in nodes), path)
    parents = tuple(node.parent for node in nodes)
    return Clip(tuple(node.name for node in nodes), parents, _positions(nodes, table) * metres_per_unit, fps)


def _parse_hierarchy(text: str, path: Path) -> list[_Node]:
    nodes: list[_Node] = []
    enclosing: list[_Node | None] = []  # None: an end site
    opened: _Node | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        word, _, rest = line.strip().partition(" ")
        try:
            if word in ("ROOT", "JOINT"):
                around = enclosing[-1] if enclosing else None
                opened = _Node(rest.strip(), -1 if around is None else nodes.index(around))
                nodes.append(opened)
            elif word == "End":
                opened = None
            elif word == "{":
                enclosing.append(opened)
            elif word == "}":
                enclosing.pop()
            elif word == "OFFSET":
                if (node := enclosing[-1]) is not None:
                    x, y, z = map(float, rest.split())
                    node.offset = [x, y, z]
            elif word == "CHANNELS":
                node = enclosing[-1]
                count, *channels = rest.split()
                if node is None or int(count) != len(channels) or not set(channels) <= set(_CHANNELS):
                    raise ValueError(rest)
                node.channels = channels
            elif word not in ("", "HIERARCHY"):
                raise ValueError(word)
        except (ValueError, IndexError) as error:
            raise UserError(f"{path}:{number}: {line.strip()!r} does not belong in a BVH hierarchy") from error
    if enclosing or not nodes:
        raise UserError(f"{path}: the BVH hierarchy is empty or its brackets do not close")
    return nodes


def _parse_motion(text: str, columns: int, path: Path) -> tuple[NDArray[np.float64], float]:
    """The table [T, columns] and the frames per second."""
    header = re.match(r"\s*Frames:\s*(\d+)\s+Frame Time:\s*(\S+)", text)
    try:
        if header is None:
            raise ValueError("no 'Frames:' and 'Frame Time:' after MOTION")
        frames, seconds = int(header[1]), float(header[2])
        values = np.array([float(word) for word in text[header.end() :].split()])
    except ValueError as error:
        raise UserError(f"{path}: {error}; truncated, or not a BVH file") from error
    if frames < 1 or not seconds > 0 or not np.isfinite(values).all():
        raise UserError(f"{path}: needs at least one frame, a positive frame time and finite numbers")
    if values.size != frames * columns:
        found = f"{values.size} numbers, but {frames} frames of {columns} channels need {frames * columns}"
        raise UserError(f"{path}: holds {found}; truncated?")
    return values.reshape(frames, columns), 1 / seconds


def _positions(nodes: list[_Node], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """World positions [T, J, 3] in the file's units."""
    positions = np.empty((len(table), len(nodes), 3))
    rotations: list[Rotation] = []
    column = 0
    for index, node in enumerate(nodes):
        values = table[:, column : column + len(node.channels)]
        column += len(node.channels)
        local = np.tile(node.offset, (len(table), 1))
        moved = [at for at, channel in enumerate(node.channels) if channel.endswith("position")]
        turned = [at for at, channel in enumerate(node.channels) if channel.endswith("rotation")]
        local[:, ["XYZ".index(node.channels[at][0]) for at in moved]] = values[:, moved]
        rotation = Rotation.identity(len(table))
        if turned:
            order = "".join(node.channels[at][0] for at in turned)  # capitals: each about the turned axes
            rotation = Rotation.from_euler(order, values[:, turned], degrees=True)
        if node.parent < 0:
            positions[:, index] = local
        else:
            positions[:, index] = positions[:, node.parent] + rotations[node.parent].apply(local)
            rotation = rotations[node.parent] * rotation
        rotations.append(rotation)
    return positions


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
            before = Rotation.from_matrix(roma.special_procrustes(torch.from_numpy(spread)).numpy())
        elif children:
            aim = before.inv().apply(bones[:, children[0] - 1])
            before = before * Rotation.from_matrix(rotation_between(rest[children[0]], aim))
        world.append(before)
    return world


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
