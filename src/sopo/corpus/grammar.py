"""Programs in words, in the register of HumanML3D, and the ways in which annotators leave out and err."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sopo.batch import Caption
from sopo.corpus.program import SPEEDS, VERBS, Action, Program, Segment, with_action, without
from sopo.data.tagging import tag

Rng = np.random.Generator

# Subject, its possessive, its pronoun.
_SUBJECTS = (
    ("a person", "their", "they"), ("a person", "the", "they"), ("a person", "his", "he"), ("person", "their", "they"),
    ("the person", "their", "they"), ("someone", "their", "they"), ("a man", "his", "he"), ("the man", "his", "he"),
    ("a woman", "her", "she"), ("a figure", "its", "it"), ("this person", "their", "they"),
)  # fmt: skip
_TIMES = {
    1: ("once", "one time", "a single time"),
    2: ("twice", "two times"),
    3: ("three times",),
}
_NUMBER = {1: "a", 2: "two", 3: "three"}
_PACE = {
    "slowly": ("slowly", "at a slow pace"),
    "normally": ("at a normal pace", "at a steady pace"),
    "quickly": ("quickly", "fast", "at a quick pace"),
}
_TEMPO = {"slowly": ("slowly",), "normally": ("at a normal speed",), "quickly": ("quickly", "rapidly")}
_WAY = {
    "forward": ("forward", "forwards", "straight ahead"),
    "backward": ("backward", "backwards"),
    "left": ("in a curve to the left", "forward and curves left", "along a left curve"),
    "right": ("in a curve to the right", "forward and curves right", "along a right curve"),
}
_CLOCK = {
    "left": ("counterclockwise", "to the left", "counter-clockwise"),
    "right": ("clockwise", "to the right", "clockwise"),
}
_RAISE = {
    "up": ("up", "above {p} head", "overhead", "straight up"),
    "sideways": ("to the side", "out sideways", "sideways to shoulder height"),
    "forward": ("in front", "forward to shoulder height", "straight forward"),
}


_HALTS = (("stops", "stopping", ""), ("stands", "standing", "still"), ("comes", "coming", "to a stop"))
_STANDING = tuple(f"{finite} {rest}".strip() for finite, _, rest in _HALTS)


@dataclass(frozen=True)
class Clause:
    """What someone does, without the someone: 'walks slowly', 'walking slowly'."""

    finite: str
    gerund: str


def caption(said: Program, rng: Rng) -> Caption:
    """The program in one of its many wordings; what the program leaves open stays unsaid."""
    subject, possessive, pronoun = _SUBJECTS[rng.integers(len(_SUBJECTS))]
    clauses = [_segment(segment, possessive, rng) for segment in said.segments]
    text = _sentence(subject, pronoun, clauses, rng)
    if rng.random() < 0.5:
        text += "."
    return Caption(text, tag(text))


def _pick(options: Sequence[str], rng: Rng) -> str:
    return options[int(rng.integers(len(options)))]


def _sentence(subject: str, pronoun: str, clauses: list[Clause], rng: Rng) -> str:
    form = rng.random()
    first = clauses[0]
    if len(clauses) == 1:
        if form < 0.65:
            return f"{subject} {first.finite}"
        return f"{subject} is {first.gerund}" if form < 0.9 else first.gerund
    second = clauses[1]
    if form < 0.75:
        joint = _pick((", then ", " and then ", " then ", ", and then ", " and afterwards ", ", before "), rng)
        return f"{subject} {first.finite}{joint}{second.gerund if 'before' in joint else second.finite}"
    if form < 0.83:
        return f"after {first.gerund}, {subject} {second.finite}"
    if form < 0.91:
        return f"{subject} first {first.finite}, then {second.finite}"
    if second.finite in _STANDING:  # nobody starts stopping
        return f"{subject} {first.finite} and {second.finite}"
    start = "start" if pronoun == "they" else "starts"
    return f"{subject} {first.finite}. then {pronoun} {start} {second.gerund}"


def _segment(segment: Segment, possessive: str, rng: Rng) -> Clause:
    main = _clause(segment.main, possessive, rng)
    if segment.overlay is None:
        return main
    overlay = _clause(segment.overlay, possessive, rng)
    form = rng.random()
    if form < 0.6:
        return Clause(f"{main.finite} while {overlay.gerund}", f"{main.gerund} while {overlay.gerund}")
    if form < 0.85:
        return Clause(f"{overlay.finite} while {main.gerund}", f"{overlay.gerund} while {main.gerund}")
    tail = "at the same time"
    return Clause(f"{main.finite} and {overlay.finite} {tail}", f"{main.gerund} and {overlay.gerund} {tail}")


def _clause(action: Action, possessive: str, rng: Rng) -> Clause:
    """The action's core, then direction, count and tempo in varying order."""
    (finite, gerund), rest, count_said = _CORES[action.verb](action, possessive, rng)
    tails = []
    if action.count is not None and not count_said:
        tails.append(_pick(_TIMES[action.count], rng))
    if action.speed is not None:
        travels = action.verb in ("walk", "run", "circle")
        pace = _pick((_PACE if travels else _TEMPO)[action.speed], rng)
        if pace.endswith("ly") and rng.random() < 0.35:
            finite, gerund = f"{pace} {finite}", f"{pace} {gerund}"
        elif pace.endswith("ly") and rng.random() < 0.3:
            rest = f"{pace} {rest}".strip()
        else:
            tails.insert(int(rng.integers(len(tails) + 1)), pace)
    tail = " ".join(part for part in (rest, *tails) if part)
    return Clause(f"{finite} {tail}".strip(), f"{gerund} {tail}".strip().replace("and curves", "and curving"))


# One function a verb: (finite, gerund) of its head, the rest of its core, and whether that tells the count.
_Core = tuple[tuple[str, str], str, bool]


def _limb(action: Action, possessive: str, singular: Sequence[str], rng: Rng, bare: str = "") -> str:
    """'their left hand', 'both hands', or ``bare`` where the side is open."""
    noun = _pick(singular, rng)
    if action.side is None:
        return bare
    return f"both {noun}s" if action.side == "both" else f"{possessive} {action.side} {noun}"


def _walk(action: Action, possessive: str, rng: Rng) -> _Core:
    return ("walks", "walking"), _pick(_WAY[action.direction], rng) if action.direction else "", False


def _run(action: Action, possessive: str, rng: Rng) -> _Core:
    heads = {
        "slowly": (("jogs", "jogging"), ("runs", "running")),
        "quickly": (("runs", "running"), ("sprints", "sprinting")),
    }
    options = heads.get(action.speed or "", (("runs", "running"),))
    way = _pick(_WAY[action.direction], rng) if action.direction and rng.random() < 0.8 else ""
    return options[rng.integers(len(options))], way, False


def _circle(action: Action, possessive: str, rng: Rng) -> _Core:
    clock = _pick(_CLOCK[action.direction], rng) if action.direction else ""
    return ("walks", "walking"), f"{_pick(('in a circle', 'around in a circle'), rng)} {clock}".strip(), False


def _sidestep(action: Action, possessive: str, rng: Rng) -> _Core:
    to = f"to {_pick((possessive, 'the'), rng)} {action.direction}" if action.direction else "to the side"
    if action.count and rng.random() < 0.5:
        steps = f"{_NUMBER[action.count]} {_pick(('', 'side '), rng)}step{'s' if action.count > 1 else ''}"
        return ("takes", "taking"), f"{steps} {to}", True
    heads = (
        ("sidesteps", "sidestepping"),
        ("steps sideways", "stepping sideways"),
        ("side steps", "side stepping"),
    )
    return heads[rng.integers(3)], to, False


def _turn(action: Action, possessive: str, rng: Rng) -> _Core:
    if action.direction is None:
        return ("turns", "turning"), "", False
    if action.direction == "around":
        around = _pick(("around", "completely around", "around to face the other way", "180 degrees"), rng)
        return ("turns", "turning"), around, False
    if rng.random() < 0.25:
        return ("makes", "making"), f"a {action.direction} turn", False
    return ("turns", "turning"), _pick((f"to {possessive} {action.direction}", action.direction), rng), False


def _jump(action: Action, possessive: str, rng: Rng) -> _Core:
    ways = {
        "up": ("up", "in place", "straight up"),
        "forward": ("forward", "ahead"),
        "backward": ("backward", "backwards"),
    }
    way = _pick(ways[action.direction], rng) if action.direction else ""
    heads = (("jumps", "jumping"), ("leaps", "leaping"), ("jumps", "jumping"))
    return heads[rng.integers(3)], way, False


def _kick(action: Action, possessive: str, rng: Rng) -> _Core:
    ways = {
        "forward": ("forward", "to the front"),
        "sideways": ("sideways", "to the side", "out to the side"),
    }
    way = _pick(ways[action.direction], rng) if action.direction else ""
    limb = _limb(action, possessive, ("leg", "foot"), rng)
    if not limb:
        return ("kicks", "kicking"), way, False
    parts = (
        (limb, way) if rng.random() < 0.4 else (way, f"with {limb}") if rng.random() < 0.5 else (f"with {limb}", way)
    )
    return ("kicks", "kicking"), " ".join(part for part in parts if part), False


def _squat(action: Action, possessive: str, rng: Rng) -> _Core:
    if action.count and rng.random() < 0.4:
        return ("does", "doing"), f"{_NUMBER[action.count]} squat{'s' if action.count > 1 else ''}", True
    return ("squats", "squatting"), _pick(("", "down and up", "down and back up"), rng), False


def _bow(action: Action, possessive: str, rng: Rng) -> _Core:
    heads = (("bows", "bowing", ""), ("bends", "bending", "forward at the waist"), ("bows", "bowing", "down"))
    finite, gerund, rest = heads[rng.integers(3)]
    return (finite, gerund), rest, False


def _crouch(action: Action, possessive: str, rng: Rng) -> _Core:
    heads = (
        ("crouches down", "crouching down", "and stays low"), ("lowers", "lowering", "into a crouch"),
        ("squats down", "squatting down", "and stays there"), ("crouches", "crouching", "on the spot"),
    )  # fmt: skip
    finite, gerund, rest = heads[rng.integers(4)]
    return (finite, gerund), rest, False


def _stand(action: Action, possessive: str, rng: Rng) -> _Core:
    finite, gerund, rest = _HALTS[rng.integers(3)]
    return (finite, gerund), rest, False


def _wave(action: Action, possessive: str, rng: Rng) -> _Core:
    limb = _limb(action, possessive, ("hand", "hand", "arm"), rng)
    with_limb = _pick((limb, f"with {limb}"), rng) if limb else ""
    return ("waves", "waving"), with_limb, False


def _punch(action: Action, possessive: str, rng: Rng) -> _Core:
    limb = _limb(action, possessive, ("hand", "fist", "arm"), rng)
    with_limb = f"with {limb}" if limb else ""
    if action.count and rng.random() < 0.4:
        punches = f"{_NUMBER[action.count]} punch{'es' if action.count > 1 else ''}"
        return ("throws", "throwing"), f"{punches} {with_limb}".strip(), True
    return ("punches", "punching"), with_limb, False


def _raise(action: Action, possessive: str, rng: Rng) -> _Core:
    heads = (("raises", "raising"), ("lifts", "lifting"))
    way = _pick(_RAISE[action.direction], rng).format(p=possessive) if action.direction else ""
    return (
        heads[rng.integers(2)],
        f"{_limb(action, possessive, ('arm',), rng, 'an arm')} {way}".strip(),
        False,
    )


_CORES = {
    "walk": _walk, "run": _run, "circle": _circle, "sidestep": _sidestep, "turn": _turn, "jump": _jump,
    "kick": _kick, "squat": _squat, "bow": _bow, "crouch": _crouch, "stand": _stand, "wave": _wave,
    "punch": _punch, "raise": _raise,
}  # fmt: skip


# ------------------------------------------------------------------------ what annotators say of a motion


def faithful(program: Program, rng: Rng) -> Program:
    """All that is worth saying: nobody mentions that a pace is normal, few that once is once."""

    def told(action: Action) -> Action:
        if action.speed == "normally" and rng.random() < 0.85:
            action = without(action, "speed")
        return without(action, "count") if action.count == 1 and rng.random() < 0.4 else action

    return Program(tuple(Segment(told(s.main), s.overlay and told(s.overlay)) for s in program.segments))


def coarse(program: Program, rng: Rng) -> Program | None:
    """A part left out: an overlay, a segment, or all detail of an action; None if there is no part to leave out."""
    options: list[Program] = []
    for index, segment in enumerate(program.segments):
        if segment.overlay:
            options.append(with_action(program, (index, 1), None))
        for layer, action in enumerate(segment.actions):
            if action.stated:
                options.append(with_action(program, (index, layer), Action(action.verb)))
            for name in action.stated:
                options.append(with_action(program, (index, layer), without(action, name)))
    if len(program.segments) > 1:
        options += [Program((segment,)) for segment in program.segments if segment.main.verb != "stand"]
    return options[rng.integers(len(options))] if options else None


def wrong(program: Program, rng: Rng) -> Program | None:
    """One mistake: a side, direction or tempo misjudged, a count off by one, or the order swapped."""
    options = []
    for index, segment in enumerate(program.segments):
        for layer, action in enumerate(segment.actions):
            options += [with_action(program, (index, layer), slip) for slip in _slips(action)]
    first, *rest = program.segments
    if rest and rest[0].main.verb != "stand":
        options += [Program((rest[0], first))] * 2
    return options[rng.integers(len(options))] if options else None


def _slips(action: Action) -> list[Action]:
    values = VERBS[action.verb]
    slips = [replace(action, side=side) for side in values.side if action.side and _swapped(side, action.side)]
    if action.direction:
        slips += [replace(action, direction=way) for way in values.direction if way != action.direction]
    if action.speed:
        at = SPEEDS.index(action.speed)
        slips += [replace(action, speed=speed) for speed in SPEEDS if abs(SPEEDS.index(speed) - at) == 1]
    if action.count:
        slips += [replace(action, count=count) for count in values.count if abs(count - action.count) == 1]
    return slips


def _swapped(side: str, other: str) -> bool:
    return {side, other} == {"left", "right"}
