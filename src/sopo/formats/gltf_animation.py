"""Animations of glTF: which one is taken, and what it says between its keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.formats.gltf_file import GltfFile, entries, entry, part, whole

Array = NDArray[np.float64]

# What moves of a node, and how it rests.
REST = {"translation": (0.0, 0.0, 0.0), "rotation": (0.0, 0.0, 0.0, 1.0), "scale": (1.0, 1.0, 1.0)}
_EARLY = 1e-5  # seconds by which single precision may put a sample before its key
_HOW = ("LINEAR", "STEP", "CUBICSPLINE")


@dataclass(frozen=True)
class Track:
    """Keys of one property of a node: times [K], values [K, D], or [K, 3, D] with the slopes before and after each."""

    times: Array
    values: Array
    how: str

    def sample(self, times: Array) -> Array:
        """Values [T, D] at any times; those of the first and last key beyond them. Quaternions are normalised."""
        last = len(self.times) - 1
        if self.how == "STEP":
            before = np.searchsorted(self.times, times + _EARLY, side="right") - 1
            return _normalised(self.values[np.clip(before, 0, last)])
        before = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, max(last - 1, 0))
        after = np.minimum(before + 1, last)
        span = self.times[after] - self.times[before]
        share = np.clip((times - self.times[before]) / np.where(span > 0, span, 1), 0, 1)[:, None]
        if self.how == "CUBICSPLINE":
            return _normalised(_cubic(self.values[before], self.values[after], span[:, None], share))
        start, end = _normalised(self.values[before]), _normalised(self.values[after])
        return _slerp(start, end, share) if start.shape[1] == 4 else start + share * (end - start)


def longest_animation(file: GltfFile) -> tuple[dict[int, dict[str, Track]], list[str]]:
    """Node -> property -> track of the longest animation; and a remark where there are others."""
    animations = entries(file.json, "animations")
    channels = [_channels(file, animation) for animation in animations]
    spans = [max((float(times[-1] - times[0]) for *_, times in each), default=-1.0) for each in channels]
    if max(spans, default=-1.0) < 0:
        raise UserError("no animation in it moves a node; export the motion, not the character alone")
    chosen = int(np.argmax(spans))
    tracks: dict[int, dict[str, Track]] = {}
    for node, which, sampler, times in channels[chosen]:
        tracks.setdefault(node, {})[which] = _track(file, sampler, times, which)
    name = animations[chosen].get("name", chosen)
    several = f"holds {len(animations)} animations; the longest is taken, {name!r} of {spans[chosen]:.1f} s"
    return tracks, [several] if len(animations) > 1 else []


def _channels(file: GltfFile, animation: dict[str, Any]) -> list[tuple[int, str, dict[str, Any], Array]]:
    """(node, property, sampler, times of its keys) of what moves nodes."""
    found = []
    for channel in entries(animation, "channels"):
        target = part(channel, "target")
        if "node" in target and str(target.get("path")) in REST:
            node = whole(target, "node")
            if "matrix" in entry(file.json, "nodes", node):
                raise ValueError(f"node {node} has a fixed matrix, and yet it moves")
            sampler = entry(animation, "samplers", channel.get("sampler"))
            times = file.array(whole(sampler, "input"))[:, 0]
            if len(times) == 0 or not (np.diff(times) > 0).all():
                raise ValueError("the keys of an animation are not in order")
            found.append((node, target["path"], sampler, times))
    return found


def _track(file: GltfFile, sampler: dict[str, Any], times: Array, which: str) -> Track:
    how = str(sampler.get("interpolation", "LINEAR"))
    if how not in _HOW:
        raise ValueError(f"interpolation {how!r} is none of {', '.join(_HOW)}")
    values = file.array(whole(sampler, "output"))
    each = 3 if how == "CUBICSPLINE" else 1
    if values.shape != (len(times) * each, len(REST[which])):
        raise ValueError(f"{len(times)} keys of a {which} have values {list(values.shape)}")
    return Track(times, values.reshape(-1, 3, values.shape[1]) if each == 3 else values, how)


def _normalised(values: Array) -> Array:
    """Quaternions [T, 4] of length 1; other values as they are."""
    if values.shape[1] != 4:
        return values
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    if not (lengths > 1e-3).all():
        raise ValueError("a rotation is no quaternion")
    return values / lengths


def _slerp(start: Array, end: Array, share: Array) -> Array:
    cosine = (start * end).sum(axis=1, keepdims=True)
    end = np.where(cosine < 0, -end, end)  # the shorter way round
    angle = np.arccos(np.minimum(np.abs(cosine), 1))
    near = angle < 1e-4
    sine = np.where(near, 1, np.sin(angle))
    first = np.where(near, 1 - share, np.sin((1 - share) * angle) / sine)
    second = np.where(near, share, np.sin(share * angle) / sine)
    return _normalised(first * start + second * end)


def _cubic(before: Array, after: Array, span: Array, share: Array) -> Array:
    """Hermite's spline through [T, (slope before, value, slope after), D]."""
    square, cube = share**2, share**3
    values = (2 * cube - 3 * square + 1) * before[:, 1] + (3 * square - 2 * cube) * after[:, 1]
    return values + span * ((cube - 2 * square + share) * before[:, 2] + (cube - square) * after[:, 0])
