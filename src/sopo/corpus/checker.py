"""Whether joints do what a caption says, by rules: an independent witness beside learned metrics.

``observe`` finds what was done: verb, side, direction, how often, how fast, when. ``check`` holds that against a
program; only what the program states is checked, and what it does not mention may happen too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from sopo.corpus import measure
from sopo.corpus.measure import Event, Signals
from sopo.corpus.program import Action, Program, Segment
from sopo.errors import UserError
from sopo.json_files import read_json_lines
from sopo.motion.skeleton import HUMANML3D, Skeleton

# Metres a second and frames that part the tempi, half-way between what the primitives do on the target body.
WALK_BANDS, RUN_BANDS, RUNS = (0.78, 1.24), (2.55, 3.25), 1.85
BACKWARD_BANDS = (0.66, 1.06)
WAVE_BANDS, SQUAT_BANDS, BOW_BANDS = (15.2, 9.8), (15.4, 9.4), (16.8, 10.3)


@dataclass(frozen=True)
class Seen:
    """Something that was done from one frame to another (of 20 a second); attributes as in Action."""

    action: Action
    start: float
    end: float

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class Verdict:
    """``passed`` in all; ``parts``: for every stated part ('wave side', 'order', ...) whether it holds."""

    passed: bool
    parts: dict[str, bool] = field(default_factory=dict)


def _band(value: float, edges: tuple[float, float], rising: bool = True) -> str:
    """Slowly, normally or quickly; ``rising``: greater is faster."""
    low, high = edges
    if rising:
        return "slowly" if value < low else "quickly" if value > high else "normally"
    return "slowly" if value > low else "quickly" if value < high else "normally"


def observe(joints: NDArray, skeleton: Skeleton = HUMANML3D) -> list[Seen]:
    """All that a clip [T, J, 3] of the skeleton does; nothing, if it is broken or under half a second."""
    if len(joints) < skeleton.fps / 2 or not np.isfinite(joints).all():
        return []
    seen = measure.signals(joints, skeleton)
    found = _travels(seen) + _turns(seen)
    way = np.cumsum(seen.ahead) / measure.FPS
    found += _counted("jump", measure.jumps(seen, way), gap=32)
    found += _counted("kick", measure.kicks(seen), gap=28)
    found += _counted("sidestep", measure.sidesteps(seen), gap=26)
    found += _dipping(measure.dips(seen))
    found += _tempo("bow", measure.bows(seen), BOW_BANDS)
    found += _arms("wave", measure.waves(seen), gap=22)
    found += _arms("punch", measure.punches(seen), gap=22)
    found += _arms("raise", measure.raises(seen), gap=40)
    found += _stops(seen)
    return found


def _counted(verb: str, events: list[Event], gap: int) -> list[Seen]:
    """Repeats of the same kind make one action with a count."""
    out = []
    for side, direction in {(event.side, event.direction) for event in events}:
        alike = [event for event in events if (event.side, event.direction) == (side, direction)]
        for group in measure.in_groups(alike, gap):
            out.append(Seen(Action(verb, side, direction, None, len(group)), group[0].start, group[-1].end))
    return out


def _arms(verb: str, events: list[Event], gap: int) -> list[Seen]:
    """As ``_counted``, and what both arms do at the same time is one action of both."""
    singles = _counted(verb, events, gap)
    if verb == "wave":
        singles = [_wave_tempo(one, events) for one in singles]
    out, paired = [], set()
    for i, a in enumerate(singles):
        for j, b in enumerate(singles):
            same = a.action.direction == b.action.direction
            if a.action.side == "left" and b.action.side == "right" and same and _share(a, b) > 0.6:
                agreed = a.action.count if a.action.count == b.action.count else None
                both = Action(verb, "both", a.action.direction, a.action.speed, agreed)
                out.append(Seen(both, a.start, a.end))
                paired |= {i, j}
    return out + [one for index, one in enumerate(singles) if index not in paired]


def _wave_tempo(one: Seen, events: list[Event]) -> Seen:
    times = sorted(e.at for e in events if e.side == one.action.side and one.start <= e.at <= one.end)
    if len(times) < 2:
        return one
    speed = _band((times[-1] - times[0]) / (len(times) - 1), WAVE_BANDS, rising=False)
    return Seen(Action("wave", one.action.side, None, speed, one.action.count), one.start, one.end)


def _share(a: Seen, b: Seen) -> float:
    """Overlap as a share of the longer."""
    return (min(a.end, b.end) - max(a.start, b.start)) / max(a.end - a.start, b.end - b.start, 1)


def _dipping(events: list[Event]) -> list[Seen]:
    held = [e for e in events if e.direction == "held"]
    back = [e for e in events if e.direction == "back"]
    return [Seen(Action("crouch"), e.start, e.end) for e in held] + _tempo("squat", back, SQUAT_BANDS)


def _tempo(verb: str, events: list[Event], bands: tuple[float, float]) -> list[Seen]:
    """Repeats with the tempo of their mean duration at half depth."""
    out = []
    for group in measure.in_groups(events, gap=60):
        speed = _band(float(np.mean([e.end - e.start for e in group])), bands, rising=False)
        out.append(Seen(Action(verb, None, None, speed, len(group)), group[0].start, group[-1].end))
    return out


def _travels(seen: Signals) -> list[Seen]:
    """Walking and running: where the pelvis keeps moving ahead or back, split by direction and by gait."""
    out = []
    grounded = maximum_filter1d(seen.feet[..., 1].min(axis=1), 9) < 0.22  # neither in a jump nor next to one
    for sign, name in ((1, "forward"), (-1, "backward")):
        moving = grounded & (sign * seen.ahead > 0.3) & (np.abs(seen.ahead) > 1.1 * np.abs(seen.aside))
        for start, end in measure.stretches(moving, least=10, bridge=3):
            speeds = np.abs(seen.ahead[start:end])
            fast = measure.stretches(speeds > RUNS, least=10, bridge=4)
            for a, b in fast:
                top = float(np.percentile(speeds[a:b], 80))
                speed = _band(top, RUN_BANDS)
                out.append(Seen(Action("run", None, name, speed), start + a, start + b))
            slow = np.ones(end - start, dtype=bool)
            for a, b in fast:  # with the frames in which the gait changes
                slow[max(0, a - 6) : b + 6] = False
            for a, b in measure.stretches(slow, least=12):
                out += _walk(seen, start + a, start + b, name, speeds[a:b])
    return out


def _walk(seen: Signals, start: int, end: int, name: str, speeds: NDArray) -> list[Seen]:
    bands = WALK_BANDS if name == "forward" else BACKWARD_BANDS
    speed = _band(float(np.percentile(speeds, 65)), bands)
    turned = float(seen.heading[end - 1] - seen.heading[start])
    side = "left" if turned > 0 else "right"
    if name == "forward" and abs(turned) > 3.2:
        return [Seen(Action("circle", None, side, speed), start, end)]
    if name == "forward" and abs(turned) > 0.75:
        return [Seen(Action("walk", None, side, speed), start, end)]
    return [Seen(Action("walk", None, name, speed), start, end)]


def _turns(seen: Signals) -> list[Seen]:
    """Changes of heading on the spot: a quarter to a side, or around."""
    rate = np.gradient(seen.heading)
    out = []
    for sign, side in ((1, "left"), (-1, "right")):
        for start, end in measure.stretches(sign * rate > 0.02, least=5, bridge=2):
            angle = abs(float(seen.heading[end - 1] - seen.heading[start]))
            if angle < 0.8 or seen.speed[start:end].mean() > 0.45:
                continue
            out.append(Seen(Action("turn", None, "around" if angle > 2.3 else side), start, end))
    return out


def _stops(seen: Signals) -> list[Seen]:
    """Standing still at the end of the clip."""
    still = measure.stretches(seen.speed < 0.3)
    if not still or still[-1][1] < len(seen.speed) or still[-1][1] - still[-1][0] < 10:
        return []
    return [Seen(Action("stand"), *still[-1])]


# ------------------------------------------------------------------------------------- against what is said


def _fits(said: Action, seen: Action) -> bool:
    return said.verb == seen.verb and all(getattr(said, name) == getattr(seen, name) for name in said.stated)


def _candidates(said: Segment, found: list[Seen]) -> list[Seen]:
    """Places where the main action is seen, together with the overlay if one is said."""
    mains = [one for one in found if _fits(said.main, one.action)]
    if said.overlay is None:
        return mains
    overlays = [one for one in found if _fits(said.overlay, one.action)]
    return [
        main
        for main in mains
        if any(min(main.end, o.end) - max(main.start, o.start) > 0.5 * (o.end - o.start) for o in overlays)
    ]


def check(joints: NDArray, said: Program, skeleton: Skeleton = HUMANML3D) -> bool:
    """Whether joints [T, J, 3], as ``skeleton`` has them, do all that ``said`` states, in its order."""
    return judge(observe(joints, skeleton), said).passed


def judge(found: list[Seen], said: Program) -> Verdict:
    """The verdict on a clip already observed, with one entry a stated part."""
    parts: dict[str, bool] = {}
    for action in said.actions:
        same = [one.action for one in found if one.action.verb == action.verb]
        parts[action.verb] = parts.get(action.verb, True) and bool(same)
        for name in action.stated:
            label = f"{action.verb} {name}"
            value = getattr(action, name)
            parts[label] = parts.get(label, True) and any(getattr(one, name) == value for one in same)
    places = [_candidates(segment, found) for segment in said.segments]
    for number, (segment, place) in enumerate(zip(said.segments, places, strict=True), start=1):
        if segment.overlay is not None:
            parts[f"together {number}"] = bool(place)
    complete = all(places)
    if len(places) > 1:
        parts["order"] = complete and any(
            all(a.middle < b.middle for a, b in pairwise(chosen)) for chosen in product(*places)
        )
    return Verdict(complete and parts.get("order", True), parts)


def check_many(
    joints: Iterable[NDArray],
    lengths: Sequence[int] | NDArray,
    said: Sequence[Program],
    skeleton: Skeleton = HUMANML3D,
) -> NDArray[np.bool_]:
    """``check`` for N padded motions [N, T, J, 3] with their lengths: [N] bool."""
    clips = zip(joints, lengths, said, strict=True)
    return np.array([check(clip[: int(length)], program, skeleton) for clip, length, program in clips], dtype=bool)


class CaptionIndex:
    """What every caption of a corpus says, so that its rules can judge motions made for that caption."""

    def __init__(self, entries: Iterable[dict[str, Any]]) -> None:
        self._said = {
            (entry["id"], caption["text"]): Program.from_json(caption["says"])
            for entry in entries
            for caption in entry["captions"]
        }

    @classmethod
    def read(cls, path: str | Path) -> CaptionIndex:
        """From ``corpus.jsonl``; UserError if there is none, or if it is damaged."""
        path = Path(path)
        if not path.is_file():
            raise UserError(f"{path}: no such file; rules can judge only a corpus that `sopo` made")
        try:
            return cls(entry for _, entry in read_json_lines(path))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path}: not a corpus description ({error!r}); make the corpus again") from error

    def said(self, key: str, caption: str) -> Program:
        """What the caption of clip ``key`` says; UserError if the corpus has no such caption."""
        try:
            return self._said[key, caption]
        except KeyError:
            raise UserError(f"clip {key} has no caption {caption!r} in this corpus; use its own texts") from None

    def programs(self) -> dict[str, Program]:
        """Every caption's text with what it says."""
        return {text: said for (_, text), said in self._said.items()}

    def rule_accuracy(
        self,
        joints: NDArray,
        lengths: Sequence[int] | NDArray,
        ids: Sequence[str],
        captions: Sequence[str],
        skeleton: Skeleton = HUMANML3D,
    ) -> NDArray[np.bool_]:
        """Whether joints [N, T, J, 3], as ``skeleton`` has them, do what the captions say: [N] bool."""
        said = [self.said(key, caption) for key, caption in zip(ids, captions, strict=True)]
        return check_many(joints, lengths, said, skeleton)
