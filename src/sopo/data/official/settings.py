"""How an official data set is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sopo.errors import UserError


@dataclass(frozen=True)
class BuildConfig:
    """How to build a data set from AMASS."""

    partial: bool = False
    """build what can be built where archives or motions are missing, instead of stopping"""
    processes: int = 2
    """that read archives and encode clips side by side"""

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise UserError(f"processes is {self.processes}; expected 1 or more")


@dataclass(frozen=True)
class KitConfig(BuildConfig):
    """How to put KIT-ML's captions on AMASS's motions."""

    skeleton: Literal["humanml3d", "kit"] = "kit"
    """the layout to write: 21 joints in KIT-ML's units at 12.5 fps, or 22 in metres at 20 fps, as TMR's KIT-ML"""
