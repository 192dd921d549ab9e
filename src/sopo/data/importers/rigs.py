"""How the clips of a folder are to be read: first each is looked at, then those of one skeleton decide together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sopo.data.importers.mapping import Given, choose
from sopo.errors import UserError
from sopo.motion.clip import Clip
from sopo.motion.posture import AXES, Signs, read_signs, settle_sides, settle_unit, settle_up
from sopo.motion.recognise import Body, recognise
from sopo.motion.retarget import JointMapping, on_body
from sopo.motion.skeleton import HUMANML3D

_ENOUGH = 200  # frames that show how a clip stands
_SAME = 0.02  # share by which bones of one skeleton differ


@dataclass(frozen=True)
class Look:
    """What a first reading of a clip shows. up, unit: as its format states them. bones: [J] lengths in its unit.

    notes: what its reader settled.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    bones: np.ndarray
    up: str | None
    unit: float | None
    body: Body
    signs: Signs
    given: Given | None
    notes: tuple[str, ...]


@dataclass
class Rig:
    """Clips of one skeleton and how they are read, or why they are not (``refused``)."""

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
        return next(iter(self.looks.values()))

    @property
    def signs(self) -> list[Signs]:
        return [look.signs for look in self.looks.values()]


def look_at(name: str, clip: Clip, given: Sequence[Given]) -> Look:
    """A first reading of one clip; UserError if it has no body, or none of the mapping file's fits it."""
    few = clip.positions[:: max(1, len(clip.positions) // _ENOUGH)]
    meant = choose(given, name, clip.names)
    if given and meant is None:
        raise UserError(f"no skeleton of the mapping file fits its joints {', '.join(clip.names[:8])} ...")
    body = Body(meant.joints, "given", True, ()) if meant else recognise(clip.names, clip.parents, few)
    bones = few - few[:, [max(parent, 0) for parent in clip.parents]]
    return Look(
        clip.names,
        clip.parents,
        np.median(np.linalg.norm(bones, axis=-1), axis=0),
        clip.up,
        clip.unit,
        body,
        read_signs(on_body(clip, body.weights)[:: max(1, len(clip.positions) // _ENOUGH)]),
        meant,
        clip.notes,
    )


def settle(looks: Mapping[str, Look], up: str | None, unit: float | None) -> list[Rig]:
    """Skeletons of the clips (by name), each settled or refused; ``up`` and ``unit`` overrule what is found."""
    rigs = _grouped(looks)
    for rig in rigs:
        rig.up = up or (rig.first.given and rig.first.given.up) or rig.first.up or ""
        rig.up = rig.up or settle_up(rig.signs)
    for rig in rigs:
        rig.up = rig.up or _borrowed(rig, rigs)
        _settle(rig, unit, sure=bool(up or (rig.first.given and rig.first.given.up)))
    return rigs


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


def _borrowed(rig: Rig, others: Sequence[Rig]) -> str:
    """The axis on which other actors of the same joints agree."""
    found = {other.up for other in others if other.up and other.first.names == rig.first.names and other is not rig}
    return found.pop() if len(found) == 1 else ""


def _settle(rig: Rig, unit: float | None, sure: bool) -> None:
    given, signs = rig.first.given, rig.signs
    if not rig.up:
        rig.refused = "nobody stands upright in any clip of this skeleton, so which axis is up? give --up"
        return
    try:
        reversed_sides = settle_sides(signs)
    except UserError as error:
        rig.refused = str(error)
        return
    doubt = ""
    stated = unit or (given and given.unit) or rig.first.unit
    rig.unit, doubt = (stated, "") if stated else settle_unit(float(np.median([clip.leg for clip in signs])))
    if given and given.mirrored is not None:
        rig.mirrored = given.mirrored
    elif reversed_sides and rig.first.body.sided:
        rig.mirrored = True
        rig.doubts.append(
            "knees and toes point backwards, so it is taken for a mirror image and mirrored back; if its names are "
            "wrong instead, exchange left and right in the mapping file"
        )
    elif reversed_sides:
        rig.joints = {joint: rig.joints[HUMANML3D.joints[other]] for joint, other in _exchanged()}
    rig.doubts += [doubt] if doubt else []
    for name, look in rig.looks.items():
        if not sure and look.signs.strays(rig.up):
            rig.strays[name] = (
                f"its body follows {max(AXES, key=look.signs.along)} more than {rig.up}, which is up by the other "
                f"clips or its file: lying, or bent all the time? --up {rig.up} takes it so"
            )


def _exchanged() -> list[tuple[str, int]]:
    return list(zip(HUMANML3D.joints, HUMANML3D.mirror, strict=True))
