"""The two bodies of the benchmarks: 22 joints (HumanML3D) and 21 joints (KIT-ML)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Skeleton:
    """A body: joints in the published order, Y up, +Z ahead when it rests.

    parents: [J], -1 at the root. chains: the published kinematic chains; a chain's rotations start afresh at
    the root's, also where the chain itself starts at the chest. raw_offsets: [J] unit direction of the bone
    that ends in each joint, at rest. target_offsets: [J] the same times the length of the body to which all
    clips are brought, in units. feet: left ankle, left foot, right ankle, right foot (KIT-ML: midfoot and foot).
    balls (of the feet), hips, shoulders: (left, right). leg: the joints whose bones measure the size of a body.
    contact_threshold: squared displacement per frame, in units squared, below which a foot counts as planted.
    shortest: frames below which the published loaders leave a clip out.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    chains: tuple[tuple[int, ...], ...]
    raw_offsets: tuple[Vector, ...]
    target_offsets: tuple[Vector, ...]
    feet: tuple[int, int, int, int]
    balls: tuple[int, int]
    hips: tuple[int, int]
    shoulders: tuple[int, int]
    leg: tuple[int, int]
    fps: float
    contact_threshold: float
    shortest: int
    metres_per_unit: float

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def num_features(self) -> int:
        return 12 * self.num_joints - 1

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """[J] the joint on the other side of each joint."""
        swap = {"left": "right", "right": "left"}
        sides = (name.partition("_") for name in self.joints)
        return tuple(self.joints.index(swap.get(side, side) + bar + rest) for side, bar, rest in sides)

    @cached_property
    def sides(self) -> tuple[str, ...]:
        """[J] left, right or middle."""
        return tuple(name.partition("_")[0] if "_" in name else "middle" for name in self.joints)

    @cached_property
    def rotation_parents(self) -> tuple[int, ...]:
        """[J] the joint relative to which each joint's rotation is stored: chains restart at the root."""
        before = [-1] * self.num_joints
        for chain in self.chains:
            for previous, joint in zip((0, *chain[1:]), chain[1:], strict=False):
                before[joint] = previous
        return tuple(before)

    def with_target(self, joints: NDArray) -> Skeleton:
        """The same body with the bone lengths of one frame of joints [J, 3], in units.

        Gives KIT-ML, or any data set, the exact target body: measure it on a processed clip.
        """
        parents = np.array(self.parents)
        lengths = np.linalg.norm(joints - joints[parents], axis=-1) * (parents >= 0)
        offsets = np.array(self.raw_offsets) * lengths[:, None]
        return replace(self, target_offsets=tuple((float(x), float(y), float(z)) for x, y, z in offsets))


# A row: joint, parent, direction of the bone at rest, length of the target's bone.
_Row = tuple[str, int, Vector, float]
_X, _NOT_X, _UP, _DOWN, _AHEAD = (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1)

# Lengths in metres: frame 0 of clip 000021, the published target.
_HUMANML3D_ROWS: tuple[_Row, ...] = (
    ("pelvis", -1, (0, 0, 0), 0.0),
    ("left_hip", 0, _X, 0.1030739),
    ("right_hip", 0, _NOT_X, 0.1098834),
    ("spine1", 0, _UP, 0.1315683),
    ("left_knee", 1, _DOWN, 0.3936231),
    ("right_knee", 2, _DOWN, 0.3901881),
    ("spine2", 3, _UP, 0.1431903),
    ("left_ankle", 4, _DOWN, 0.4324330),
    ("right_ankle", 5, _DOWN, 0.4256433),
    ("spine3", 6, _UP, 0.0573647),
    ("left_foot", 7, _AHEAD, 0.1433817),
    ("right_foot", 8, _AHEAD, 0.1494187),
    ("neck", 9, _UP, 0.2193600),
    ("left_collar", 9, _X, 0.1374868),
    ("right_collar", 9, _NOT_X, 0.1433828),
    ("head", 12, _AHEAD, 0.1030393),
    ("left_shoulder", 13, _DOWN, 0.1316140),
    ("right_shoulder", 14, _DOWN, 0.1229843),
    ("left_elbow", 16, _DOWN, 0.2568398),
    ("right_elbow", 17, _DOWN, 0.2630919),
    ("left_wrist", 18, _DOWN, 0.2660119),
    ("right_wrist", 19, _DOWN, 0.2698763),
)

# Sides as the published face and contact indices read them. Lengths in KIT's units: a stand-in of usual
# proportions with the data set's mean root height (560), for the published target (frame 0 of clip 03950)
# comes with the data: there, `KIT.with_target(new_joints[0])`.
_KIT_ROWS: tuple[_Row, ...] = (
    ("pelvis", -1, (0, 0, 0), 0.0),
    ("spine1", 0, _UP, 75.0),
    ("spine2", 1, _UP, 75.0),
    ("neck", 2, _UP, 69.0),
    ("head", 3, _UP, 62.0),
    ("right_shoulder", 3, _X, 112.0),
    ("right_elbow", 5, _DOWN, 168.0),
    ("right_wrist", 6, _DOWN, 150.0),
    ("left_shoulder", 3, _NOT_X, 112.0),
    ("left_elbow", 8, _DOWN, 168.0),
    ("left_wrist", 9, _DOWN, 150.0),
    ("right_hip", 0, _X, 56.0),
    ("right_knee", 11, _DOWN, 237.0),
    ("right_ankle", 12, _DOWN, 250.0),
    ("right_midfoot", 13, _AHEAD, 81.0),
    ("right_foot", 14, _AHEAD, 37.0),
    ("left_hip", 0, _NOT_X, 56.0),
    ("left_knee", 16, _DOWN, 237.0),
    ("left_ankle", 17, _DOWN, 250.0),
    ("left_midfoot", 18, _AHEAD, 81.0),
    ("left_foot", 19, _AHEAD, 37.0),
)


def _columns(rows: tuple[_Row, ...]) -> dict[str, tuple]:
    return {
        "joints": tuple(name for name, *_ in rows),
        "parents": tuple(parent for _, parent, *_ in rows),
        "raw_offsets": tuple(direction for *_, direction, _ in rows),
        "target_offsets": tuple((x * length, y * length, z * length) for *_, (x, y, z), length in rows),
    }


HUMANML3D = Skeleton(
    name="humanml3d",
    **_columns(_HUMANML3D_ROWS),
    chains=(
        (0, 2, 5, 8, 11),
        (0, 1, 4, 7, 10),
        (0, 3, 6, 9, 12, 15),
        (9, 14, 17, 19, 21),
        (9, 13, 16, 18, 20),
    ),
    feet=(7, 10, 8, 11),
    balls=(10, 11),
    hips=(1, 2),
    shoulders=(16, 17),
    leg=(5, 8),
    fps=20.0,
    contact_threshold=0.002,
    shortest=40,
    metres_per_unit=1.0,
)

KIT = Skeleton(
    name="kit",
    **_columns(_KIT_ROWS),
    chains=((0, 11, 12, 13, 14, 15), (0, 16, 17, 18, 19, 20), (0, 1, 2, 3, 4), (3, 5, 6, 7), (3, 8, 9, 10)),
    feet=(19, 20, 14, 15),
    balls=(19, 14),
    hips=(16, 11),
    shoulders=(8, 5),
    leg=(17, 18),
    fps=12.5,
    contact_threshold=0.05,
    shortest=24,
    # KIT-ML scales every actor to a height of 1000 units; 1.7 m makes the mean root height a person's.
    metres_per_unit=0.0017,
)

SKELETONS = (HUMANML3D, KIT)


def skeleton_by_name(name: str) -> Skeleton:
    """The skeleton called ``name``; UserError lists the known names."""
    for skeleton in SKELETONS:
        if skeleton.name == name:
            return skeleton
    raise UserError(f"unknown skeleton {name!r}; known: {', '.join(skeleton.name for skeleton in SKELETONS)}")


def skeleton_for_features(width: int) -> Skeleton:
    """The skeleton whose features are ``width`` wide (263 or 251); UserError for any other width."""
    for skeleton in SKELETONS:
        if skeleton.num_features == width:
            return skeleton
    known = ", ".join(f"{skeleton.num_features} ({skeleton.name})" for skeleton in SKELETONS)
    raise UserError(f"motions with {width} features fit no skeleton; known widths: {known}")
