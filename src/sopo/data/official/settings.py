"""How an official data set is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sopo.settings import Positive, Settings


@dataclass(frozen=True)
class BuildConfig(Settings):
    """How to build a data set from AMASS."""

    partial: bool = False
    """build what can be built where archives or motions are missing, instead of stopping"""
    processes: Positive = 2
    """that read archives and encode clips side by side"""


@dataclass(frozen=True)
class KitConfig(BuildConfig):
    """How to put KIT-ML's captions on AMASS's motions."""

    skeleton: Literal["humanml3d", "kit"] = "kit"
    """the layout to write: 21 joints in KIT-ML's units at 12.5 fps, or 22 in metres at 20 fps, as TMR's KIT-ML"""
