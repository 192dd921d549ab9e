"""The one error that users see, and what a library's or a user's own code says to them."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any


class UserError(Exception):
    """Bad input: the message says what is wrong, where, and what to do.

    The command line prints it as one line and exits with code 2.
    """


class DivergenceError(UserError):
    """A training whose loss or gradient, or a model whose motions have stopped being numbers."""


def reason(error: Exception) -> str:
    """What a library says of a failure, in a line for a UserError: its first one, cut short, or the error's name."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return first if len(first) <= 200 else f"{first[:200]}..."


def failure(error: Exception, module: str = "") -> str:
    """One line: what was raised, and by which line of which file, of ``module``'s package if it came through that."""
    said = " ".join(str(error).split())
    frames = _frames(error, module) or list(traceback.walk_tb(error.__traceback__))
    where = f" ({Path(frames[-1][0].f_code.co_filename).name}, line {frames[-1][1]})" if frames else ""
    return f"{type(error).__name__}: {said if len(said) <= 300 else said[:300] + '...'}{where}"


def answer_for(kind: type, methods: Iterable[str]) -> None:
    """Let what these methods of a class that is none of ours raise become a UserError, with the line of its code.

    Inherited ones too, for they call what the class overrides; what never reaches its code is raised as it is.
    """
    if _package(kind.__module__) == "sopo":
        return
    for name in methods:
        method = inspect.getattr_static(kind, name)
        if inspect.isfunction(method) and not getattr(method, "__isabstractmethod__", False):
            setattr(kind, name, _answered(method, kind.__module__, own=name in vars(kind)))


def _answered(method: Callable[..., Any], module: str, own: bool) -> Callable[..., Any]:
    @functools.wraps(method)
    def answered(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return method(self, *arguments, **named)
        except UserError:
            raise
        except Exception as error:
            if not own and not _frames(error, module):
                raise
            who = self.name or place_of(type(self))
            raise UserError(f"{who}: its {method.__name__} failed with {failure(error, module)}") from error

    return answered


def _frames(error: Exception, module: str) -> list[tuple[FrameType, int]]:
    """Where the error came through the package of ``module``, and in which lines."""
    lines = traceback.walk_tb(error.__traceback__)
    return [line for line in lines if _package(line[0].f_globals.get("__name__")) == _package(module)]


def place_of(kind: type) -> str:
    """``module:name`` of a class."""
    return f"{kind.__module__}:{kind.__qualname__}"


def _package(module: str | None) -> str:
    return (module or "").partition(".")[0]
