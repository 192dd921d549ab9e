"""Which joints of a captured skeleton stand for ours: built-in conventions, or a user's JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sopo.errors import UserError
from sopo.motion.retarget import BANDAI_NAMCO, JointMapping
from sopo.motion.skeleton import HUMANML3D

_MIDDLE = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
_SIDED = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")


def _mapping(middle: Sequence[str], sided: Sequence[str]) -> JointMapping:
    """Names in the order of ``_MIDDLE`` and ``_SIDED`` (less the word Left); ``a+b`` is the midpoint."""
    names = dict(zip(_MIDDLE, middle, strict=True))
    for side in ("left", "right"):
        for joint, theirs in zip(_SIDED, sided, strict=True):
            names[f"{side}_{joint}"] = "+".join(side.capitalize() + name for name in theirs.split("+"))
    return {joint: tuple(theirs.split("+")) for joint, theirs in names.items()}


# In CMU's files LHipJoint, LeftShoulder and Neck lie on top of their parents, so other joints are taken.
CONVENTIONS: dict[str, JointMapping] = {
    "bandai-namco": BANDAI_NAMCO,
    "mixamo": _mapping(
        ["Hips", "Spine", "Spine1", "Spine2", "Neck", "Head"],
        ["UpLeg", "Leg", "Foot", "ToeBase", "Shoulder", "Arm", "ForeArm", "Hand"],
    ),
    "cmu": _mapping(
        ["Hips", "Hips+Spine", "Spine", "Spine1", "Neck1", "Head"],
        ["UpLeg", "Leg", "Foot", "ToeBase", "Shoulder+Arm", "Arm", "ForeArm", "Hand"],
    ),
    HUMANML3D.name: {joint: (joint,) for joint in HUMANML3D.joints},
}


def detect_mapping(names: Sequence[str]) -> tuple[str, JointMapping]:
    """The first convention all of whose joints the clip has, in the clip's own spelling.

    Capitals and namespaces (``mixamorig:Hips``) do not matter. UserError if no convention fits.
    """
    spelling = {name.rpartition(":")[2].lower(): name for name in names}
    for convention, mapping in CONVENTIONS.items():
        if all(theirs.lower() in spelling for group in mapping.values() for theirs in group):
            own = {joint: tuple(spelling[theirs.lower()] for theirs in group) for joint, group in mapping.items()}
            return convention, own
    shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
    raise UserError(f"joint names ({shown}) fit none of {', '.join(CONVENTIONS)}; give a mapping file")


def read_mapping(path: Path) -> JointMapping:
    """A JSON object: each of our 22 joints -> the name of theirs, or a list of names to average."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected an object, our joint -> their joint")
    mapping: dict[str, tuple[str, ...]] = {}
    for joint, theirs in entries.items():
        group = [theirs] if isinstance(theirs, str) else theirs
        if not isinstance(group, list) or not group or not all(isinstance(name, str) for name in group):
            raise UserError(f"{path}: {joint!r} must name a joint, or a list of joints to average")
        mapping[joint] = tuple(group)
    if wrong := sorted(set(HUMANML3D.joints) ^ set(mapping)):
        raise UserError(f"{path}: missing or unknown joints {', '.join(wrong)}")
    return mapping
