"""What one motion of the corpus is made to do: the words of its language, its sampling and its variations."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sopo.randomness import derive_seed

SPEEDS = ("slowly", "normally", "quickly")
_COUNTS = (1, 2, 3)
_ARMS = ("left", "right", "both")
_LEGS = ("left", "right")


@dataclass(frozen=True)
class Attributes:
    """The values that a verb's attributes may take; empty: the verb has no such attribute.

    weight: how often the verb is drawn as a segment's main action.
    """

    side: tuple[str, ...] = ()
    direction: tuple[str, ...] = ()
    speed: tuple[str, ...] = ()
    count: tuple[int, ...] = ()
    weight: float = 1.0


VERBS: dict[str, Attributes] = {
    "walk": Attributes(direction=("forward", "backward", "left", "right"), speed=SPEEDS, weight=3.5),
    "run": Attributes(direction=("forward",), speed=SPEEDS, weight=1.0),
    "circle": Attributes(direction=("left", "right"), speed=SPEEDS, weight=2.0),
    "sidestep": Attributes(direction=("left", "right"), count=_COUNTS, weight=1.5),
    "turn": Attributes(direction=("left", "right", "around"), weight=1.2),
    "jump": Attributes(direction=("up", "forward", "backward"), count=_COUNTS, weight=1.5),
    "kick": Attributes(side=_LEGS, direction=("forward", "sideways"), count=_COUNTS, weight=2.0),
    "squat": Attributes(speed=SPEEDS, count=_COUNTS, weight=1.2),
    "bow": Attributes(speed=SPEEDS, count=(1, 2), weight=1.0),
    "crouch": Attributes(weight=1.0),
    "wave": Attributes(side=_ARMS, speed=SPEEDS, count=_COUNTS, weight=2.5),
    "punch": Attributes(side=_ARMS, count=_COUNTS, weight=2.0),
    "raise": Attributes(side=_ARMS, direction=("up", "sideways", "forward"), count=(1, 2), weight=2.0),
    "stand": Attributes(weight=0.0),
}
UPPER = ("wave", "punch", "raise")
TRAVEL = ("walk", "run", "circle")
FIELDS = ("side", "direction", "speed", "count")


@dataclass(frozen=True)
class Action:
    """A verb of ``VERBS`` with its attributes; None where the verb has none, or where a caption is silent."""

    verb: str
    side: str | None = None
    direction: str | None = None
    speed: str | None = None
    count: int | None = None

    @property
    def stated(self) -> tuple[str, ...]:
        """Names of the attributes that have a value."""
        return tuple(name for name in FIELDS if getattr(self, name) is not None)


@dataclass(frozen=True)
class Segment:
    """An action and, meanwhile, another one of the arms."""

    main: Action
    overlay: Action | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        return (self.main,) if self.overlay is None else (self.main, self.overlay)


@dataclass(frozen=True)
class Program:
    """Segments one after the other: what a clip does, or what a caption says that it does."""

    segments: tuple[Segment, ...]

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(action for segment in self.segments for action in segment.actions)

    @property
    def key(self) -> str:
        """A canonical name of the composition."""
        return " > ".join(" + ".join(_name(action) for action in segment.actions) for segment in self.segments)

    def held_out(self, share: float) -> bool:
        """Whether the composition belongs to the ``share`` of all that training never sees."""
        return derive_seed("composition", self.key) / 2**63 < share

    def to_json(self) -> list[list[dict[str, Any]]]:
        return [[_known(action) for action in segment.actions] for segment in self.segments]

    @classmethod
    def from_json(cls, data: list[list[dict[str, Any]]]) -> Program:
        return cls(tuple(Segment(*(Action(**action) for action in segment)) for segment in data))


def _known(action: Action) -> dict[str, Any]:
    return {name: value for name, value in asdict(action).items() if value is not None}


def _name(action: Action) -> str:
    return " ".join(str(value) for value in _known(action).values())


def without(action: Action, name: str) -> Action:
    """The action with one attribute left open."""
    return Action(**{key: value for key, value in asdict(action).items() if key != name})


def with_action(program: Program, position: tuple[int, int], action: Action | None) -> Program:
    """The program with the action of a segment (its main 0, its overlay 1) replaced; None drops the overlay."""
    index, layer = position
    segment = program.segments[index]
    if layer == 0:
        assert action is not None, "a segment keeps its main action"
        segment = replace(segment, main=action)
    else:
        segment = replace(segment, overlay=action)
    return Program((*program.segments[:index], segment, *program.segments[index + 1 :]))


def mirrored(program: Program) -> Program:
    """The program of the mirrored motion."""
    swap = {"left": "right", "right": "left"}

    def of(action: Action) -> Action:
        side, direction = action.side or "", action.direction or ""
        return replace(action, side=swap.get(side, side) or None, direction=swap.get(direction, direction) or None)

    return Program(
        tuple(Segment(of(segment.main), segment.overlay and of(segment.overlay)) for segment in program.segments)
    )


# ----------------------------------------------------------------------------------------------- sampling


def sample_program(rng: np.random.Generator) -> Program:
    """Draw a program: one or two segments, with or without an overlay, perhaps stopping at the end."""
    kind = rng.random()
    while True:
        first = _sample_segment(rng)
        if kind < 0.32:
            program = Program((first,))
        elif kind < 0.39:
            program = Program((first, Segment(Action("stand"))))
        else:
            program = Program((first, _sample_segment(rng)))
        if sensible(program):
            return program


def _sample_segment(rng: np.random.Generator) -> Segment:
    verbs = [verb for verb, attributes in VERBS.items() if attributes.weight]
    weights = np.array([VERBS[verb].weight for verb in verbs])
    main = sample_action(verbs[rng.choice(len(verbs), p=weights / weights.sum())], rng)
    if main.verb in TRAVEL and rng.random() < 0.6:
        overlay = sample_action(UPPER[rng.integers(3)], rng)
        return Segment(main, replace(overlay, speed=None))
    return Segment(main)


def sample_action(verb: str, rng: np.random.Generator) -> Action:
    """An action of the verb with random values of all its attributes."""
    attributes = VERBS[verb]

    def draw(values: tuple) -> Any:
        return values[rng.integers(len(values))] if values else None

    side, direction, speed = draw(attributes.side), draw(attributes.direction), draw(attributes.speed)
    action = Action(verb, side, direction, speed, draw(attributes.count))
    # The tempo of a single wave is no tempo.
    return replace(action, speed=None) if verb == "wave" and action.count == 1 else action


def sensible(program: Program) -> bool:
    """Whether the parts can be told apart by looking, and fit into one clip."""
    first, *rest = program.segments
    if not rest:
        return True
    second = rest[0]
    if second.main.verb == "stand":
        return first.main.verb in ("walk", "run")
    verbs = {first.main.verb, second.main.verb}
    if first.main.verb == "crouch" or "circle" in verbs:
        return False
    if verbs <= {"walk", "run"}:
        directions = {first.main.direction, second.main.direction}
        plain = directions <= {"forward", "backward"}
        return plain and (len(directions) == 2 or len(verbs) == 2) and not _same_arms(first, second)
    if verbs == {"walk", "turn"} and {first.main.direction, second.main.direction} & {"left", "right"}:
        return {first.main.direction, second.main.direction} & {"forward", "backward"} != set()
    if len(verbs) == 1:
        sides = {first.main.side, second.main.side}
        if first.main.side is not None:
            return sides == {"left", "right"}
        return verbs <= {"jump", "sidestep", "turn"} and first.main.direction != second.main.direction
    return not _same_arms(first, second)


def _same_arms(first: Segment, second: Segment) -> bool:
    """Whether both segments do the same with arms that overlap."""
    for a in first.actions:
        for b in second.actions:
            if a.verb == b.verb and a.verb in UPPER and (a.side == b.side or "both" in (a.side, b.side)):
                return True
    return False
