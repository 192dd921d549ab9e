"""glTF and GLB: the joints of skins, or nodes that move, sampled at the rate of their keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sopo.errors import UserError
from sopo.formats.gltf_animation import REST, Track, longest_animation
from sopo.formats.gltf_file import GltfFile, entries, links, vector
from sopo.formats.hierarchy import check_size, distinct_names, parents_first
from sopo.formats.rate import rate_of_keys
from sopo.formats.text import LARGEST
from sopo.motion.clip import Clip

Array = NDArray[np.float64]
Nodes = list[dict[str, Any]]
Tracks = dict[int, dict[str, Track]]

DENSE = 60.0  # frames a second that lose nothing, where keys lie on no grid
_SHAPES = {"mesh", "camera"}


def read_gltf(path: str | Path) -> Clip:
    """The longest animation of a glTF or GLB file: metres, Y up, as the format has it.

    Joints are those of the skins and what hangs on them; without a skin, the nodes that move and all below them.
    Scales and turns of nodes above them count. Raises UserError.
    """
    path = Path(path)
    try:
        file = GltfFile(path)
        nodes = entries(file.json, "nodes")
        above = _parents(nodes)
        order = parents_first(above)
        tracks, notes = longest_animation(file)
        joints = _joints(file, order, above, set(tracks))
        needed = _with_those_above(joints, order, above)
        times, fps, remarks = _times(_keys(needed, tracks), len(needed), file.size)
        positions = _positions(nodes, needed, above, tracks, times)
    except (UserError, ValueError) as error:
        raise UserError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    names = distinct_names(str(nodes[joint].get("name") or f"node {joint}") for joint in joints)
    parents = _among(joints, above)
    return Clip(names, parents, positions[:, [needed[joint] for joint in joints]], fps, 1.0, "y", (*notes, *remarks))


def _parents(nodes: Nodes) -> list[int]:
    above = [-1] * len(nodes)
    for number, node in enumerate(nodes):
        for child in links(node, "children", len(nodes)):
            if above[child] >= 0:
                raise ValueError(f"node {child} hangs on two others")
            above[child] = number
    return above


def _joints(file: GltfFile, order: list[int], above: list[int], moving: set[int]) -> list[int]:
    nodes = entries(file.json, "nodes")
    skins = [links(skin, "joints", len(nodes)) for skin in entries(file.json, "skins")]
    if not all(skins):
        raise ValueError("a skin has no joints")
    skinned = {joint for joints in skins for joint in joints}
    chosen = skinned or moving
    for number in order:
        # A mesh on a bone is a thing held; without a skin, meshes are the limbs.
        if above[number] in chosen and not (skinned and _SHAPES & set(nodes[number])):
            chosen.add(number)
    return [number for number in order if number in chosen]


def _with_those_above(joints: list[int], order: list[int], above: list[int]) -> dict[int, int]:
    """Joints and all nodes above them, parents first, each with its place."""
    wanted: set[int] = set()
    for number in joints:
        while number >= 0 and number not in wanted:
            wanted.add(number)
            number = above[number]
    return {number: place for place, number in enumerate(number for number in order if number in wanted)}


def _among(joints: list[int], above: list[int]) -> tuple[int, ...]:
    """The nearest joint above each joint, -1 where there is none."""
    place = {joint: index for index, joint in enumerate(joints)}
    parents = []
    for joint in joints:
        parent = above[joint]
        while parent >= 0 and parent not in place:
            parent = above[parent]
        parents.append(place.get(parent, -1))
    return tuple(parents)


def _times(keys: Array, nodes: int, size: int) -> tuple[Array, float, list[str]]:
    """Times [T] at which to sample, their rate, and a remark where the keys show none."""
    fps = rate_of_keys(keys - keys[0])
    remark = f"its keys are at no common rate; sampled at {DENSE:g} frames a second"
    frames = float(keys[-1] - keys[0]) * (fps or DENSE) + 1e-3
    check_size(int(frames) + 1, nodes, size)
    return keys[0] + np.arange(int(frames) + 1) / (fps or DENSE), fps or DENSE, [] if fps else [remark]


def _keys(needed: dict[int, int], tracks: Tracks) -> Array:
    times = [track.times for number in needed for track in tracks.get(number, {}).values()]
    if not times:
        raise UserError("its animation moves none of its joints")
    return np.unique(np.concatenate(times))


def _positions(nodes: Nodes, needed: dict[int, int], above: list[int], tracks: Tracks, times: Array) -> Array:
    """World positions [T, N, 3] of the needed nodes."""
    positions = np.empty((len(times), len(needed), 3))
    axes: dict[int, Array] = {-1: np.eye(3)[None]}  # turned and scaled, [T or 1, 3, 3]
    with np.errstate(over="ignore", invalid="ignore"):  # caught below
        for number, place in needed.items():
            origin, local = _local(nodes[number], tracks.get(number, {}), times)
            around = axes[above[number]]
            positions[:, place] = (around @ origin[..., None])[..., 0]
            if above[number] >= 0:
                positions[:, place] += positions[:, needed[above[number]]]
            axes[number] = around @ local
    if not (np.abs(positions) <= LARGEST).all():
        raise ValueError("moves farther than any body")
    return positions


def _local(node: dict[str, Any], tracks: dict[str, Track], times: Array) -> tuple[Array, Array]:
    """Where a node is [T or 1, 3], and its axes [T or 1, 3, 3], both in its parent."""
    if "matrix" in node:
        matrix = vector(node, "matrix", tuple(np.eye(4).ravel())).reshape(4, 4).T
        return matrix[None, :3, 3], matrix[None, :3, :3]
    moved = {
        which: tracks[which].sample(times) if which in tracks else vector(node, which, rest)[None]
        for which, rest in REST.items()
    }
    if not (np.linalg.norm(moved["rotation"], axis=1) > 1e-3).all():
        raise ValueError("a rotation is no quaternion")
    return moved["translation"], Rotation.from_quat(moved["rotation"]).as_matrix() * moved["scale"][:, None]
