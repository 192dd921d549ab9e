"""Acclaim motion, as CMU's archive has it: a skeleton (.asf) for a subject, an .amc for each of its motions.

An Acclaim bone turns about its beginning, so it becomes the joint that is there; the tips of the last bones follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.formats.hierarchy import check_size, distinct_names, turned
from sopo.formats.text import parse_numbers, read_text
from sopo.motion.clip import Clip

Array = NDArray[np.float64]

CMU_FPS = 120.0
CMU_UNITS = {0.45: 0.0254 / 0.45}  # the file's word for its unit of length -> metres: inches, scaled by .45
_ROOT = "root"


@dataclass(frozen=True)
class _Bone:
    """vector: from its beginning to its tip [3]; axes [3, 3] that it turns about; order: "xyz" ...; moves: "rx" ..."""

    name: str
    vector: Array
    axes: Array
    order: str
    moves: tuple[str, ...]


@dataclass(frozen=True)
class _Skeleton:
    """Bones after those that they hang on, each with the number of that one; angles in degrees or in radians."""

    bones: tuple[_Bone, ...]
    parents: tuple[int, ...]
    degrees: bool
    unit: float | None


def read_amc(path: str | Path, fps: float | None = None) -> Clip:
    """The motion in an .amc, on the skeleton in the .asf beside it.

    That is the .asf whose name begins the motion's (127.asf for 127_11.amc), else the only one in the folder.
    The format states no rate: 120 frames a second are assumed, and it is said. Raises UserError.
    """
    path = Path(path)
    text = read_text(path, "AMC")
    beside, notes = _skeleton_beside(path)
    skeleton = _read_asf(beside)
    tips = [number for number in range(1, len(skeleton.bones)) if number not in skeleton.parents]
    try:
        values, remarks = _parse_frames(text, skeleton)
        check_size(len(values[0]), len(skeleton.bones) + len(tips), len(text))
        positions = _positions(skeleton, values, tips, skeleton.degrees and ":RADIANS" not in text[:1000].upper())
    except (UserError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
    if fps is None:
        notes += [f"AMC states no rate; {CMU_FPS:g} frames a second are assumed, as at CMU; --fps settles it"]
    names = [bone.name for bone in skeleton.bones]
    names += [f"{names[number]} end" for number in tips]
    return Clip(
        distinct_names(names), (*skeleton.parents, *tips), positions, fps or CMU_FPS, skeleton.unit,
        notes=(*notes, *remarks),
    )  # fmt: skip


def _skeleton_beside(path: Path) -> tuple[Path, list[str]]:
    found = sorted(other for other in path.parent.iterdir() if other.suffix.lower() == ".asf")
    stem = path.stem.lower()
    fitting = [
        other for other in found
        if stem.startswith(other.stem.lower()) and not stem[len(other.stem) : len(other.stem) + 1].isalnum()
    ]  # fmt: skip
    if fitting:
        return max(fitting, key=lambda other: len(other.stem)), []
    if len(found) == 1:
        return found[0], [f"{found[0].name} is taken for its skeleton, the only .asf beside it"]
    others = ", ".join(other.name for other in found[:4])
    beside = f"none of those beside it ({others}) is named so" if found else "there is none"
    raise UserError(f"{path}: needs its subject's skeleton, {path.stem.split('_')[0]}.asf, beside it; {beside}")


def _read_asf(path: Path) -> _Skeleton:
    sections: dict[str, list[list[str]]] = {}
    for line in read_text(path, "ASF").split("\n"):
        if line.lstrip().startswith(":"):
            keyword, *words = line.strip()[1:].split() or [""]
            lines = sections[keyword.lower()] = [words]
        elif sections and line.strip():
            lines.append(line.split())
    try:
        units = {words[0].lower(): words[1].lower() for words in sections["units"] if len(words) > 1}
        degrees = not units.get("angle", "deg").startswith("rad")
        bones = [_root(_by_keyword(sections["root"]), degrees), *_bones(sections["bonedata"], degrees)]
        above = {child: words[0] for words in sections["hierarchy"] for child in words[1:]}
        ordered, parents = _in_order(bones, above)
        unit = CMU_UNITS.get(float(units.get("length", "1")))
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}: {error}; damaged, or not an ASF file") from error
    except KeyError as error:
        raise UserError(f"{path}: lacks {error}; truncated, or not an ASF file") from error
    return _Skeleton(ordered, parents, degrees, unit)


def _by_keyword(lines: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    return {words[0].lower(): list(words[1:]) for words in lines if words}


def _root(entry: Mapping[str, list[str]], degrees: bool) -> _Bone:
    order = entry.get("axis", ["XYZ"])[0].lower()
    moves = tuple(move.lower() for move in entry["order"])
    turn = _axes(entry.get("orientation", ["0", "0", "0"]), order, degrees)
    return _Bone(_ROOT, _vector(entry.get("position", ["0", "0", "0"])), turn, order, moves)


def _bones(lines: Sequence[Sequence[str]], degrees: bool) -> list[_Bone]:
    bones = []
    entry: list[Sequence[str]] = []
    for words in lines:
        if words and words[0].lower() == "begin":
            entry = []
        elif words and words[0].lower() == "end":
            bones.append(_bone(_by_keyword(entry), degrees))
        else:
            entry.append(words)
    return bones


def _bone(entry: Mapping[str, list[str]], degrees: bool) -> _Bone:
    *angles, order = entry["axis"]
    moves = tuple(move.lower() for move in entry.get("dof", []))
    (name,) = entry["name"]
    if set(moves) - {"rx", "ry", "rz"}:
        raise ValueError(f"bone {name} does more than turn ({' '.join(moves)})")
    direction, length = _vector(entry["direction"]), float(parse_numbers(entry["length"][0])[0])
    if not 0.95 < np.linalg.norm(direction) < 1.05 or length < 0:
        raise ValueError(f"bone {name} has a direction that is not of length 1, or a negative length")
    return _Bone(name, direction * length, _axes(angles, order.lower(), degrees), order.lower(), moves)


def _vector(words: Sequence[str]) -> Array:
    values = parse_numbers(" ".join(words))
    if len(values) != 3:
        raise ValueError(f"{' '.join(words)!r} are not three numbers")
    return values


def _axes(angles: Sequence[str], order: str, degrees: bool) -> Array:
    if sorted(order) != ["x", "y", "z"]:
        raise ValueError(f"axis order {order!r} is no order of X, Y and Z")
    values = _vector(angles)[None]
    turns = tuple(f"r{axis}" for axis in order)
    return _turned(np.eye(3)[None], order, turns, np.deg2rad(values) if degrees else values)[0]


def _turned(rotations: Array, order: str, moves: tuple[str, ...], values: Array) -> Array:
    """Rotations [T, 3, 3], then turns about fixed axes in ``order``: the last one is the outermost."""
    for axis in reversed(order):
        if f"r{axis}" in moves:
            rotations = turned(rotations, "xyz".index(axis), values[:, moves.index(f"r{axis}")])
    return rotations


def _in_order(bones: Sequence[_Bone], above: Mapping[str, str]) -> tuple[tuple[_Bone, ...], tuple[int, ...]]:
    """Bones after those that they hang on, and the parent of each; ValueError if some hang on none."""
    if twice := [name for name, count in Counter(bone.name for bone in bones).items() if count > 1]:
        raise ValueError(f"bone {twice[0]} is there twice")
    hanging: dict[str | None, list[_Bone]] = {}
    for bone in bones[1:]:
        hanging.setdefault(above.get(bone.name), []).append(bone)
    ordered, parents = [bones[0]], [-1]
    for number, bone in enumerate(ordered):  # which grows on the way
        below = hanging.pop(bone.name, [])
        ordered += below
        parents += [number] * len(below)
    if hanging:
        raise ValueError(f"bone {next(iter(hanging.values()))[0].name} does not hang on the root")
    return tuple(ordered), tuple(parents)


def _parse_frames(text: str, skeleton: _Skeleton) -> tuple[list[Array], list[str]]:
    """For each bone its values [T, moves]; and remarks."""
    lines = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith(":")]
    starts = [number for number, line in enumerate(lines) if line.strip().isdigit()]
    period = (starts[1] if len(starts) > 1 else len(lines)) if starts else 0
    whole = len(lines) // period if period else 0
    # Without a line end the last number may be cut.
    whole -= whole * period == len(lines) and whole > 1 and not text[-1].isspace()
    if whole < 1 or starts[0] != 0:
        raise UserError("no frame, a number and then a line for each bone; truncated, or not an AMC file")
    numbers = parse_numbers("\n".join(lines[: whole * period : period]))
    if len(numbers) != whole or (whole > 2 and not (np.diff(numbers, 2) == 0).all()):
        raise UserError("its frames are not numbered in a row, or some lack bones")
    rows = {lines[at].split()[0]: lines[at : whole * period : period] for at in range(1, period)}
    if unknown := set(rows) - {bone.name for bone in skeleton.bones}:
        raise UserError(f"moves {min(unknown)}, which its skeleton lacks; is the .asf another subject's?")
    values = [_values(bone, rows.get(bone.name), whole) for bone in skeleton.bones]
    return values, [f"ends within frame {whole + 1}, which is left out"] if whole * period < len(lines) else []


def _values(bone: _Bone, lines: list[str] | None, frames: int) -> Array:
    if lines is None and bone.moves:
        raise UserError(f"does not move {bone.name}; is the .asf another subject's?")
    parts = [line.split(maxsplit=1) for line in lines or []]
    if any(part[0] != bone.name for part in parts):
        raise UserError(f"some frame lacks {bone.name}")
    values = parse_numbers("\n".join(part[1] for part in parts if len(part) > 1))
    if values.size != frames * len(bone.moves):
        raise UserError(f"{bone.name} needs {len(bone.moves)} numbers a frame; is the .asf another subject's?")
    return values.reshape(frames, len(bone.moves))


def _positions(skeleton: _Skeleton, values: list[Array], tips: list[int], degrees: bool) -> Array:
    """World positions [T, J + tips, 3] of the beginnings of bones, then of tips."""
    frames = len(values[0])
    begins = np.empty((frames, len(skeleton.bones) + len(tips), 3))
    ends = np.empty((frames, len(skeleton.bones), 3))
    rotations: list[Array] = []
    for number, (bone, parent, moved) in enumerate(zip(skeleton.bones, skeleton.parents, values, strict=True)):
        before = rotations[parent] if number else np.broadcast_to(np.eye(3), (frames, 3, 3))
        angles = np.deg2rad(moved) if degrees else moved
        rotations.append(_turned(before @ bone.axes, bone.order, bone.moves, angles) @ bone.axes.T)
        if number:
            begins[:, number] = ends[:, parent]
            ends[:, number] = ends[:, parent] + rotations[number] @ bone.vector
        else:
            along = [bone.moves.index(f"t{axis}") for axis in "xyz"]
            begins[:, 0] = ends[:, 0] = bone.vector + moved[:, along]
    begins[:, len(skeleton.bones) :] = ends[:, tips]
    return begins
