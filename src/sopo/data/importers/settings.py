"""How a folder is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sopo.settings import Positive, Range, Seed, Settings

Size = Annotated[float, Range(0, 1e6, "()")]


@dataclass(frozen=True)
class ImportConfig(Settings):
    """How to import a folder of motion files."""

    mapping: str | None = None
    """JSON file, such as an import's own mapping.json: which joint is which, and how files are read. None: found out"""
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None
    """the axis of the files that points up. None: told by how the bodies stand"""
    unit: Size | None = None
    """metres in one unit of the files, such as 0.01. None: told by the length of the legs"""
    fps: Size | None = None
    """frames a second of all files but glTF's, whose keys have times. None: as each file says"""
    body_model: str | None = None
    """your SMPL, SMPL-H or SMPL-X model, a file or their folder: for files of such poses, as AMASS's are"""
    mirror: bool = True
    """add each motion's mirror image (id M...), with left and right exchanged in its captions"""
    seed: Seed = 0
    """of the split, where the source has none"""
    skeleton: Literal["humanml3d", "kit"] = "humanml3d"
    """the layout to write: 22 joints in metres at 20 fps, or 21 in KIT-ML's units at 12.5 fps"""
    processes: Positive = 2
    """that encode clips side by side"""
