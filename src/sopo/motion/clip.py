"""What every reader of a motion file returns: a moving hierarchy of joints."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Clip:
    """Motion of any hierarchy, as its file has it.

    names, parents: J each; parents come before their children, -1 at roots. positions: [T, J, 3], in ``unit`` metres.
    unit: metres in one unit, up: the axis that points up ("y", "z", "-x" ...); each None where the format does not
    say, 1.0 and "y" once they are settled. notes: what was settled while reading, a line each for the user.
    rest: the joints without any rotation, [J, 3], if the format has such a pose: mostly somebody who stands.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    positions: NDArray[np.float64]
    fps: float
    unit: float | None = None
    up: str | None = None
    notes: tuple[str, ...] = ()
    rest: NDArray[np.float64] | None = None

    def at_rest(self) -> Clip | None:
        """The clip of its rest pose alone, one frame; None if it has none."""
        return None if self.rest is None else replace(self, positions=self.rest[None])
