"""How a folder is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sopo.errors import UserError


@dataclass(frozen=True)
class ImportConfig:
    """How to import a folder of motion files."""

    mapping: str | None = None
    """JSON file, such as an import's own mapping.json: which joint is which, and how files are read. None: found out"""
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None
    """the axis of the files that points up. None: told by how the bodies stand"""
    unit: float | None = None
    """metres in one unit of the files, such as 0.01. None: told by the length of the legs"""
    fps: float | None = None
    """frames a second of all files but glTF's, whose keys have times. None: as each file says"""
    body_model: str | None = None
    """your SMPL, SMPL-H or SMPL-X model, a file or their folder: for files of such poses, as AMASS's are"""
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
        for name, value in (("unit", self.unit), ("fps", self.fps)):
            if value is not None and not 0 < value < 1e6:
                raise UserError(f"{name} is {value}; expected a number above 0")
