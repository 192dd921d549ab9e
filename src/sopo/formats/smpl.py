"""AMASS and other ``.npz`` of SMPL, SMPL-H and SMPL-X poses -> joints, through the user's own body model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.formats.body_model import GENDERS, JOINTS, find_body_model, read_body_model
from sopo.formats.npz import Npz, open_npz
from sopo.formats.text import LARGEST
from sopo.motion.clip import Clip

RATES = ("mocap_framerate", "mocap_frame_rate")
# Newer AMASS names the parts of a pose beside, or instead of, the whole; in the order of the whole.
POSE_PARTS = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")
# The families that a pose of so many joints fits, its own first. SMPL and SMPL-H share body and shapes.
_FAMILIES = {22: ("smplh", "smpl", "smplx"), 24: ("smpl", "smplh"), 52: ("smplh", "smpl"), 55: ("smplx",)}


@dataclass(frozen=True)
class SmplMotion:
    """What the file says: rotation vectors ``poses`` [T, J, 3], ``root`` [T, 3] metres, ``betas`` [S], frames/s.

    gender: as written, a text or (in some subsets of AMASS) bytes; "" if absent or not readable.
    """

    poses: NDArray[np.float64]
    root: NDArray[np.float64]
    betas: NDArray[np.float64]
    fps: float
    gender: str | bytes

    @property
    def gender_name(self) -> str:
        text = self.gender.decode("latin1") if isinstance(self.gender, bytes) else self.gender
        return text.lower() if text.lower() in GENDERS else ""


def read_smpl(path: str | Path, body_model: str | Path, fps: float | None = None) -> Clip:
    """Joints of an AMASS or SMPL-style ``.npz``: Z up, metres, named as SMPL's. ``body_model``: a file or a folder.

    ``fps`` stands in for the file's rate. Raises UserError if the file holds no such motion or the body model does
    not fit it.
    """
    path = Path(path)
    motion = read_motion(path, path, fps)
    families = _FAMILIES[motion.poses.shape[1]]
    file, note = find_body_model(body_model, families, motion.gender_name)
    body = _body_model(file)
    if body.family not in families:
        raise UserError(f"{file}: a {body.family} body, but {path} needs {' or '.join(families)}")
    notes = [note] if note else []
    if len(motion.betas) > body.shapes.shape[-1]:
        notes.append(f"{len(motion.betas)} shape coefficients, of which the body model knows {body.shapes.shape[-1]}")
    shared = sum(ours == theirs for ours, theirs in zip(body.names, pose_names(motion), strict=False))
    positions = body.pose(motion.poses, motion.root, motion.betas, shared)
    return Clip(body.names[:shared], body.parents[:shared], positions, motion.fps, 1.0, "z", tuple(notes))


_body_model = lru_cache(maxsize=8)(read_body_model)


def pose_names(motion: SmplMotion) -> tuple[str, ...]:
    """The joints whose rotations the motion holds."""
    J = motion.poses.shape[1]
    return JOINTS[_FAMILIES[J][0]][:J]


def read_motion(source: Path | BinaryIO, label: str | Path, fps: float | None = None) -> SmplMotion:
    """The motion in an ``.npz``, on disk or in memory; UserError, naming ``label``, if it is none of SMPL's."""
    with open_npz(source, label) as npz:
        if "poses" in npz:
            poses = npz["poses"]
        elif "root_orient" in npz and "pose_body" in npz:
            parts = [_flat(npz[part]) for part in POSE_PARTS if part in npz]
            if len({len(part) for part in parts}) > 1:
                raise UserError(f"{label}: the parts of its poses have different numbers of frames")
            poses = np.concatenate(parts, axis=-1)
        else:
            held = ", ".join(npz.names[:8]) or "nothing"
            raise UserError(f"{label}: no SMPL motion: neither poses nor root_orient and pose_body (holds {held})")
        poses = _flat(_numbers(poses, label, "poses"))
        T, D = poses.shape
        if not T or D % 3 or D // 3 not in _FAMILIES:
            raise UserError(f"{label}: {T} frames of {D} numbers a pose; a body of SMPL's has 66, 72, 156 or 165")
        root = _numbers(npz["trans"], label, "trans")
        if root.shape != (T, 3):
            raise UserError(f"{label}: trans is {list(root.shape)}, expected [{T}, 3] as there are poses")
        betas = _numbers(npz["betas"], label, "betas") if "betas" in npz else np.zeros(0)
        if betas.ndim > 1:  # a row a frame, all alike
            betas = betas[:1]
        return SmplMotion(poses.reshape(T, -1, 3), root, betas.ravel(), fps or _rate(npz), _gender(npz))


def _flat(poses: NDArray[Any]) -> NDArray[Any]:
    """[T, ...] -> [T, D]."""
    return poses.reshape(len(poses), -1) if poses.ndim and len(poses) else poses.reshape(0, 0)


def _numbers(values: NDArray[Any], label: str | Path, name: str) -> NDArray[np.float64]:
    numbers = values.astype(np.float64) if values.dtype.kind in "fiu" else np.array(np.nan)
    if not (np.abs(numbers) <= LARGEST).all():
        raise UserError(f"{label}: {name} has values that are not finite numbers, or not of a plausible size")
    return numbers


def _rate(npz: Npz) -> float:
    name = next((name for name in RATES if name in npz), None)
    if name is None:
        raise UserError(f"{npz.label}: says no frame rate ({' or '.join(RATES)})")
    rate = npz[name]
    if rate.size != 1 or rate.dtype.kind not in "fiu" or not 0 < float(rate.ravel()[0]) <= 10_000:
        raise UserError(f"{npz.label}: {name} is no frame rate")
    return float(rate.ravel()[0])


def _gender(npz: Npz) -> str | bytes:
    try:
        value = npz["gender"] if "gender" in npz else np.zeros(0)
    except UserError:  # a pickled word: unknown, as where there is none
        return ""
    return value.ravel()[0].item() if value.size == 1 and value.dtype.kind in "US" else ""
