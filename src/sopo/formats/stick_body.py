"""A body of sticks and balls around a skeleton at rest: the mesh that a GLB shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sopo.motion.posing import children_of
from sopo.motion.skeleton import Skeleton

STICK_M, SKULL_M = 0.035, 0.1  # radii
THIN = 0.6  # end of a stick in its start
AROUND, ALONG = 12, 8  # corners of a stick, and of a ball from pole to pole


@dataclass(frozen=True)
class Part:
    """A surface: corners [N, 3] in metres, normals [N, 3], triangles [M, 3], the joint that each corner moves with [N].

    side: left, right or middle.
    """

    side: str
    joint: NDArray[np.int64]
    corners: NDArray[np.float64]
    normals: NDArray[np.float64]
    triangles: NDArray[np.int64]


def stick_body(rest: NDArray[np.float64], skeleton: Skeleton) -> list[Part]:
    """Parts around joints at rest [J, 3], metres: a ball at each joint, a stick from its parent, and a skull.

    A stick moves with the joint that it starts from. Where several start, none of them need point at the joint
    where it ends, so the thin end of such a stick goes with that joint.
    """
    parts = [_ball(rest[joint], STICK_M, skeleton.sides[joint], joint) for joint in range(skeleton.num_joints)]
    for joint, parent in list(enumerate(skeleton.parents))[1:]:
        alone = len(children_of(skeleton, parent)) == 1
        end = parent if alone else joint
        parts.append(_stick(rest[parent], rest[joint], 1.0 if alone else THIN, skeleton.sides[joint], (end, parent)))
    head = skeleton.joints.index("head")
    above = 0.6 * (rest[head] - rest[skeleton.parents[head]])
    return [*parts, _ball(rest[head] + above, SKULL_M, "middle", head)]


def _ball(centre: NDArray, radius: float, side: str, joint: int) -> Part:
    down, about = np.meshgrid(np.linspace(0, np.pi, ALONG + 1), np.linspace(0, 2 * np.pi, AROUND + 1), indexing="ij")
    normals = np.stack((np.sin(down) * np.sin(about), np.cos(down), np.sin(down) * np.cos(about)), axis=-1)
    return _surface(side, np.full(ALONG + 1, joint), centre + radius * normals, normals)


def _stick(start: NDArray, end: NDArray, taper: float, side: str, joints: tuple[int, int]) -> Part:
    """``taper``: the radius at the end in that at the start; ``joints``: which each of the two moves with."""
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
    across = np.cross(along, np.eye(3)[np.abs(along).argmin()])
    across /= np.linalg.norm(across)
    about = np.linspace(0, 2 * np.pi, AROUND + 1)[:, None]
    ring = np.cos(about) * across + np.sin(about) * np.cross(along, across)
    corners = np.stack((end + taper * STICK_M * ring, start + STICK_M * ring))
    return _surface(side, np.array(joints), corners, np.stack((ring, ring)))


def _surface(side: str, joints: NDArray, corners: NDArray, normals: NDArray) -> Part:
    """Rows of corners [R, C, 3], the first on top, each counterclockwise and moving with a joint of ``joints`` [R]."""
    rows, columns = corners.shape[:2]
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (row * columns + column).ravel()
    b, c, d = a + columns, a + columns + 1, a + 1
    triangles = np.concatenate((np.stack((a, b, c), axis=1), np.stack((a, c, d), axis=1)))
    flat = corners.reshape(-1, 3)
    edges = flat[triangles]
    sound = np.linalg.norm(np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0]), axis=1) > 1e-12
    triangles = triangles[sound]  # at the poles of a ball every other one is empty
    return Part(side, np.repeat(joints, columns), flat, normals.reshape(-1, 3), triangles)
