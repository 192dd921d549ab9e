"""The primitives: what each verb adds to the controls of a clip.

Every primitive writes into a ``Track`` between two frames, with soft edges, so that neighbours and layers blend.
Times are in frames (20 a second), lengths in metres, angles in radians.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sopo.corpus.program import Action

FPS = 20.0
GRAVITY = 9.81

# Flexion, abduction, outward turn, elbow bend.
HANGING = np.array([0.06, 0.14, 0.0, 0.25])
GUARD = np.array([0.55, 0.22, 0.0, 2.25])
JAB = np.array([1.5, 0.02, 0.0, 0.15])
RAISED = {
    "up": np.array([2.85, -0.12, 0.0, 0.15]),
    "sideways": np.array([0.1, 1.5, 0.0, 0.12]),
    "forward": np.array([1.52, 0.03, 0.0, 0.12]),
}
WALK_SPEED = {"slowly": 0.55, "normally": 1.0, "quickly": 1.5}
WALK_STEP = {"slowly": 15.0, "normally": 10.5, "quickly": 7.5}
RUN_SPEED = {"slowly": 2.3, "normally": 2.9, "quickly": 3.7}
RUN_STEP = {"slowly": 7.5, "normally": 6.5, "quickly": 5.5}
WAVE_PERIOD = {"slowly": 19, "normally": 12, "quickly": 8}
SQUAT_PERIOD = {"slowly": 40, "normally": 25, "quickly": 15}
BOW_PERIOD = {"slowly": 44, "normally": 27, "quickly": 16}


@dataclass(frozen=True)
class Style:
    """How this person does it: factors around 1, angles around 0."""

    amplitude: float = 1.0
    tempo: float = 1.0
    arm_swing: float = 1.0
    lean: float = 0.0


@dataclass(frozen=True)
class Step:
    """A foot (0 left, 1 right) in the air from ``start`` to ``end``; it lands where the body will be at ``aim``."""

    foot: int
    start: float
    end: float
    aim: float
    lift: float
    heel: float = 0.0


@dataclass
class Track:
    """Controls of a clip of T frames, before the feet are placed.

    ahead, aside: [T] m/s in the body's heading (aside: to the left). turning: [T] rad/s. drop, rise: [T] m.
    pitch, bend, twist, roll: [T]. arms: [T, 2, 4]. kick: [T, 2, 3] offset of a foot in the body's heading.
    """

    frames: int
    ahead: NDArray = field(init=False)
    aside: NDArray = field(init=False)
    turning: NDArray = field(init=False)
    drop: NDArray = field(init=False)
    rise: NDArray = field(init=False)
    pitch: NDArray = field(init=False)
    bend: NDArray = field(init=False)
    twist: NDArray = field(init=False)
    roll: NDArray = field(init=False)
    arms: NDArray = field(init=False)
    kick: NDArray = field(init=False)
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("ahead", "aside", "turning", "drop", "rise", "pitch", "bend", "twist", "roll"):
            setattr(self, name, np.zeros(self.frames))
        self.arms = np.tile(HANGING, (self.frames, 2, 1))
        self.kick = np.zeros((self.frames, 2, 3))

    @property
    def time(self) -> NDArray:
        return np.arange(self.frames, dtype=float)


def ease(u: NDArray) -> NDArray:
    """0 below 0, 1 above 1, smooth to the second derivative between."""
    u = np.clip(u, 0, 1)
    return u**3 * (u * (6 * u - 15) + 10)


def window(time: NDArray, start: float, end: float, ramp: float) -> NDArray:
    """1 from start to end, falling to 0 within ``ramp`` frames inside both edges."""
    ramp = min(ramp, (end - start) / 2)
    return ease((time - start) / ramp) * ease((end - time) / ramp)


def pulses(time: NDArray, start: float, period: float, count: int) -> NDArray:
    """``count`` smooth bumps from 0 to 1 and back, one each period."""
    inside = (time >= start) & (time < start + count * period)
    return np.where(inside, 0.5 - 0.5 * np.cos(2 * np.pi * (time - start) / period), 0.0)


def blend_arms(track: Track, sides: tuple[int, ...], weight: NDArray, pose: NDArray) -> None:
    """Move arms towards a pose [4] or poses [T, 4] by a weight [T]."""
    for side in sides:
        track.arms[:, side] += weight[:, None] * (pose - track.arms[:, side])


def arms_of(action: Action) -> tuple[int, ...]:
    """The arms that an action moves: 0 left, 1 right."""
    return {"left": (0,), "right": (1,), "both": (0, 1)}[action.side or "both"]


# ------------------------------------------------------------------------------------------------- travel


def _travel(track: Track, start: float, end: float, speed: float, period: float, style: Style, run: bool) -> None:
    """Steps, bounce and arm swing of a gait at ``speed`` (negative: backward) from start to end."""
    time, settle = track.time, 1.3 * period
    swing = period * (1.25 if run else 0.85)
    track.ahead += speed * window(time, start - 2, end - settle + 2, 9 if run else 5)
    heel = (0.7 if run else 0.5) if speed > 0 else 0.2
    lift = (0.12 if run else 0.06) * (0.7 + 0.3 * style.amplitude)
    steps = np.arange(start, end - 0.6 * period, period)
    for index, begin in enumerate(steps):
        aim = (begin + swing + begin + 2 * period) / 2
        track.steps.append(Step(index % 2, begin, begin + swing, aim, lift, heel))
    on = window(time, start, end, 6)
    phase = np.pi * (time - start) / period
    forth = -np.cos(phase) * on * np.sign(speed)  # +1: left leg in front
    swinging = (0.55 if run else 0.22 + 0.12 * abs(speed)) * style.arm_swing
    for side, sign in ((0, -1), (1, 1)):
        track.arms[:, side, 0] += sign * swinging * forth + 0.1 * on
        track.arms[:, side, 3] += (1.3 if run else 0.15) * on + 0.15 * sign * forth
    track.twist += 0.09 * forth * style.arm_swing
    track.roll += 0.03 * np.sin(phase) * on
    track.pitch += ((0.12 if run else 0.03) * np.sign(speed) + 0.03 * (speed > 1.2)) * on
    track.rise += (0.035 if run else 0.008) * (0.5 - 0.5 * np.cos(2 * phase)) * on
    track.drop += (0.04 if run else 0.0) * on


def walk(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """Steps at a gait of the stated speed, ahead, back or to a side."""
    speed, period = (
        WALK_SPEED[action.speed or "normally"],
        WALK_STEP[action.speed or "normally"] / style.tempo,
    )
    if action.direction == "backward":
        _travel(track, start, end, -0.85 * speed * style.tempo, period, style, run=False)
        return
    _travel(track, start, end, speed * style.tempo, period, style, run=False)
    if action.direction in ("left", "right"):
        _curve(track, action, start, end - 1.3 * period, 1.75)


def run(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """A walk with a flight phase and bent, swinging arms."""
    speed, period = RUN_SPEED[action.speed or "normally"], RUN_STEP[action.speed or "normally"] / style.tempo
    _travel(track, start, end, speed * style.tempo, period, style, run=True)


def circle(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """A walk along an arc to one side."""
    speed, period = (
        WALK_SPEED[action.speed or "normally"],
        WALK_STEP[action.speed or "normally"] / style.tempo,
    )
    _travel(track, start, end, speed * style.tempo, period, style, run=False)
    _curve(track, action, start, end - 1.3 * period, 5.9)


def _curve(track: Track, action: Action, start: float, end: float, angle: float) -> None:
    shape = window(track.time, start, end, 5)
    sign = 1 if action.direction == "left" else -1
    track.turning += sign * angle * shape / (shape.sum() / FPS)
    track.roll -= 0.04 * sign * shape


def sidestep(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """So many steps to a side, the second foot closing up."""
    count = action.count or 1
    period = (end - start) / count
    lead = 0 if action.direction == "left" else 1
    sign = 1 - 2 * lead
    shape = pulses(track.time, start, period, count)
    track.aside += sign * 0.48 * style.amplitude * count * shape / (shape.sum() / FPS)
    for index in range(count):
        begin, aim = start + index * period, start + (index + 1) * period
        track.steps.append(Step(lead, begin, begin + 0.48 * period, aim, 0.07, 0.15))
        track.steps.append(Step(1 - lead, begin + 0.5 * period, begin + 0.97 * period, aim, 0.06, 0.15))
    track.drop += 0.03 * window(track.time, start, end, 5)


def turn(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """A turn on the spot, in small steps."""
    around = action.direction == "around"
    left = action.direction == "left" or (around and style.lean > 0)
    angle = (3.0 if around else 1.55) * (1 if left else -1)
    shape = window(track.time, start, end, (end - start) / 2)
    track.turning += angle * shape / (shape.sum() / FPS)
    period = (end - start) / (4 if around else 3)
    for index in range(4 if around else 3):
        begin = start + index * period
        foot = index % 2 if left else 1 - index % 2
        track.steps.append(Step(foot, begin, begin + 0.9 * period, begin + 1.8 * period, 0.06, 0.2))
    begin = start + (4 if around else 3) * period
    last = 1 if left == around else 0
    track.steps.append(Step(1 - last, begin, begin + 0.9 * period, begin + 3 * period, 0.05, 0.2))


# ---------------------------------------------------------------------------------------------- whole body


def jump(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """So many jumps with ballistic flight, on the spot or ahead or back."""
    count, time = action.count or 1, track.time
    period = (end - start) / count
    length = {"up": 0.0, "forward": 0.6, "backward": -0.45}[action.direction or "up"] * style.amplitude
    for index in range(count):
        begin = start + index * period
        leave = begin + 0.4 * period
        flight = 8.5 * (0.8 + 0.2 * style.amplitude)
        height = GRAVITY * (flight / FPS) ** 2 / 8
        land = leave + flight
        u = np.clip((time - leave) / flight, 0, 1)
        track.rise += 4 * u * (1 - u) * height
        dip = 0.2 * (ease((time - begin) / (0.22 * period)) * ease((leave - time) / 4))
        dip += 0.16 * ease((time - land + 1) / 3) * ease((land + 0.3 * period - time) / (0.25 * period))
        track.drop += dip
        track.bend += 1.6 * dip
        track.pitch += 0.8 * dip
        airborne = (u > 0) & (u < 1)
        track.ahead += np.where(airborne, length * FPS / max(airborne.sum(), 1), 0.0)
        for foot in (0, 1):
            track.steps.append(Step(foot, leave, land, land + 2, 0.95 * height + 0.03, 0.5))
        swing = window(time, begin, land, 4)
        reach = 1.3 * ease((time - leave + 3) / 5) - 0.5
        blend_arms(track, (0, 1), swing, np.stack([reach, 0 * u + 0.25, 0 * u, 0 * u + 0.6], axis=1))


def kick(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """So many kicks of one leg, the body over the other."""
    count, time = action.count or 1, track.time
    foot = 0 if action.side == "left" else 1
    sign = 1 - 2 * foot
    period = (end - start) / count
    away = (0.05, 0.7, 0.12) if action.direction == "sideways" else (0.0, 0.62, 0.72)
    lateral, up, forward = np.array(away) * (0.75 + 0.25 * style.amplitude)
    if action.direction == "sideways":
        lateral, forward = 0.68 * (0.75 + 0.25 * style.amplitude), 0.05
    for index in range(count):
        u = (time - start - index * period) / period
        back = np.exp(-(((u - 0.24) / 0.09) ** 2))
        out = ease((u - 0.24) / 0.26) * ease((0.86 - u) / 0.32)
        track.kick[:, foot, 0] += sign * lateral * out
        track.kick[:, foot, 1] += up * out + 0.12 * back
        track.kick[:, foot, 2] += forward * out - 0.22 * back * (action.direction != "sideways")
        track.pitch -= 0.14 * out * (action.direction != "sideways")
        track.roll += sign * 0.2 * out * (action.direction == "sideways")
    on = window(time, start, end, 5)
    track.drop += 0.015 * on
    blend_arms(track, (0, 1), 0.6 * on, np.array([0.4, 0.35, 0.0, 1.5]))


def squat(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """So many squats, hips down and up over planted feet."""
    count = action.count or 1
    down = pulses(track.time, start, (end - start) / count, count)
    _lower(track, down, 0.36 + 0.05 * style.amplitude)


def crouch(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """Hips down, and they stay there."""
    down = ease((track.time - start) / 16) * ease((end - track.time + 12) / 12)
    _lower(track, down, 0.38 + 0.05 * style.amplitude)


def _lower(track: Track, down: NDArray, depth: float) -> None:
    track.drop += depth * down
    track.pitch += 0.35 * down
    track.bend += 0.25 * down
    blend_arms(track, (0, 1), down, np.array([0.9, 0.1, 0.0, 1.3]))


def bow(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """So many bows, from the hips."""
    count = action.count or 1
    down = pulses(track.time, start, (end - start) / count, count)
    track.pitch += 0.7 * down * style.amplitude
    track.bend += 0.5 * down
    track.arms[:, :, 0] += 0.5 * down[:, None]


def stand(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """Nothing moves but the idle noise."""


# ---------------------------------------------------------------------------------------------------- arms


def wave(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """So many waves of a raised forearm."""
    count, time = action.count or 1, track.time
    first, last = start + 7, end - 7
    cycles = np.clip((time - first) / (last - first), 0, 1) * count
    elbow = 1.4 - 0.6 * style.amplitude * np.cos(2 * np.pi * cycles)  # starts and ends with the hand outside
    pose = np.stack([0 * time + 0.15, 0 * time + 1.3, 0 * time + 1.45, elbow], axis=1)
    blend_arms(track, arms_of(action), window(time, start, end, 9), pose)


def punch(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """So many punches; with both arms, both at once."""
    count, time = action.count or 1, track.time
    arms = arms_of(action)
    out = pulses(time, start + 8, (end - start - 14) / count, count) ** 1.5
    on = window(time, start, end, 7)
    blend_arms(track, arms, on, GUARD + out[:, None] * (JAB - GUARD))
    if len(arms) == 1:
        blend_arms(track, (1 - arms[0],), 0.6 * on, GUARD)
        track.twist += (1 if arms[0] else -1) * 0.25 * out


def raise_arms(track: Track, action: Action, start: float, end: float, style: Style) -> None:
    """Arms raised and lowered so many times: up, sideways or ahead."""
    count, period = action.count or 1, (end - start) / (action.count or 1)
    for index in range(count):
        begin = start + index * period
        on = window(track.time, begin, begin + period, 0.4 * period if count > 1 else 9)
        blend_arms(track, arms_of(action), on, RAISED[action.direction or "up"])


Primitive = Callable[[Track, Action, float, float, Style], None]
PRIMITIVES: dict[str, Primitive] = {
    "walk": walk, "run": run, "circle": circle, "sidestep": sidestep, "turn": turn, "jump": jump, "kick": kick,
    "squat": squat, "bow": bow, "crouch": crouch, "stand": stand, "wave": wave, "punch": punch,
    "raise": raise_arms,
}  # fmt: skip


def settling(action: Action, tempo: float) -> float:
    """Frames at the end of an action in which the body no longer travels and the feet close up."""
    steps = RUN_STEP if action.verb == "run" else WALK_STEP
    return 1.3 * steps[action.speed or "normally"] / tempo


def duration(action: Action, rng: np.random.Generator, tempo: float) -> float:
    """Frames that the action takes; a range for what can go on for any time."""
    speed, count, vary = action.speed or "normally", action.count or 1, rng.uniform(0.94, 1.06)
    match action.verb:
        case "walk":
            step = WALK_STEP[speed] / tempo
            return max(float(rng.uniform(30, 46)), 4 * step)
        case "run":
            return float(rng.uniform(34, 44))
        case "circle":
            return float({"slowly": 92, "normally": 80, "quickly": 66}[speed] * vary)
        case "sidestep":
            return 15.5 * count * vary
        case "turn":
            return (27.0 if action.direction == "around" else 19.0) * vary
        case "jump":
            return 22.0 * count * vary
        case "kick":
            return 18.5 * count * vary
        case "squat":
            return SQUAT_PERIOD[speed] * count * vary
        case "bow":
            return BOW_PERIOD[speed] * count * vary
        case "crouch":
            return float(rng.uniform(30, 42))
        case "stand":
            return float(rng.uniform(16, 24))
        case "wave":
            return WAVE_PERIOD[speed] * count * vary + 14
        case "punch":
            return 13.0 * count * vary + 13
        case "raise":
            return (24.0 if count > 1 else 28.0) * count * vary
        case _:
            raise ValueError(f"unknown verb {action.verb!r}")
