"""How the clips of a folder are to be read: first each is looked at, then those of one skeleton decide together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from sopo.data.importers.mapping import Given, choose
from sopo.errors import UserError
from sopo.motion.clip import Clip
from sopo.motion.posture import Signs, Up, flips, is_reversed, opposite, read_signs, settle_unit, settle_up
from sopo.motion.recognise import Body, recognise
from sopo.motion.rest_pose import is_alike
from sopo.motion.retarget import JointMapping, on_body
from sopo.motion.skeleton import HUMANML3D

_ENOUGH = 200  # frames that show how a clip stands
_SAME = 0.02  # share by which bones of one skeleton differ
_CROSSED = -0.3  # cosine between hips and shoulders of a body whose arms or legs have their sides exchanged
_MIRRORED = (
    "knees and toes point backwards, so it is taken for a mirror image and mirrored back; if its names are wrong "
    "instead, exchange left and right in the mapping file"
)


@dataclass(frozen=True)
class Look:
    """What a first reading of a clip shows. up, unit: as its format states them. bones: [J] lengths in its unit."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    bones: np.ndarray
    up: str | None
    unit: float | None
    body: Body
    signs: Signs
    rest: Signs | None
    given: Given | None


@dataclass(frozen=True)
class Unread:
    """Why a clip is not read; names: its joints, if nobody knows which of them is which."""

    reason: str
    names: tuple[str, ...] = ()


@dataclass
class Rig:
    """Clips of one skeleton that are read in one way, and how; or why they are not (``refused``, some: ``strays``)."""

    looks: dict[str, Look]
    joints: JointMapping
    up: str = ""
    unit: float = 1.0
    mirrored: bool = False
    doubts: list[str] = field(default_factory=list)
    refused: str = ""
    strays: dict[str, str] = field(default_factory=dict)

    @property
    def first(self) -> Look:
        """Any of its clips."""
        return next(iter(self.looks.values()))

    @property
    def signs(self) -> list[Signs]:
        """Of all clips."""
        return [look.signs for look in self.looks.values()]


def look_at(name: str, clip: Clip, given: Sequence[Given]) -> Look | Unread:
    """A first reading of one clip, unless it has no body, or none of the mapping file's fits it."""
    step = max(1, len(clip.positions) // _ENOUGH)
    few = replace(clip, positions=clip.positions[::step])
    meant = choose(given, name, clip.names)
    if given and meant is None:
        return Unread(f"no skeleton of the mapping file fits its joints {', '.join(clip.names[:8])} ...", clip.names)
    try:
        body = _given(meant, few) if meant else recognise(clip.names, clip.parents, few.positions)
    except UserError as error:
        return Unread(str(error), clip.names)
    toed = bool(body.weights["left_foot"])
    bones = few.positions - few.positions[:, [max(parent, 0) for parent in clip.parents]]
    return Look(
        clip.names,
        clip.parents,
        np.median(np.linalg.norm(bones, axis=-1), axis=0),
        clip.up,
        clip.unit,
        body,
        read_signs(on_body(few, body.weights), clip.fps / step, toed),
        _rest(clip, body, toed),
        meant,
    )


def _given(given: Given, clip: Clip) -> Body:
    """The body of a mapping file; a foot in its ankle's place, which has no direction, is sought as if not given."""
    joints = dict(given.joints)
    lost = [side for side in ("left", "right") if joints[f"{side}_foot"] == joints[f"{side}_ankle"]]
    found: JointMapping = {}
    if lost:
        with suppress(UserError):
            found = recognise(clip.names, clip.parents, clip.positions).weights
    for side in lost:
        same = found.get(f"{side}_ankle") == joints[f"{side}_ankle"]
        joints[f"{side}_foot"] = found[f"{side}_foot"] if same else {}
    return Body(joints, "given", True)


def _rest(clip: Clip, body: Body, toed: bool) -> Signs | None:
    """What the rest pose shows, if it is one to be seen: some files have all bones in a line there."""
    resting = clip.at_rest()
    pose = on_body(resting, body.weights) if resting else None
    return read_signs(pose, clip.fps, toed) if pose is not None and is_alike(pose[0]) else None


def settle(looks: Mapping[str, Look], up: str | None, unit: float | None) -> list[Rig]:
    """Skeletons of the clips (by name), each settled or refused; ``up`` and ``unit`` overrule what is found."""
    rigs = _grouped(looks)
    found = [settle_up(rig.signs, rig.first.rest) for rig in rigs]
    for rig, own in zip(rigs, found, strict=True):
        rig.up = up or (rig.first.given and rig.first.given.up) or rig.first.up or ""
        if rig.up and rig.up == rig.first.up and own.sure and own.axis != rig.up:
            rig.refused = f"its format says that {rig.up} is up, but its clips walk upright along {own.axis}: give --up"
        if not rig.up:
            told = own if own.sure else _borrowed(rig, rigs, found) or own
            rig.up = told.axis
            rig.doubts += [told.doubt] if told.doubt else []
    settled = [part for rig in rigs for part in _parted(rig, up)]
    _share_joints(settled)
    for rig in settled:
        _settle(rig, up, unit)
    return _merged(settled)


def _grouped(looks: Mapping[str, Look]) -> list[Rig]:
    """Clips of equal joints and bones together."""
    alike: dict[object, list[Rig]] = defaultdict(list)
    for name, look in sorted(looks.items()):
        key = look.names, look.parents, look.up, look.unit, id(look.given)
        atol = 0.005 * look.signs.leg
        for rig in alike[key]:
            if np.allclose(rig.first.bones, look.bones, rtol=_SAME, atol=atol):
                rig.looks[name] = look
                break
        else:
            alike[key].append(Rig({name: look}, look.body.weights, doubts=list(look.body.doubts)))
    return [rig for group in alike.values() for rig in group]


def _borrowed(rig: Rig, rigs: Sequence[Rig], found: Sequence[Up]) -> Up | None:
    """What is sure of other actors with the same joints, if they agree."""
    sure = {up.axis: up for other, up in zip(rigs, found, strict=True) if up.sure and _named(other) == _named(rig)}
    return next(iter(sure.values())) if len(sure) == 1 else None


def _named(rig: Rig) -> tuple[tuple[str, ...], tuple[int, ...]]:
    return rig.first.names, rig.first.parents


def _parted(rig: Rig, up: str | None) -> list[Rig]:
    """Those of its clips apart that stand the other way up, or are mirror images of the others."""
    free = not (up or rig.first.up or (rig.first.given and rig.first.given.up))
    parts: dict[tuple[bool, bool], Rig] = {}
    usual = is_reversed(rig.signs)
    if usual is None and not rig.first.body.sided:
        rig.refused = "neither names nor knees and toes tell left from right; give a mapping file"
    for name, look in rig.looks.items():
        flipped = free and bool(rig.up) and flips(look.signs, rig.up)
        exchanged = is_reversed([look.signs])
        exchanged = bool(usual) if exchanged is None else exchanged
        part = parts.setdefault((flipped, exchanged), replace(rig, looks={}, doubts=list(rig.doubts), strays={}))
        part.looks[name] = look
        part.mirrored = exchanged
    for (flipped, _), part in parts.items():
        if flipped:
            part.up = opposite(rig.up)
            part.doubts = [*part.doubts, f"its clips stand along {part.up}, others of the same skeleton do not (--up)"]
    return list(parts.values())


def _share_joints(rigs: Sequence[Rig]) -> None:
    """Actors of one skeleton whose joints are told alike get the very same shares, those of the first."""
    first: dict[object, JointMapping] = {}
    for rig in rigs:
        told = tuple((ours, *sorted(theirs)) for ours, theirs in sorted(rig.joints.items()))
        rig.joints = first.setdefault((*_named(rig), told), rig.joints)


def _merged(rigs: Sequence[Rig]) -> list[Rig]:
    """Those that came to be read in the same way together."""
    merged: dict[object, Rig] = {}
    for rig in rigs:
        joints = tuple((ours, *sorted(theirs.items())) for ours, theirs in sorted(rig.joints.items()))
        way = rig.up, rig.unit, rig.mirrored, rig.refused, *rig.doubts, rig.first.body.told
        into = merged.setdefault((*_named(rig), joints, way), rig)
        if into is not rig:
            into.looks |= rig.looks
            into.strays |= rig.strays
    return list(merged.values())


def _settle(rig: Rig, up: str | None, unit: float | None) -> None:
    given = rig.first.given
    if not rig.up:
        beast = rig.first.body.beast
        rig.refused = f"an animal, by its {beast[0]}: only people are taken" if beast else rig.doubts.pop()
    elif not rig.refused and np.median([clip.square for clip in rig.signs]) < _CROSSED:
        rig.refused = "left and right of the arms are those of the legs exchanged; give a mapping file"
    rig.unit = unit or (given and given.unit) or rig.first.unit or 0.0
    if not rig.unit:
        rig.unit, doubt = settle_unit(float(np.median([clip.leg for clip in rig.signs])))
        rig.doubts += [doubt] if doubt else []
    if given and given.mirrored is not None:
        rig.mirrored = given.mirrored
    elif rig.mirrored and rig.first.body.sided:
        rig.doubts.append(_MIRRORED)
    elif rig.mirrored:
        rig.joints = {ours: rig.joints[HUMANML3D.joints[other]] for ours, other in _OTHER_SIDE}
        rig.mirrored = False
    for name, look in rig.looks.items():
        meant = given and given.up and (not given.clips or name in given.clips)
        if not (up or meant) and rig.up and (reason := look.signs.wrong_with(rig.up)):
            rig.strays[name] = reason


_OTHER_SIDE = tuple(zip(HUMANML3D.joints, HUMANML3D.mirror, strict=True))
