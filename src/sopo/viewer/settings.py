"""Which clips of a folder the contact sheet shows."""

from __future__ import annotations

from dataclasses import dataclass

from sopo.settings import Positive, Seed, Settings


@dataclass(frozen=True)
class ViewConfig(Settings):
    """Which clips ``sopo data view`` shows."""

    split: str | None = None
    """only this split"""
    find: str | None = None
    """only clips with all these words in their id or captions"""
    only_warnings: bool = False
    """only clips with a warning; the whole folder is looked at"""
    most: Positive = 600
    """show at most so many, drawn by the seed; above 600 the motions lie in a folder beside the page"""
    seed: Seed = 0
    """of the draw"""
