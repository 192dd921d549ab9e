"""Which clips of a folder the contact sheet shows."""

from __future__ import annotations

from dataclasses import dataclass

from sopo.errors import UserError


@dataclass(frozen=True)
class ViewConfig:
    """Which clips ``sopo data view`` shows."""

    split: str | None = None
    """only this split"""
    find: str | None = None
    """only clips with all these words in their id or captions"""
    only_warnings: bool = False
    """only clips with a warning; the whole folder is looked at"""
    most: int = 600
    """show at most so many, drawn by the seed; above 600 the motions lie in a folder beside the page"""
    seed: int = 0
    """of the draw"""

    def __post_init__(self) -> None:
        if self.most < 1:
            raise UserError(f"most is {self.most}; expected 1 or more")
