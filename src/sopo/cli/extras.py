"""Packages that only some verbs need: one line says which extra brings what is absent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sopo.errors import UserError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around imports that take the packages of ``extra``; UserError where one is absent."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "sopo").partition(".")[0] == "sopo":
            raise
        raise UserError(f"this needs {error.name}, of the extra {extra!r}: pip install 'sopo[{extra}]'") from error
