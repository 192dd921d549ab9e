"""How a folder is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sopo.errors import UserError


@dataclass(frozen=True)
class ImportConfig:
    """How to import a folder of BVH files."""

    mapping: str | None = None
    """JSON file: each of our 22 joints -> the BVH's joint, or a list to average. None: tell by the names."""
    mirror: bool = True
    """add each motion's mirror image (id M...), with left and right exchanged in its captions"""
    seed: int = 0
    """of the split, where the source has none"""
    skeleton: Literal["humanml3d", "kit"] = "humanml3d"
    """the layout to write: 22 joints in metres at 20 fps, or 21 in KIT-ML's units at 12.5 fps"""
    processes: int = 2
    """that encode clips side by side"""

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise UserError(f"processes is {self.processes}; expected 1 or more")
