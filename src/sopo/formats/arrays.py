"""Joint positions as arrays, ``.npy`` and ``.npz``: of SMPL's bodies, or of joints that are named beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.formats.body_model import JOINTS
from sopo.formats.hierarchy import distinct_names, parents_first
from sopo.formats.npz import Npz, open_npz, parse_npy
from sopo.formats.rate import FASTEST, SLOWEST
from sopo.formats.smpl import RATES, read_smpl
from sopo.formats.text import LARGEST, read_bytes, read_text
from sopo.motion.clip import Clip
from sopo.motion.skeleton import HUMANML3D

ASSUMED_FPS = HUMANML3D.fps
NAMES = "joints.txt"  # of all arrays in a folder; NAME.joints.txt of one
_POSITIONS = ("positions", "joints", "joints3d", "motion", "arr_0")
_RATES = ("fps", "frame_rate", "framerate", *RATES)
_BODIES = {22: HUMANML3D.joints, **{len(names): names for names in JOINTS.values()}}
# SMPL's joints -> their parents, by name; "" at the root.
_KNOWN = dict(zip(HUMANML3D.joints, ("", *(HUMANML3D.joints[at] for at in HUMANML3D.parents[1:])), strict=True))
_KNOWN |= {f"{side}_hand": f"{side}_wrist" for side in ("left", "right")}
_KNOWN |= dict.fromkeys(("jaw", "left_eye", "right_eye"), "head")
_KNOWN |= {
    finger: f"{finger[:-1]}{int(finger[-1]) - 1}" if finger[-1] > "1" else f"{finger.partition('_')[0]}_wrist"
    for finger in JOINTS["smplh"][HUMANML3D.num_joints :]
}
_ELASTIC = 0.25  # relative change of a bone's length, median over bones: recorded bodies stay below .05


def read_array(path: str | Path, fps: float | None = None, body_model: str | Path | None = None) -> Clip:
    """Positions [T, J, 3] of SMPL's first 22, of its 24, 52 (SMPL-H) or 55 (SMPL-X), or of joints that are named.

    In an ``.npz`` they are called positions, joints, joints3d or motion; fps, names and parents may stand beside.
    Elsewhere names are the lines of NAME.joints.txt, or of joints.txt in the folder: ``NAME, PARENT``. Poses of
    SMPL go through ``body_model``. ``fps`` stands in for the file's rate. Raises UserError.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return _clip(path, parse_npy(read_bytes(path, "NPY"), str(path)), fps, *_named_beside(path))
    with open_npz(path, path) as npz:
        key = next((key for key in _POSITIONS if key in npz), None)
        if key is not None:
            rate = fps or _rate(npz)
            named = _named_inside(npz) if "names" in npz else _named_beside(path)
            return _clip(path, npz[key], rate, *named)
        if "poses" not in npz and "pose_body" not in npz:
            held = ", ".join(npz.names[:8]) or "nothing"
            raise UserError(f"{path}: no array is called positions, nor is it SMPL's (it holds {held})")
    if body_model is None:
        raise UserError(f"{path}: holds poses of SMPL's; give your SMPL, SMPL-H or SMPL-X model with --body_model")
    return read_smpl(path, body_model, fps)


def _clip(
    path: Path, values: NDArray[Any], fps: float | None, names: Sequence[str] | None, parents: Sequence[str] | None
) -> Clip:
    if values.ndim != 3 or values.shape[2] != 3 or 0 in values.shape or values.dtype.kind not in "fiu":
        raise UserError(f"{path}: is {values.dtype} {list(values.shape)}, expected numbers [frames, joints, 3]")
    J = values.shape[1]
    names = _BODIES.get(J) if names is None else names
    if names is None or len(names) != J:
        what = f"{len(names)} names" if names else f"no body is known of {J} joints"
        raise UserError(f"{path}: {J} joints, but {what}; list them in {path.stem}.{NAMES}, a line NAME, PARENT each")
    with np.errstate(invalid="ignore"):  # refused below
        positions = values.astype(np.float64)
    if not (np.abs(positions) <= LARGEST).all():
        raise UserError(f"{path}: holds values that are not finite, or not of a plausible size")
    try:
        above = _parents(names, parents)
        order = parents_first(above)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    _check_bones(path, positions, above)
    place = {joint: number for number, joint in enumerate(order)}
    note = f"no rate in it: {ASSUMED_FPS:g} frames a second are assumed, HumanML3D's; --fps settles it"
    return Clip(
        distinct_names(names[joint] for joint in order), tuple(place.get(above[joint], -1) for joint in order),
        positions[:, order], fps or ASSUMED_FPS, notes=() if fps else (note,),
    )  # fmt: skip


def _named_inside(npz: Npz) -> tuple[Sequence[str], Sequence[str] | None]:
    """Names, and the name of each one's parent where numbers of parents are given."""
    words = npz["names"].ravel()
    names = [str(name) for name in (np.char.decode(words, "latin-1") if words.dtype.kind == "S" else words)]
    if "parents" not in npz:
        return names, None
    numbers = npz["parents"].ravel()
    if numbers.dtype.kind not in "iu" or len(numbers) != len(names) or not ((numbers < len(names)).all()):
        raise UserError(f"{npz.label}: parents are not the numbers of {len(names)} joints, -1 at the root")
    return names, [names[number] if number >= 0 else "" for number in numbers.tolist()]


def _named_beside(path: Path) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    """The same from a text file beside; None where there is none."""
    beside = next((file for file in (path.with_suffix(f".{NAMES}"), path.parent / NAMES) if file.is_file()), None)
    if beside is None:
        return None, None
    rows = [line.partition(",") for line in read_text(beside, "names of joints").split("\n") if line.strip()]
    names = [name.strip() for name, _, _ in rows]
    return names, [parent.strip() for _, _, parent in rows] if any(parent for *_, parent in rows) else None


def _rate(npz: Npz) -> float | None:
    key = next((key for key in _RATES if key in npz), None)
    if key is None:
        return None
    value = npz[key]
    if value.size != 1 or value.dtype.kind not in "fiu" or not SLOWEST <= float(value.ravel()[0]) <= FASTEST:
        raise UserError(f"{npz.label}: {key} is no rate of frames a second; give it with --fps")
    return float(value.ravel()[0])


def _parents(names: Sequence[str], parents: Sequence[str] | None) -> list[int]:
    """Numbers of parents, -1 at roots; of SMPL's joints where none are given. ValueError where one is unknown."""
    place = {name: number for number, name in reversed(list(enumerate(names)))} | {"": -1}
    if parents is None:
        if unknown := [name for name in names if name not in _KNOWN]:
            raise ValueError(f"joint {unknown[0]!r} needs a parent: a line NAME, PARENT, or NAME, at the root")
        parents = [_KNOWN[name] for name in names]
        while missing := {parent for parent in parents if parent not in place}:
            parents = [_KNOWN[parent] if parent in missing else parent for parent in parents]
    if absent := [parent for parent in parents if parent not in place]:
        raise ValueError(f"{absent[0]!r} is named as a parent, but is none of its joints")
    return [place[parent] for parent in parents]


def _check_bones(path: Path, positions: NDArray[np.float64], parents: Sequence[int]) -> None:
    """UserError where bones stretch: rotations or normalised values are no places."""
    joints = [joint for joint, parent in enumerate(parents) if parent >= 0]
    lengths = np.linalg.norm(positions[:, joints] - positions[:, [parents[joint] for joint in joints]], axis=-1)
    means = lengths.mean(axis=0)
    change = lengths.std(axis=0)[means > 0] / means[means > 0]
    if change.size and np.median(change) > _ELASTIC:
        raise UserError(f"{path}: bones change their length by {np.median(change):.0%}; are these joint positions?")
