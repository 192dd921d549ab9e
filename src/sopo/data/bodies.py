"""What is off with the bodies of a folder: a person who lies is one clip, a folder that lies has another axis up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sopo.motion.decode import decode_joints, decode_rotations
from sopo.motion.features import feature_slices
from sopo.motion.kinematics import forward_kinematics
from sopo.motion.skeleton import Skeleton
from sopo.motion.stance import Stance, largest_jump, stance

Array = NDArray[np.float32]

# Recorded people are far from these: knees and toes lie .12 to .42 of the leg ahead, hips and shoulders face as one.
LYING, UPSIDE_DOWN = 0.5, -0.5  # of the trunk's cosine to +Y and of the legs' drop
AHEAD = 0.02  # of the leg
LEG_M = (0.5, 1.2)
FLOOR_M = (-0.08, 0.15)
STILL_M = 0.01
STRETCH_M, LOOSE_M = 0.05, 0.3  # of recorded bones; of a generator's, whose wrists stray by .2
FACING = 0.5  # cosine
ROTATION = 0.1  # height of a unit vector
VELOCITY_M_S = 0.5

MOST, FEW = 0.5, 2  # share of the clips from which on a fault is the folder's; not of a single clip
UNITS_M = {"millimetres": 1e-3, "centimetres": 1e-2, "inches": 0.0254, "decimetres": 0.1, "feet": 0.3048}
LEG_OF_A_PERSON_M = 0.82

_FRAMES, _CLIPS = 4, 128  # whose rotations are looked at: frames of a clip, clips at a time


@dataclass(frozen=True)
class Fault:
    """A kind of trouble: what to say and to do where some clips have it, and where most do."""

    some: str
    remedy: str
    most: str
    most_remedy: str
    level: str = "error"  # where most have it

    def rows(self, kind: str) -> dict[str, tuple[str, str, str]]:
        """As rows of ``sopo.data.check.KINDS``."""
        return {
            kind: ("warning", self.some, self.remedy),
            f"most-{kind}": (self.level, self.most, self.most_remedy),
        }


_LOOK = "look at them: sopo data view FOLDER --only_warnings true"
FAULTS = {
    "lies": Fault(
        "clips that lie or crawl most of their time",
        f"nothing where people do so, else import again with --up z; {_LOOK}",
        "most clips lie on their side",
        "another axis than Y points up: import again with --up z",
    ),
    "upside-down": Fault(
        "clips that stand on their head",
        f"nothing where people do so; {_LOOK}",
        "most clips stand on their head",
        "the up axis points down: import again with --up=-y",
    ),
    "backwards": Fault(
        "knees and toes point backwards",
        "left and right are exchanged, or the motion is a mirror image: import them again",
        "knees and toes point backwards in most clips",
        "left and right are exchanged, or an axis is mirrored: import again with a --mapping that has them right",
    ),
    "crossed": Fault(
        "hips and shoulders face opposite ways",
        "left and right are exchanged in the arms or in the legs: import them again",
        "hips and shoulders face opposite ways in most clips",
        "left and right are exchanged in the arms or in the legs: import again with a --mapping that has them right",
    ),
    "turned": Fault(
        "features that do not start facing +Z",
        "encode them again: sopo.motion.encode.encode_joints",
        "most features do not start facing +Z",
        "encode them again: sopo.motion.encode.encode_joints",
    ),
    "size": Fault(
        "bodies of no person's size",
        "bring them to metres (KIT-ML: to its units) and encode them again",
        "most bodies are of no person's size",
        "the unit is another: import again with --unit, metres in one of its units",
    ),
    "off-floor": Fault(
        "clips above or below the floor most of their time",
        f"nothing where people climb or swim; {_LOOK}",
        "most clips are above or below the floor",
        "put the lowest joint of each clip at height 0: sopo.motion.encode.place",
        "warning",
    ),
    "frozen": Fault(
        "clips in which nothing moves",
        "leave them out",
        "nothing moves in most clips",
        "import again from the motions themselves",
    ),
    "rest-pose": Fault(
        "clips whose frame 0 does not belong to the motion (a rest pose?)",
        "cut frame 0 off: import again, which leaves a rest pose out",
        "frame 0 does not belong to the motion in most clips (a rest pose?)",
        "cut frame 0 off: import again, which leaves a rest pose out",
    ),
    "jumps": Fault(
        "clips that jump from one frame to the next",
        f"cut them there or leave them out; {_LOOK}",
        "most clips jump from one frame to the next",
        "the tracking was lost, or frames are missing: mend the source and import again",
    ),
    "turn-flips": Fault(
        "clips whose turn flips its sign in one frame, as the published encoder writes it past half a turn",
        "nothing to compare with published models; import the motions themselves to be rid of it",
        "the turn flips its sign in one frame of most clips, as the published encoder writes it past half a turn",
        "import the motions themselves to be rid of it",
        "warning",
    ),
    "stretches": Fault(
        "bones that change their length",
        f"mend or leave out the clips; {_LOOK}",
        "bones change their length in most clips",
        "joints that do not belong to one body: encode_joints(..., retarget=True) gives bones their length",
        "warning",
    ),
    "disagrees": Fault(
        "features whose positions, velocities and rotations disagree",
        "encode them again: sopo.motion.encode.encode_joints",
        "positions, velocities and rotations of the features disagree in most clips",
        "models that read rotations or velocities will read another motion: encode them again",
        "warning",
    ),
}


@np.errstate(all="ignore")  # huge values are of no person's size, and no more is said of them
def faults(joints: Array, skeleton: Skeleton, recorded: bool = True) -> dict[str, str]:
    """Joints [T, J, 3] in units, finite -> kind of fault (a key of FAULTS): what was measured.

    recorded: they are of a data set's features, where bones keep their length, feet reach the floor and the body
    starts facing +Z; a generator's may do less.
    """
    if len(joints) < 2:
        return {}
    body = stance(joints, skeleton)
    found = dict(_posture(body))
    if LEG_M[0] <= body.leg <= LEG_M[1]:
        found |= dict(_motion(body, STRETCH_M if recorded else LOOSE_M))
    else:  # then no other length means anything
        found["size"] = f"leg of {body.leg:.3g} m{_unit_hint(body.leg)}"
    return found | dict(_placing(body)) if recorded else found


def _posture(body: Stance) -> Iterator[tuple[str, str]]:
    if body.trunk < UPSIDE_DOWN and body.legs < 0:
        yield "upside-down", ""
    elif body.trunk < LYING and body.legs < LYING:
        yield "lies", ""
    if body.square < 0:
        yield "crossed", ""
    elif body.ahead < AHEAD:
        yield "backwards", f"by {-100 * body.ahead:.0f}% of the leg"


def _motion(body: Stance, stretch: float) -> Iterator[tuple[str, str]]:
    if body.moved < STILL_M:
        yield "frozen", ""
    if body.jump:
        where = f"frame {body.jump_at} to {body.jump_at + 1}, {body.jump:.1f} m/s in the mean of joints"
        yield "jumps" if body.jump_at else "rest-pose", where
    if body.stretch > stretch:
        yield "stretches", f"to {body.stretched} by {body.stretch:.2f} m"


def _placing(body: Stance) -> Iterator[tuple[str, str]]:
    if not FLOOR_M[0] <= body.lowest <= FLOOR_M[1]:
        yield "off-floor", f"by {body.lowest:.2f} m"
    if body.faces < FACING:
        yield "turned", ""


def _unit_hint(leg: float) -> str:
    """The unit that makes ``leg`` a person's, if one does."""
    for name, metres in UNITS_M.items():
        if LEG_M[0] <= leg * metres <= LEG_M[1]:
            return f": {name} taken as metres?"
    return ""


@np.errstate(all="ignore")
def feature_faults(features: Array, skeleton: Skeleton) -> tuple[Array, dict[str, str]]:
    """Raw features [T, D], finite, T >= 2 -> the joints [T, J, 3] in them, and their faults but those of rotations."""
    joints = decode_joints(torch.from_numpy(features), skeleton).numpy()
    found = faults(joints, skeleton)
    stored, moved = _speeds(features, joints, skeleton)
    if (gap := np.abs(stored - moved).mean()) > VELOCITY_M_S:
        found["disagrees"] = f"velocities, by {gap:.1f} m/s"
    elif "jumps" in found and not largest_jump(stored)[0]:
        found["turn-flips"] = found.pop("jumps")
    return joints, found


class Bodies:
    """The faults of many clips, told apart into those of some and those of most."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self._found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._waiting: dict[str, Array] = {}
        self._clips = 0

    def add(self, key: str, features: Array) -> None:
        """Look at a clip's raw features [T, D], finite, T >= 2."""
        self.note(key, feature_faults(features, self.skeleton)[1])
        self._waiting[key] = some_frames(features)
        if len(self._waiting) == _CLIPS:
            self._look_at_rotations()

    def note(self, key: str, found: Mapping[str, str]) -> None:
        """Count a clip whose faults are known already."""
        for kind, measured in found.items():
            self._found[kind][key] = measured
        self._clips += 1

    def join(self, other: Bodies) -> None:
        """Count the clips that ``other`` has looked at too."""
        other._look_at_rotations()
        for kind, clips in other._found.items():
            self._found[kind].update(clips)
        self._clips += other._clips

    def notes(self) -> Iterator[tuple[str, str]]:
        """(kind, "clip (what was measured)") of all faults; kind "most-..." where most clips share it."""
        self._look_at_rotations()
        for kind, clips in self._found.items():
            many = self._clips >= FEW and len(clips) > MOST * self._clips
            for key, measured in clips.items():
                yield f"most-{kind}" if many else kind, f"{key} ({measured})" if measured else key

    def _look_at_rotations(self) -> None:
        if self._waiting:
            differ = rotations_differ(np.stack(list(self._waiting.values())), self.skeleton)
            for key, differs in zip(self._waiting, differ, strict=True):
                if differs:
                    self._found["disagrees"].setdefault(key, "rotations")
        self._waiting.clear()


def _speeds(features: Array, joints: Array, skeleton: Skeleton) -> list[Array]:
    """Features [T, D] and the joints [T, J, 3] in them -> speeds [T - 1], stored and of the joints, m/s, mean of J."""
    stored = features[:-1, feature_slices(skeleton).velocities].reshape(-1, skeleton.num_joints, 3)
    unit = skeleton.metres_per_unit * skeleton.fps
    return [np.sqrt((step**2).sum(axis=-1)).mean(axis=-1) * unit for step in (stored, np.diff(joints, axis=0))]


def some_frames(features: Array) -> Array:
    """[T, D] -> a few frames from the first to the last [K, D], for ``rotations_differ``."""
    return features[np.linspace(0, len(features) - 1, _FRAMES).astype(int)]


def rotations_differ(frames: Array, skeleton: Skeleton) -> NDArray[np.bool_]:
    """Frames of features [N, K, D] -> [N] whether their rotations make another body than their positions.

    Each frame is read by itself, which leaves its heading open; so the heights of the bones' directions are compared.
    """
    alone = torch.from_numpy(frames)[:, :, None]
    rotations, root = decode_rotations(alone, skeleton)
    turned = _bone_heights(forward_kinematics(rotations, root, skeleton), skeleton)
    placed = _bone_heights(decode_joints(alone, skeleton), skeleton)
    differ: NDArray[np.bool_] = ((turned - placed).abs().flatten(1).amax(dim=1) > ROTATION).numpy()
    return differ


def _bone_heights(joints: torch.Tensor, skeleton: Skeleton) -> torch.Tensor:
    """Joints [..., J, 3] -> the height of each bone's unit direction [..., J - 1]."""
    bones = joints[..., 1:, :] - joints[..., list(skeleton.parents[1:]), :]
    return bones[..., 1] / bones.norm(dim=-1).clamp_min(1e-9)
