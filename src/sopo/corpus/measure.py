"""Measurements on joints alone: the signals and events from which the checker decides.

Joints of any source and either skeleton, brought to 20 fps and to metres on a body of common size; noise of generated
motions is smoothed away first. All frames named below are of 20 a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from sopo.motion.retarget import resample
from sopo.motion.skeleton import Skeleton

FPS = 20.0
LEG = 0.82  # metres: all lengths and speeds are measured on a body with the target's legs


@dataclass(frozen=True)
class Signals:
    """Curves over the frames of one clip.

    ahead, aside: [T] m/s of the pelvis in the body's heading, aside to the left. heading: [T] rad, unwrapped.
    height: [T] of the pelvis over the floor, as a share of the leg. lean: [T] rad of the trunk, ahead.
    feet: [T, 2, 3] of the ankles in the body's heading, from the pelvis aside/ahead, over the floor.
    hands: [T, 2, 3] outward, up, ahead of the wrists from the shoulders, in arm lengths, turned with the chest.
    swing: [T, 2] m, outward, of the wrist from the elbow. elbow: [T, 2] rad, 0 when the arm is straight.
    """

    ahead: NDArray
    aside: NDArray
    heading: NDArray
    height: NDArray
    lean: NDArray
    feet: NDArray
    hands: NDArray
    swing: NDArray
    elbow: NDArray

    @property
    def speed(self) -> NDArray:
        return np.hypot(self.ahead, self.aside)


@dataclass(frozen=True)
class Event:
    """Something done between two frames (``at``: its peak), with the attributes that were measured."""

    start: int
    end: int
    at: int
    side: str | None = None
    direction: str | None = None


def signals(joints: NDArray, skeleton: Skeleton) -> Signals:
    """Bring a clip [T, J, 3] to common time and size, smooth it, and measure it."""
    joints = resample(np.asarray(joints, dtype=float), skeleton.fps, FPS)
    joints = gaussian_filter1d(joints, 0.8, axis=0, mode="nearest")
    legs = [_sides(joints, skeleton, name) for name in ("hip", "knee", "ankle")]
    bones = np.linalg.norm(np.diff(legs, axis=0), axis=-1)  # [2, T, 2]
    joints = joints * (LEG / max(float(np.median(bones.sum(axis=(0, 2)))) / 2, 1e-3))
    pelvis, neck = (joints[:, skeleton.joints.index(name)] for name in ("pelvis", "neck"))
    hips, ankles, toes, shoulders, elbows, wrists = (
        _sides(joints, skeleton, name) for name in ("hip", "ankle", "foot", "shoulder", "elbow", "wrist")
    )
    across = hips[:, 0] - hips[:, 1] + shoulders[:, 0] - shoulders[:, 1]
    across = gaussian_filter1d(across[:, [0, 2]], 2.0, axis=0, mode="nearest")
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    chest = (shoulders[:, 0] - shoulders[:, 1])[:, [0, 2]]
    chest /= np.linalg.norm(chest, axis=1, keepdims=True) + 1e-9
    heading = np.unwrap(np.arctan2(-across[:, 1], across[:, 0]))

    def local(vectors: NDArray, left: NDArray) -> NDArray:
        """[T, ..., 3] -> aside (left), up, ahead."""
        left = left.reshape(len(left), *[1] * (vectors.ndim - 2), 2)
        x, z = vectors[..., 0], vectors[..., 2]
        aside = x * left[..., 0] + z * left[..., 1]
        return np.stack([aside, vectors[..., 1], z * left[..., 0] - x * left[..., 1]], axis=-1)

    velocity = np.gradient(gaussian_filter1d(pelvis, 2.0, axis=0, mode="nearest"), axis=0) * FPS
    velocity = local(velocity, across)
    floor = np.percentile(toes[..., 1].min(axis=1), 10)
    trunk = local(neck - pelvis, across)
    feet = local(ankles - pelvis[:, None], across)
    feet[..., 1] = ankles[..., 1] - floor
    arm = np.linalg.norm(elbows - shoulders, axis=-1)
    forearm = np.linalg.norm(wrists - elbows, axis=-1)
    out = np.array([1.0, -1.0])
    hands = local(wrists - shoulders, chest) / (arm + forearm + 1e-9)[..., None]
    hands[..., 0] *= out
    swing = local(wrists - elbows, chest)[..., 0] * out
    cosine = ((elbows - shoulders) * (wrists - elbows)).sum(-1)
    elbow = np.arccos(np.clip(cosine / (arm * forearm + 1e-9), -1, 1))
    return Signals(
        velocity[:, 2], velocity[:, 0], heading, (pelvis[:, 1] - floor) / LEG,
        np.arctan2(trunk[:, 2], trunk[:, 1]), feet, hands, swing, elbow,
    )  # fmt: skip


def _sides(joints: NDArray, skeleton: Skeleton, name: str) -> NDArray:
    """The left and the right joint of a name, [T, 2, 3]."""
    return joints[:, [skeleton.joints.index(f"{side}_{name}") for side in ("left", "right")]]


def stretches(flags: NDArray, least: int = 1, bridge: int = 0) -> list[tuple[int, int]]:
    """Runs of True as (start, end), gaps up to ``bridge`` frames closed, then those shorter than ``least`` left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    merged: list[list[int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if merged and start - merged[-1][1] <= bridge:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return [(start, end) for start, end in merged if end - start >= least]


def peaks(curve: NDArray, prominence: float, distance: int = 3) -> NDArray:
    """Frames of the maxima of [T] that stand out by ``prominence``; the clip's ends count as low ground."""
    low = curve.min()
    padded = np.concatenate([[low], curve, [low]])
    return find_peaks(padded, prominence=prominence, distance=distance)[0] - 1


def waves(seen: Signals) -> list[Event]:
    """Every inward swing of a raised hand whose elbow is bent."""
    events = []
    for side, name in enumerate(("left", "right")):
        inward = -seen.swing[:, side]
        for peak in find_peaks(inward, prominence=0.1, distance=5)[0]:
            lifted = seen.hands[peak, side, 1] > 0.05 and seen.hands[peak, side, 0] > 0.05
            if lifted and seen.elbow[peak, side] > 1.3 and seen.hands[peak, side, 2] < 0.5:
                events.append(Event(int(peak) - 4, int(peak) + 5, int(peak), name))
    return events


def punches(seen: Signals) -> list[Event]:
    """Every quick stretch of an arm to the front out of a bent elbow."""
    events = []
    for side, name in enumerate(("left", "right")):
        reach = np.where(np.abs(seen.hands[:, side, 1]) < 0.45, seen.hands[:, side, 2], 0.0)
        for peak in find_peaks(reach, height=0.77, prominence=0.17, distance=5)[0]:
            bent = seen.elbow[max(0, peak - 8) : peak, side]
            if len(bent) and bent.max() > 1.4 and seen.elbow[peak, side] < 0.9:
                events.append(Event(int(peak) - 4, int(peak) + 5, int(peak), name))
    return events


def raises(seen: Signals) -> list[Event]:
    """Every time an all but straight arm goes up to the front, to the side, or overhead."""
    events = []
    for side, name in enumerate(("left", "right")):
        outward, up, ahead = seen.hands[:, side].T
        level = up / (np.hypot(np.hypot(outward, ahead), up) + 1e-9)
        # A punch is straight for a few frames only, a waving arm never.
        for start, end in stretches((level > -0.45) & (seen.elbow[:, side] < 0.8), least=9, bridge=2):
            if np.median(seen.elbow[start:end, side]) > 0.65:
                continue
            apex = level[start:end] > level[start:end].max() - 0.15
            top = level[start:end].max()
            if top < -0.25:
                continue
            if top > 0.62:
                direction = "up"
            else:
                sideward = np.median(outward[start:end][apex]) > np.median(ahead[start:end][apex])
                direction = "sideways" if sideward else "forward"
            at = start + int(np.argmax(level[start:end]))
            events.append(Event(start, end, at, name, direction))
    return events


def kicks(seen: Signals) -> list[Event]:
    """Every time one foot flies high before or beside the body while the other stays low."""
    events = []
    for side, name in enumerate(("left", "right")):
        height = np.where(seen.feet[:, 1 - side, 1] < 0.3, seen.feet[:, side, 1], 0.0)
        for peak in peaks(height, prominence=0.2, distance=6):
            if height[peak] < 0.36:
                continue
            outward = seen.feet[peak, side, 0] * (1 - 2 * side)
            ahead = seen.feet[peak, side, 2]
            if max(outward, ahead) > 0.28:
                direction = "sideways" if outward > ahead else "forward"
                events.append(Event(int(peak) - 8, int(peak) + 8, int(peak), name, direction))
    return events


def jumps(seen: Signals, travel: NDArray) -> list[Event]:
    """Every flight of both feet; ``travel`` [T] is the way ahead, in metres."""
    both = seen.feet[..., 1].min(axis=1)
    events = []
    for peak in peaks(both, prominence=0.07, distance=8):
        if both[peak] < 0.19 or seen.height[peak] < 1.12:
            continue
        last = len(travel) - 1
        moved = travel[min(peak + 6, last)] - travel[max(peak - 6, 0)]
        direction = "forward" if moved > 0.28 else "backward" if moved < -0.2 else "up"
        events.append(Event(int(peak) - 10, int(peak) + 9, int(peak), None, direction))
    return events


def dips(seen: Signals) -> list[Event]:
    """Every deep lowering of the pelvis: a squat if it comes up again, a crouch if the clip ends in it."""
    events = []
    curve = gaussian_filter1d(seen.height, 1.0, mode="nearest")
    for peak in peaks(-curve, prominence=0.22, distance=6):
        if curve[peak] > 0.8:
            continue
        start, end = _around(curve < (curve[peak] + 1.05) / 2, peak)
        held = end >= len(curve) - 2 and curve[-1] < 0.82
        events.append(Event(start, end, int(peak), None, "held" if held else "back"))
    return events


def bows(seen: Signals) -> list[Event]:
    """Every deep forward bend of the trunk over legs that stay long."""
    events = []
    for peak in peaks(seen.lean, prominence=0.4, distance=6):
        if seen.lean[peak] > 0.6 and seen.height[peak] > 0.86:
            start, end = _around(seen.lean > seen.lean[peak] / 2, peak)
            events.append(Event(start, end, int(peak)))
    return events


def sidesteps(seen: Signals) -> list[Event]:
    """Every push of the pelvis to one side that is not part of walking or turning."""
    events = []
    for sign, name in ((1.0, "left"), (-1.0, "right")):
        curve = sign * np.where(np.abs(seen.ahead) < 0.45, seen.aside, 0.0)
        for peak in peaks(curve, prominence=0.22, distance=8):
            if curve[peak] > 0.3:
                events.append(Event(int(peak) - 7, int(peak) + 7, int(peak), None, name))
    return events


def _around(flags: NDArray, at: int) -> tuple[int, int]:
    """The run of True that holds frame ``at``."""
    before = np.flatnonzero(~flags[:at])
    after = np.flatnonzero(~flags[at:])
    return int(before[-1]) + 1 if len(before) else 0, int(at + after[0]) if len(after) else len(flags)


def in_groups(events: Iterable[Event], gap: int) -> list[list[Event]]:
    """Events in time, split where more than ``gap`` frames lie between two peaks."""
    groups: list[list[Event]] = []
    for event in sorted(events, key=lambda event: event.at):
        if groups and event.at - groups[-1][-1].at <= gap:
            groups[-1].append(event)
        else:
            groups.append([event])
    return groups
