"""Settings: frozen dataclasses whose every field is checked, by type and range, whenever one is made.

A field's hint says all that it may be: ``layers: Annotated[int, Range(1, 64)] = 8``. What several fields must be
together is checked in the class's own ``__post_init__``, after this one's.
"""

from __future__ import annotations

import dataclasses
import math
import reprlib
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from sopo.errors import UserError

NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null", Path: "a path"}


@dataclass(frozen=True)
class Range:
    """Of a number, in its hint: from ``low`` to ``high``; ``ends`` "()", "[)", "(]": one or both are left out."""

    low: float = -math.inf
    high: float = math.inf
    ends: Literal["[]", "()", "[)", "(]"] = "[]"

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.ends[0] == "(" else value >= self.low
        return above and (value < self.high if self.ends[1] == ")" else value <= self.high)

    def __str__(self) -> str:
        low = f" above {self.low}" if self.ends[0] == "(" else f", {self.low} or more"
        if math.isinf(self.high):
            return low
        if self.ends == "[]":
            return f" from {self.low} to {self.high}"
        return f"{low} and {'below' if self.ends[1] == ')' else 'up to'} {self.high}"


Positive = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, 2**63 - 1)]
Share = Annotated[float, Range(0, 1)]
Rate = Annotated[float, Range(0, 1, "()")]


@dataclass(frozen=True)
class Settings:
    """The base of such a dataclass; making one raises UserError that names the field, its value and what it must be."""

    def __post_init__(self) -> None:
        kind: type = type(self)
        for name, hint in _hints(kind).items():
            if not _fits(value := getattr(self, name), hint):
                raise UserError(f"{name} is {shown(value)}: must be {_described(hint)}")


def settings_from(kind: type, entries: dict[str, Any], source: str, group: str = "") -> Any:
    """The dataclass ``kind``, and those nested in it, from JSON; UserError, naming ``source``, on a wrong entry."""
    hints = _hints(kind)
    if unknown := sorted(set(entries) - set(hints)):
        raise UserError(f"{source}: unknown entries {shown(unknown)}; written by another version?")
    values = {}
    for name, value in entries.items():
        if isinstance(value, dict) and dataclasses.is_dataclass(hints[name]):
            value = settings_from(hints[name], value, source, f"{group}{name}.")
        values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**values)
    except UserError as error:
        raise UserError(f"{source}: {group}{error}") from error


def shown(value: object) -> str:
    """A value that a stranger chose, in one short line."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    short.maxlist = 4
    try:
        return short.repr(value)
    except ValueError:  # more digits than Python prints
        return "a number of thousands of digits"


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _fits(value: Any, hint: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _fits(value, parts[0]) and all(value in limits for limits in parts[1:])
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, parts[0]) for item in value)
    if hint is float:  # finite, and no bool, here and below
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    return type(value) is hint if hint in (int, bool, str) else isinstance(value, hint)


def _described(hint: Any) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{_described(parts[0])}{''.join(map(str, parts[1:]))}"
    if origin is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin in (Union, UnionType):
        return " or ".join(map(_described, parts))
    if origin is tuple:
        return f"a list of which each is {_described(parts[0])}"
    return NAMES.get(hint) or f"settings of {hint.__name__}"
