"""One clip of an import: a motion file -> clips of the layout on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sopo.data.bodies import feature_faults
from sopo.data.captions import CaptionLine, mirror_caption, within
from sopo.data.importers.rigs import Rig
from sopo.data.importers.settings import ImportConfig
from sopo.data.importers.source import SourceClip
from sopo.data.layout import write_clip
from sopo.data.tagging import tag
from sopo.errors import UserError
from sopo.formats.reading import read_clip
from sopo.motion.encode import encode_joints
from sopo.motion.mirror import mirror_joints
from sopo.motion.posture import upright
from sopo.motion.rest_pose import motion_range
from sopo.motion.retarget import on_body, on_skeleton, resample
from sopo.motion.skeleton import Skeleton

LONGEST = 196  # frames: what training takes


@dataclass(frozen=True)
class Taken:
    """A clip of the layout: ``frames`` of it from ``start_s`` of the source.

    joint_names: how the joints were told: by their "names", the "tree", or "given". warnings: what is off with the
    body (a key of sopo.data.bodies.FAULTS) -> what was measured.
    """

    id: str
    source: str
    split: str
    start_s: float
    frames: int
    mirrored: bool
    joint_names: str
    warnings: dict[str, str]


@dataclass(frozen=True)
class Converted:
    """What became of a file: its clips, why there are none or fewer, and what the user should know of it."""

    name: str
    taken: tuple[Taken, ...]
    reason: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Motion:
    """A file's motion at the layout's rate: joints [T, J, 3] of its skeleton, from ``begin_s`` of the file on."""

    joints: NDArray[np.float64]
    begin_s: float
    notes: tuple[str, ...]


def convert(
    root: Path, splits: dict[str, str], skeleton: Skeleton, config: ImportConfig, item: tuple[SourceClip, Rig]
) -> Converted:
    """Bring a clip to the layout's body and rate, and write it.

    One above 196 frames becomes equal windows (ids ``NAME-w0``...), each with the captions that fall into it; one
    below the skeleton's shortest is left out.
    """
    clip, rig = item
    try:
        motion = _motion(clip, rig, skeleton, config)
        frames = len(motion.joints) - 1  # the last frame only ends a velocity
        if frames < skeleton.shortest:
            raise UserError(f"{frames} frames at {skeleton.fps:g} fps, at least {skeleton.shortest} needed")
        parts = _parts(motion.joints, skeleton, clip, config.mirror)
    except UserError as error:
        return Converted(clip.name, (), str(error))
    end_s = motion.begin_s + frames / skeleton.fps
    beyond = [line.caption.text for line in clip.captions if not within([line], motion.begin_s, end_s)]
    reasons = {f"beyond the end of the clip: {text!r}": None for text in beyond}
    taken = []
    for suffix, start, mirrored, features in parts:
        start_s = motion.begin_s + start / skeleton.fps
        lines = _lines(clip, start_s, start_s + len(features) / skeleton.fps, mirrored)
        if not lines:
            reasons[f"no caption falls into {clip.name}{suffix}"] = None
            continue
        key = f"{'M' * mirrored}{clip.name}{suffix}"
        decoded, warnings = feature_faults(features, skeleton)  # as HumanML3D's new_joints
        write_clip(root, key, features, lines, decoded)
        split, told = splits[clip.name], rig.first.body.told
        taken.append(Taken(key, clip.name, split, start_s, len(features), mirrored, told, warnings))
    return Converted(clip.name, tuple(taken), "; ".join(reasons), motion.notes)


def _motion(clip: SourceClip, rig: Rig, skeleton: Skeleton, config: ImportConfig) -> _Motion:
    captured = read_clip(clip.path, config.fps, config.body_model)
    moved = upright(on_body(captured, rig.joints), rig.up, rig.unit, rig.mirrored)
    resting = captured.at_rest()
    rest = on_body(resting, rig.joints)[0] * rig.unit if resting else None
    first, end = motion_range(moved, captured.fps, rest)
    joints = resample(moved[first:end], captured.fps, skeleton.fps)
    rested = ("a rest pose before or after the motion is left out",) if (first, end) != (0, len(moved)) else ()
    return _Motion(on_skeleton(joints, skeleton), first / captured.fps, (*captured.notes, *rested))


def _parts(
    joints: NDArray[np.float64], skeleton: Skeleton, clip: SourceClip, mirror: bool
) -> list[tuple[str, int, bool, NDArray[np.float32]]]:
    """(id suffix, first frame, whether mirrored, features) of each."""
    sides = (False, True) if mirror and not clip.twin else (False,)
    return [
        (suffix, start, mirrored, encode_joints(_side(joints[start : stop + 1], skeleton, mirrored), skeleton))
        for suffix, start, stop in _windows(len(joints) - 1, clip.window)
        for mirrored in sides
    ]


def _side(joints: NDArray[np.float64], skeleton: Skeleton, mirrored: bool) -> NDArray[np.float64]:
    return mirror_joints(joints, skeleton) if mirrored else joints


def _windows(frames: int, mark: str) -> list[tuple[str, int, int]]:
    """(id suffix, first frame, end) of as few equal windows as it takes."""
    count = ceil(frames / LONGEST)
    edges = np.linspace(0, frames, count + 1).round().astype(int).tolist()
    return [(f"{mark}{index}" if count > 1 else "", start, stop) for index, (start, stop) in enumerate(pairwise(edges))]


def _lines(clip: SourceClip, start_s: float, end_s: float, mirrored: bool) -> list[CaptionLine]:
    """Tagged, and mirrored if need be."""
    lines = within(clip.captions, start_s, end_s)
    tagged = [replace(line.caption, tokens=line.caption.tokens or tag(line.caption.text)) for line in lines]
    captions = [mirror_caption(caption) if mirrored else caption for caption in tagged]
    return [replace(line, caption=caption) for line, caption in zip(lines, captions, strict=True)]
