"""What is none of ours: ``module:name`` and installed entry points -> the object that they name.

Code is imported where a user names it, or has installed it, and never because a folder names it.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from sopo.errors import UserError, failure

PLACE = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_][\w.]*)(@(?P<folder>.+))?")
GENERATORS, REWARDS = "sopo.generators", "sopo.rewards"  # the groups of entry points


@dataclass(frozen=True)
class Place:
    """``module:name``, and after an ``@`` the folder that what it makes was saved in."""

    module: str
    name: str
    folder: Path | None = None

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"

    def find_module(self) -> Any:
        """The module; those of the working directory are found too. UserError where there is none."""
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        return run(str(self), importlib.import_module, self.module)

    def find(self) -> Any:
        """The object; UserError where there is none."""
        found = self.find_module()
        for part in self.name.split("."):
            if not hasattr(found, part):
                raise UserError(f"{self}: {found.__name__} has no {part!r}")
            found = getattr(found, part)
        return found


def place(text: str | Path) -> Place | None:
    """``text`` as a place; None if it is a path that exists, or no ``module:name``."""
    found = PLACE.fullmatch(str(text))
    if found is None or Path(text).exists():
        return None
    folder = found["folder"]
    return Place(found["module"], found["name"], Path(folder) if folder else None)


def installed(group: str, name: str) -> Any | None:
    """What an installed package offers in ``group`` under ``name``; None if none does."""
    for entry in entry_points(group=group, name=name):
        return run(f"entry point {name!r} of {group}", entry.load)
    return None


def run(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """``function(*arguments)``, code of the user's; what it raises becomes a UserError of one line."""
    try:
        return function(*arguments)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{what}: {failure(error)}") from error
