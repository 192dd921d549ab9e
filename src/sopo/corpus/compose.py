"""The clip of a program: a timeline of primitives, footsteps that follow the body's path, then joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from sopo.corpus.actions import FPS, PRIMITIVES, Step, Style, Track, duration, ease, settling
from sopo.corpus.kinematics import Body, Pose, ankles_of, solve, turn
from sopo.corpus.program import TRAVEL, Program, Segment

MIN_FRAMES, MAX_FRAMES = 41, 101
_STANCE = 0.10  # half the distance between the feet
_LEAD_IN = 5.0
_CUT = 14.0  # frames by which a clip may end amid its last gait


@dataclass(frozen=True)
class Span:
    """A segment's part of the timeline, in frames, and how long its overlay and its coming to rest take."""

    segment: Segment
    start: float
    end: float
    overlay: float
    still: float


@dataclass(frozen=True)
class Timeline:
    """All segments of a clip in time, and how much of it is shown."""

    spans: tuple[Span, ...]
    crop: int  # frames dropped at the start, so that some clips begin amid a gait
    frames: int


def compose(program: Program, rng: np.random.Generator) -> NDArray | None:
    """Joints [T, 22, 3] of the program as some person does it; None if it takes longer than a clip may."""
    body = Body.scaled(rng.uniform(0.93, 1.07), rng.uniform(0.96, 1.04), rng.uniform(0.95, 1.05))
    style = Style(rng.uniform(0.8, 1.2), rng.uniform(0.93, 1.07), rng.uniform(0.7, 1.3), rng.uniform(-0.06, 0.06))
    timeline = _timeline(program, style, rng)
    if not MIN_FRAMES <= timeline.frames - timeline.crop <= MAX_FRAMES:
        return None
    track = Track(timeline.frames)
    for span in timeline.spans:
        PRIMITIVES[span.segment.main.verb](track, span.segment.main, span.start, span.end, style)
    for span in timeline.spans:
        if span.segment.overlay:
            start = _overlay_start(span, timeline, rng)
            PRIMITIVES[span.segment.overlay.verb](track, span.segment.overlay, start, start + span.overlay, style)
    _idle(track, style, rng)
    return solve(_pose(track, body), body)[timeline.crop :]


def _timeline(program: Program, style: Style, rng: np.random.Generator) -> Timeline:
    """Where the segments lie; a clip of a gait alone may begin and end amid it."""
    spans: list[Span] = []
    first, last = program.segments[0].main.verb, program.segments[-1].main.verb
    crop = 16 if first in TRAVEL and rng.random() < 0.7 else 0
    now = 0.0 if crop else _LEAD_IN * rng.uniform(0.6, 1.4)
    for segment in program.segments:
        length = duration(segment.main, rng, style.tempo)
        overlay = duration(segment.overlay, rng, style.tempo) if segment.overlay else 0.0
        still = settling(segment.main, style.tempo)
        if segment.overlay:  # a clip may end before the last gait settles
            length = max(length, overlay + 6 + max(still, _CUT if segment is program.segments[-1] else 0))
        length += crop if not spans else 0
        spans.append(Span(segment, now, now + length, overlay, still))
        now += length + rng.uniform(1, 4)
    tail = -_CUT if last in TRAVEL and rng.random() < 0.75 else 5 * rng.uniform(0.8, 1.6)
    if last == "turn":
        tail = 12.0
    if last == "crouch":
        tail = -4
    frames = max(round(now + tail), MIN_FRAMES + crop)
    return Timeline(tuple(spans), crop, frames)


def _overlay_start(span: Span, timeline: Timeline, rng: np.random.Generator) -> float:
    """An overlay begins somewhere within its segment, in the part that the clip shows."""
    earliest = max(span.start, timeline.crop) + 1
    latest = min(span.end - span.still, timeline.frames - 2) - span.overlay
    return float(rng.uniform(earliest, max(earliest, latest)))


def _idle(track: Track, style: Style, rng: np.random.Generator) -> None:
    """Slow small wandering of everything, and this person's bearing."""

    def drift(*shape: int) -> NDArray:
        noise = gaussian_filter1d(rng.normal(size=(track.frames + 40, *shape)), 9, axis=0)[20:-20]
        return noise / 0.18  # to about unit deviation

    track.pitch += 0.5 * style.lean + 0.008 * drift()
    track.bend += 0.015 * drift()
    track.twist += 0.02 * drift()
    track.arms += drift(2, 4) * np.array([0.035, 0.025, 0.04, 0.05])
    track.arms[..., :3] += rng.normal(size=(2, 3)) * np.array([0.04, 0.03, 0.1])
    track.arms[..., 3] = np.clip(track.arms[..., 3], 0.03, 2.5)


def _pose(track: Track, body: Body) -> Pose:
    scale = body.leg / 0.82
    yaw = _integral(gaussian_filter1d(track.turning, 1.5))
    heading = turn(1, yaw)
    velocity = np.stack([track.aside, np.zeros(track.frames), track.ahead], axis=1)
    velocity = gaussian_filter1d(velocity, 1.5, axis=0) * scale
    root = _integral(np.einsum("tij,tj->ti", heading, velocity))
    toes, foot_yaw, heel, down = _footsteps(track, root, yaw, body)
    toes = toes + np.einsum("tij,tsj->tsi", heading, track.kick) * scale
    raised = track.kick[..., 1]
    heel = heel + 0.5 * np.clip(raised, 0, 0.12) / 0.12 - 0.6 * np.clip(raised, 0, 0.6)
    pose = Pose(root, yaw, track.pitch, track.roll, track.bend, track.twist, track.arms, toes, foot_yaw, heel)
    # Hips move back when the trunk bends ahead, so that the weight stays over the feet.
    back = -0.28 * np.sin(np.clip(track.pitch, -0.2, 1.2)) * np.clip(1 - np.abs(track.ahead), 0, 1)
    root += heading[..., 2] * back[:, None] * scale
    root[:, 1] = _pelvis_height(track, pose, down, body)
    return pose


def _integral(rate: NDArray) -> NDArray:
    """Position from velocity a second, 0 at frame 0."""
    return np.concatenate([0 * rate[:1], np.cumsum(rate[:-1], axis=0)]) / FPS


def _pelvis_height(track: Track, pose: Pose, down: NDArray, body: Body) -> NDArray:
    """As high as the planted feet allow, less what the primitives ask for."""
    scale = body.leg / 0.82
    ankles = ankles_of(pose, body)
    pelvis = turn(1, pose.yaw) @ turn(0, pose.pitch) @ turn(2, pose.roll)
    hips = np.einsum("tij,sj->tsi", pelvis, body.offsets[[1, 2]])
    gap = ankles - (pose.root * (1, 0, 1))[:, None] - hips
    flat = np.square(gap[..., [0, 2]]).sum(-1)
    limit = ankles[..., 1] + np.sqrt(np.maximum((0.99 * body.leg) ** 2 - flat, 0.05)) - hips[..., 1]
    limit = np.where(down, limit, np.inf).min(axis=1)
    # A foot that is left too far behind comes off the floor, rather than pull the body down.
    limit = np.clip(limit, 0.87 * body.standing, body.standing)
    limit = gaussian_filter1d(minimum_filter1d(limit, 3), 1.2)
    return limit - track.drop * scale + track.rise * scale


def _footsteps(track: Track, root: NDArray, yaw: NDArray, body: Body) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Toes [T, 2, 3], headings [T, 2], heels [T, 2], planted [T, 2]: still in stance, eased in between."""
    time, scale = track.time, body.leg / 0.82
    toes, foot_yaw = np.zeros((track.frames, 2, 3)), np.zeros((track.frames, 2))
    heel, down = np.zeros((track.frames, 2)), np.ones((track.frames, 2), dtype=bool)
    for foot, sign in enumerate((1, -1)):

        def foothold(when: float, sign: int = sign) -> tuple[NDArray, float]:
            frame = int(np.clip(round(when), 0, track.frames - 1))
            forward = turn(1, yaw[frame])
            toe = np.array([sign * _STANCE * scale, 0.0, float(body.offsets[10, 2]) - 0.03])
            return (root[frame] + forward @ toe) * (1, 0, 1), yaw[frame] + sign * 0.1

        steps = _in_order([step for step in track.steps if step.foot == foot])
        place, angle = foothold(0)
        toes[:, foot], foot_yaw[:, foot] = place, angle
        for step in steps:
            target, target_angle = foothold(step.aim)
            far = np.linalg.norm(target - place) > 0.03 or abs(target_angle - angle) > 0.08 or step.lift > 0.1
            u = (time - step.start) / (step.end - step.start)
            moved = ease(u)[:, None] if step.end > step.start else (u > 0)[:, None]
            toes[:, foot] += moved * (target - place)
            foot_yaw[:, foot] += moved[:, 0] * (target_angle - angle)
            if far:
                air = (u > 0) & (u < 1)
                toes[:, foot, 1] += np.where(air, step.lift * scale * 4 * u * (1 - u), 0)
                heel[:, foot] += step.heel * ease((u + 0.55) / 0.55) * ease((0.8 - u) / 0.7)
                down[:, foot] &= ~air
            place, angle = target, target_angle
    return toes, foot_yaw, heel, down


def _in_order(steps: list[Step]) -> list[Step]:
    """By time; of steps that overlap only the first is kept whole, the next begins when it has landed."""
    kept: list[Step] = []
    for step in sorted(steps, key=lambda step: step.start):
        if kept and step.start < kept[-1].end:
            if step.end - kept[-1].end < 3:
                continue
            step = Step(step.foot, kept[-1].end, step.end, step.aim, step.lift, step.heel)
        kept.append(step)
    return kept
