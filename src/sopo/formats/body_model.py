"""The user's SMPL, SMPL-H or SMPL-X file -> where its joints are: no mesh is moved.

Of the model only the template, the shape directions, the joint regressor and the tree are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sopo.errors import UserError
from sopo.formats.inert_pickle import Blank, as_array, read_inert
from sopo.formats.npz import open_npz
from sopo.formats.text import LARGEST
from sopo.motion.skeleton import HUMANML3D

PARTS = ("v_template", "shapedirs", "J_regressor", "kintree_table")
GENDERS = ("neutral", "male", "female")

_FINGERS = tuple(
    f"{side}_{finger}{bone}"
    for side in ("left", "right")
    for finger in ("index", "middle", "pinky", "ring", "thumb")
    for bone in (1, 2, 3)
)
JOINTS: Mapping[str, tuple[str, ...]] = {
    "smpl": (*HUMANML3D.joints, "left_hand", "right_hand"),
    "smplh": (*HUMANML3D.joints, *_FINGERS),
    "smplx": (*HUMANML3D.joints, "jaw", "left_eye", "right_eye", *_FINGERS),
}
# SMPL-X files hold expressions behind the shapes: of so many directions, so many are of the body.
_SHAPES = {"smplx": {20: 10, 400: 300}}


@dataclass(frozen=True)
class BodyModel:
    """Joints at rest, metres, Y up: ``rest`` [J, 3] of the mean body, ``shapes`` [J, 3, S] for each coefficient."""

    family: str
    parents: tuple[int, ...]
    rest: NDArray[np.float64]
    shapes: NDArray[np.float64]

    @property
    def names(self) -> tuple[str, ...]:
        return JOINTS[self.family]

    def pose(
        self, poses: NDArray[Any], root: NDArray[Any], betas: NDArray[Any], joints: int | None = None
    ) -> NDArray[np.float64]:
        """Rotation vectors [T, J, 3], translations [T, 3] and shape [S'] -> positions [T, joints, 3], metres.

        ``joints``: the first so many, all if None. Coefficients that the model does not have are left out.
        """
        count = joints or len(self.parents)
        known = min(len(betas), self.shapes.shape[-1])
        rest = (self.rest + self.shapes[..., :known] @ betas[:known].astype(np.float64))[:count]
        turns = Rotation.from_rotvec(poses[:, :count].reshape(-1, 3)).as_matrix().reshape(len(poses), count, 3, 3)
        positions = np.empty((len(poses), count, 3))
        positions[:, 0] = rest[0] + root
        world = [turns[:, 0]]
        for joint, parent in enumerate(self.parents[1:count], start=1):
            positions[:, joint] = positions[:, parent] + world[parent] @ (rest[joint] - rest[parent])
            world.append(world[parent] @ turns[:, joint])
        return positions


def read_body_model(path: str | Path) -> BodyModel:
    """A body model from ``.npz``, or from ``.pkl`` that is never executed; UserError if it is not one of SMPL's."""
    path = Path(path)
    parts = [part.astype(np.float64) for part in _read_parts(path)]
    template, directions, regressor, tree = parts
    J, V = regressor.shape if regressor.ndim == 2 else (0, 0)
    family = next((name for name, joints in JOINTS.items() if len(joints) == J), None)
    fits = template.shape == (V, 3) and directions.ndim == 3 and directions.shape[:2] == (V, 3) and tree.shape == (2, J)
    if family is None or not fits:
        held = ", ".join(f"{name} {list(part.shape)}" for name, part in zip(PARTS, parts, strict=True))
        raise UserError(f"{path}: not SMPL (24 joints), SMPL-H (52) or SMPL-X (55); it holds {held}")
    if not all((np.abs(part) <= LARGEST).all() for part in parts[:3]):
        raise UserError(f"{path}: holds numbers that are not finite, or not of a plausible size")
    parents = (-1, *tree[0, 1:].tolist())
    if parents[:22] != HUMANML3D.parents or any(parents[joint] not in range(joint) for joint in range(1, J)):
        raise UserError(f"{path}: its joints hang together in another way than SMPL's")
    shapes = _SHAPES.get(family, {}).get(directions.shape[-1], directions.shape[-1])
    moved = np.tensordot(regressor, directions[..., :shapes], axes=1)
    return BodyModel(family, tuple(map(int, parents)), regressor @ template, moved)


def _read_parts(path: Path) -> list[NDArray[Any]]:
    """The four ``PARTS``, as numbers."""
    if path.suffix.lower() == ".npz":
        with open_npz(path, path) as npz:
            found = [npz[name] for name in PARTS]
    elif path.suffix.lower() == ".pkl":
        tree = read_inert(path)
        if missing := [name for name in PARTS if not isinstance(tree.get(name), Blank)]:
            raise UserError(f"{path}: no SMPL body model; it has no array {missing[0]}")
        found = [as_array(tree[name], f"{path}: {name}") for name in PARTS]
    else:
        raise UserError(f"{path}: expected a body model, .npz or .pkl")
    if wrong := [name for name, part in zip(PARTS, found, strict=True) if part.dtype.kind not in "fiu"]:
        raise UserError(f"{path}: {wrong[0]} holds no numbers")
    return found


def find_body_model(root: str | Path, families: Sequence[str], gender: str) -> tuple[Path, str]:
    """The body model's file in a folder, for a gender and the first of ``families`` that is there; and a note.

    Names as they are published: smplh/male/model.npz, SMPLH_MALE.npz, SMPL_NEUTRAL.pkl, basicModel_m_lbs_...pkl.
    Where the gender is unknown or not there the neutral body stands in, and the note says so. A file is taken as
    it is. Raises UserError if there is none.
    """
    root = Path(root)
    if root.is_file():
        return root, ""
    if not root.is_dir():
        raise UserError(f"{root}: no such file or folder; expected a body model (SMPL, SMPL-H or SMPL-X)")
    offered = [
        (path, *_told_by_name(path, root)) for path in sorted(root.rglob("*")) if path.suffix in (".npz", ".pkl")
    ]
    for wanted in dict.fromkeys((gender, "neutral")):
        fitting = [
            ((*families, None).index(family), path.suffix == ".pkl", len(path.parts), path)
            for path, family, of in offered
            if of == wanted and family in (*families, None)
        ]
        if fitting:
            lacking = f"no {gender} body model" if gender else "gender not known"
            return min(fitting)[-1], f"{lacking}: the neutral one stands in" if wanted != gender else ""
    names = ", ".join(str(path.relative_to(root)) for path, _, of in offered if of) or "none"
    raise UserError(
        f"{root}: no {' or '.join(families)} body model for gender {gender!r} there (found: {names}); "
        "name one file if it shall serve all"
    )


def _told_by_name(path: Path, root: Path) -> tuple[str | None, str | None]:
    """Family and gender as the words of a file's path say; None where they do not."""
    text = "/".join((root.name, *path.relative_to(root).parts)).lower()
    words = re.split(r"[^a-z]+", re.sub(r"smpl[-+_ ]?([hx])(?![a-z])", r"smpl\1 ", text))
    if {"dmpl", "dmpls", "mano", "flame"} & set(words):  # parts of bodies
        return None, None
    basic = "basicmodel" in words
    short = {"n": "neutral", "m": "male", "f": "female"} if basic else {}
    genders = [short.get(word, word) for word in words if short.get(word, word) in GENDERS]
    families = [word for word in words if word in JOINTS]
    return (families[-1] if families else "smpl" if basic else None), (genders[-1] if genders else None)
