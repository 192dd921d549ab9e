"""The mapping file of an import: for each skeleton of the folder which joint is which, which axis is up, the unit.

An import writes one (``mapping.json``); corrected by hand it goes into the next one:

    {"skeletons": [{"clips": ["walk", ...], "up": "z", "unit": 0.01, "mirrored": false, "joints": {"pelvis": "Hips",
     "spine1": {"Hips": 0.5, "Spine": 0.5}, "left_foot": [], ...}}]}

A joint of ours stands for one of theirs, the mean of a list, or a weighted mean; a foot of none is put on the sole, one
in the place of its ankle where the foot ends.
All but "joints" may be left out, and an object of the 22 joints alone will do for all clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sopo.errors import UserError
from sopo.json_files import read_json
from sopo.motion.posture import AXES
from sopo.motion.retarget import JointMapping
from sopo.motion.skeleton import HUMANML3D

MAPPING_FILE = "mapping.json"
_FEET = ("left_foot", "right_foot")


@dataclass(frozen=True)
class Given:
    """What a mapping file says of one skeleton; None is to be found out. clips: for which it is meant first."""

    joints: JointMapping
    up: str | None = None
    unit: float | None = None
    mirrored: bool | None = None
    clips: tuple[str, ...] = ()

    def fits(self, names: Sequence[str]) -> bool:
        """Whether a clip has all joints that are named."""
        return {name for theirs in self.joints.values() for name in theirs} <= set(names)


def read_mapping(path: Path) -> list[Given]:
    """The skeletons of a mapping file; UserError says which entry is wrong."""
    entries = read_json(path)
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected an object, our joint -> their joint")
    skeletons = entries.get("skeletons", [{"joints": entries}])
    if not isinstance(skeletons, list) or not all(isinstance(each, dict) for each in skeletons):
        raise UserError(f"{path}: 'skeletons' must be a list of objects with 'joints'")
    return [_given(path, entry) for entry in skeletons if not _is_blank(entry)]


def choose(given: Sequence[Given], clip: str, names: Sequence[str]) -> Given | None:
    """The skeleton meant for a clip: one that lists it, else the first whose joints it has."""
    fitting = [each for each in given if each.fits(names)]
    return next((each for each in fitting if clip in each.clips), next(iter(fitting), None))


def _is_blank(entry: Mapping[str, Any]) -> bool:
    """Whether an entry for a skeleton that was not recognised was left as it was written."""
    joints = entry.get("joints")
    return isinstance(joints, dict) and bool(joints) and not any(joints.values())


def _given(path: Path, entry: Mapping[str, Any]) -> Given:
    if unknown := sorted(set(entry) - {"clips", "joints", "up", "unit", "mirrored", "refused", "names"}):
        raise UserError(f"{path}: unknown entry {unknown[0]!r} of a skeleton")
    up, unit, mirrored = entry.get("up"), entry.get("unit"), entry.get("mirrored")
    if up is not None and up not in AXES:
        raise UserError(f"{path}: 'up' is {up!r}; expected one of {', '.join(AXES)}")
    if unit is not None and (isinstance(unit, bool) or not isinstance(unit, (int, float)) or not 0 < unit < 1e6):
        raise UserError(f"{path}: 'unit' is {unit!r}; expected metres a unit, such as 0.01")
    if mirrored not in (None, True, False):
        raise UserError(f"{path}: 'mirrored' is {mirrored!r}; expected true or false")
    clips = entry.get("clips", [])
    if not isinstance(clips, list):
        raise UserError(f"{path}: 'clips' must be a list of names")
    return Given(_joints(path, entry.get("joints")), up, unit, mirrored, tuple(map(str, clips)))


def _joints(path: Path, entries: Any) -> JointMapping:
    if not isinstance(entries, dict):
        raise UserError(f"{path}: a skeleton needs 'joints', an object of our 22 joints")
    if wrong := sorted(set(HUMANML3D.joints) ^ set(entries)):
        raise UserError(f"{path}: missing or unknown joints {', '.join(wrong)}")
    return {joint: _weights(path, joint, theirs) for joint, theirs in entries.items()}


def _weights(path: Path, joint: str, theirs: Any) -> dict[str, float]:
    if isinstance(theirs, str):
        return {theirs: 1.0}
    if isinstance(theirs, list) and (theirs or joint in _FEET) and all(isinstance(name, str) for name in theirs):
        return {name: theirs.count(name) / len(theirs) for name in theirs}
    shares = list(theirs.values()) if isinstance(theirs, dict) else []
    if shares and all(isinstance(share, (int, float)) for share in shares) and abs(sum(shares) - 1) < 1e-3:
        return {name: share / sum(shares) for name, share in theirs.items()}
    raise UserError(f"{path}: {joint!r} must name a joint, a list of joints to average, or their shares, in sum 1")


def written(joints: JointMapping) -> dict[str, Any]:
    """A mapping as the file has it."""
    return {joint: _written(joints[joint]) for joint in HUMANML3D.joints}


def _written(weights: Mapping[str, float]) -> Any:
    if len(set(weights.values())) > 1:
        return {name: round(share, 4) for name, share in weights.items()}
    return next(iter(weights)) if len(weights) == 1 else list(weights)
