"""Write a motion as GLB: a skinned body of sticks that moves, as Blender and browsers open it."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sopo.formats.stick_body import Part, stick_body
from sopo.motion.posing import children_of, local_motion, t_pose
from sopo.motion.skeleton import Skeleton

SIDES = ("left", "right", "middle")
GREY = dict.fromkeys(SIDES, "#777777")
STRAY_M = 1e-4  # a joint that leaves its place in its parent's frame by more gets keys for its position
_ARRAYS, _ELEMENTS = 34962, 34963  # what a view of the buffer is for, in WebGL's numbers
_TYPES = {np.dtype("u1"): 5121, np.dtype("u2"): 5123, np.dtype("f4"): 5126}
_SHAPES = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (16,): "MAT4"}


class _Buffer:
    """The binary part of a GLB: arrays one behind the other, each with its view and its accessor."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: NDArray, target: int | None = None, **accessor: Any) -> int:
        """Append an array [N, ...]; the number of its accessor."""
        self.data += b"\0" * (-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes}
        self.views.append(view | ({"target": target} if target else {}))
        self.data += array.tobytes()
        kind = {"componentType": _TYPES[array.dtype], "type": _SHAPES[array.shape[1:]], "count": len(array)}
        self.accessors.append({"bufferView": len(self.views) - 1, **kind, **accessor})
        return len(self.accessors) - 1

    def floats(self, array: NDArray, bounds: bool = False, target: int | None = None) -> int:
        """Append numbers [N, ...] in single precision, with their least and greatest where glTF asks for them."""
        array = np.ascontiguousarray(array, dtype="<f4")
        columns = array.reshape(len(array), -1)
        limits = {"min": columns.min(axis=0).tolist(), "max": columns.max(axis=0).tolist()} if bounds else {}
        return self.add(array, target, **limits)


def write_glb(path: str | Path, joints: NDArray, skeleton: Skeleton, colours: Mapping[str, str] = GREY) -> None:
    """Write joints [T, J, 3], in the skeleton's units, as GLB in metres: Y up, at rest a T-pose that faces +Z.

    The bones get the clip's own mean lengths. A joint that no rotation of its parent brings to its place (where
    several bones leave a joint, or lengths change) also has keys for its position, so all come back to STRAY_M.
    ``colours``: "#rrggbb" of left, right and middle. Raises UserError as ``local_motion`` does.
    """
    rotations, positions = local_motion(joints * skeleton.metres_per_unit, t_pose(skeleton), skeleton)
    offsets = t_pose(skeleton) * np.linalg.norm(positions, axis=-1).mean(axis=0)[:, None]
    rest = _standing(offsets, skeleton)
    offsets[0] = rest[0]
    buffer = _Buffer()
    skin = {
        "name": skeleton.name,
        "joints": list(range(skeleton.num_joints)),
        "skeleton": 0,
        "inverseBindMatrices": buffer.floats(_inverse_bind(rest)),
    }
    body = skeleton.num_joints  # the node behind the joints
    content = {
        "asset": {"version": "2.0", "generator": "sopo"},
        "scene": 0,
        "scenes": [{"nodes": [0, body]}],
        "nodes": [*_nodes(offsets, skeleton), {"name": "body", "mesh": 0, "skin": 0}],
        "skins": [skin],
        "meshes": [{"name": "body", "primitives": _primitives(buffer, stick_body(rest, skeleton))}],
        "materials": [_material(side, colours[side]) for side in SIDES],
        "animations": [_animation(buffer, rotations, positions, offsets, skeleton.fps)],
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    Path(path).write_bytes(_container(content, bytes(buffer.data)))


def _standing(offsets: NDArray, skeleton: Skeleton) -> NDArray[np.float64]:
    """[J, 3] where the joints are at rest: the lowest on the floor, the root above the origin."""
    rest = np.zeros_like(offsets)
    for joint, parent in list(enumerate(skeleton.parents))[1:]:
        rest[joint] = rest[parent] + offsets[joint]
    return rest - (0, rest[:, 1].min(), 0)


def _inverse_bind(rest: NDArray) -> NDArray:
    """[J, 16] column by column: from the body at rest into the frame of each joint, which is not turned there."""
    matrices = np.tile(np.eye(4), (len(rest), 1, 1))
    matrices[:, 3, :3] = -rest
    return matrices.reshape(-1, 16)


def _nodes(offsets: NDArray, skeleton: Skeleton) -> list[dict[str, Any]]:
    nodes = []
    for joint, name in enumerate(skeleton.joints):
        children = children_of(skeleton, joint)
        node: dict[str, Any] = {"name": name, "translation": offsets[joint].astype("f4").tolist()}
        nodes.append(node | ({"children": children} if children else {}))
    return nodes


def _primitives(buffer: _Buffer, parts: Sequence[Part]) -> list[dict[str, Any]]:
    """One for each side, with its material."""
    primitives = []
    for material, side in enumerate(SIDES):
        group = [part for part in parts if part.side == side]
        sizes = [len(part.corners) for part in group]
        starts = np.cumsum([0, *sizes[:-1]])
        bound = np.zeros((sum(sizes), 4), dtype="u1")
        bound[:, 0] = np.concatenate([part.joint for part in group])
        whole = np.tile(np.array((255, 0, 0, 0), dtype="u1"), (sum(sizes), 1))
        triangles = np.concatenate([part.triangles + start for part, start in zip(group, starts, strict=True)])
        attributes = {
            "POSITION": buffer.floats(np.concatenate([part.corners for part in group]), True, _ARRAYS),
            "NORMAL": buffer.floats(np.concatenate([part.normals for part in group]), target=_ARRAYS),
            "JOINTS_0": buffer.add(bound, _ARRAYS),
            "WEIGHTS_0": buffer.add(whole, _ARRAYS, normalized=True),
        }
        indices = buffer.add(triangles.astype("<u2").ravel(), _ELEMENTS)
        primitives.append({"attributes": attributes, "indices": indices, "material": material})
    return primitives


def _material(side: str, colour: str) -> dict[str, Any]:
    levels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)  # sRGB, IEC 61966-2-1
    surface = {"baseColorFactor": [*linear.tolist(), 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.8}
    return {"name": side, "pbrMetallicRoughness": surface}


def _animation(
    buffer: _Buffer, rotations: Sequence[Rotation], positions: NDArray, offsets: NDArray, fps: float
) -> dict[str, Any]:
    """Keys in every frame: rotations of all joints, positions of the root and of those that stray."""
    times = buffer.floats(np.arange(len(positions)) / fps, bounds=True)
    strays = np.linalg.norm(positions - offsets, axis=-1).max(axis=0) > STRAY_M
    tracks = [(joint, "rotation", _continuous(rotation.as_quat())) for joint, rotation in enumerate(rotations)]
    tracks += [(joint, "translation", positions[:, joint]) for joint in np.flatnonzero(strays).tolist()]
    samplers = [{"input": times, "output": buffer.floats(values)} for _, _, values in tracks]
    targets = [{"node": joint, "path": path} for joint, path, _ in tracks]
    channels = [{"sampler": number, "target": target} for number, target in enumerate(targets)]
    return {"name": "motion", "samplers": samplers, "channels": channels}


def _continuous(quaternions: NDArray) -> NDArray:
    """[T, 4] with the signs that keep neighbours near, for readers that interpolate number by number."""
    signs = np.sign((quaternions[1:] * quaternions[:-1]).sum(axis=-1))
    return quaternions * np.cumprod([1.0, *np.where(signs < 0, -1.0, 1.0)])[:, None]


def _container(content: Mapping[str, Any], data: bytes) -> bytes:
    """The two chunks of a GLB, each filled up to a multiple of four bytes."""
    text = json.dumps(content, separators=(",", ":")).encode()
    text, data = text + b" " * (-len(text) % 4), data + b"\0" * (-len(data) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
