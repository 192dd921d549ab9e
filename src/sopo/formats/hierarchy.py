"""What readers share about hierarchies: names that differ, sizes that a file can bear, order, turns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError

MOST_JOINTS = 5000  # a face and two hands have some hundred
_ROOM = 1 << 24  # numbers that any file may unfold to
_UNFOLDED = 16  # and numbers a byte of the file beyond


def check_size(frames: int, joints: int, file_size: int) -> None:
    """UserError if a few bytes claim to hold a crowd of joints, or hours of them."""
    if joints > MOST_JOINTS:
        raise UserError(f"holds {joints} joints, at most {MOST_JOINTS} are taken")
    if frames * joints * 3 > _ROOM + _UNFOLDED * file_size:
        raise UserError(f"{frames} frames of {joints} joints are more than a file of {file_size} bytes can hold")


def distinct_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names with `` 2``, `` 3`` ... put to those that came before."""
    distinct: dict[str, None] = {}
    count: dict[str, int] = {}
    for name in names:
        tried = name
        while tried in distinct:
            count[name] = count.get(name, 1) + 1
            tried = f"{name} {count[name]}"
        distinct[tried] = None
    return tuple(distinct)


def parents_first(parents: Sequence[int]) -> list[int]:
    """Numbers of joints so that none comes before its parent (-1: none); ValueError if they go in a circle."""
    below: dict[int, list[int]] = {}
    for joint, parent in enumerate(parents):
        below.setdefault(parent, []).append(joint)
    order = below.get(-1, [])
    for joint in order:  # which grows on the way
        order += below.get(joint, [])
    if len(order) < len(parents):
        raise ValueError("its joints hang on each other in a circle")
    return order


def turned(rotations: NDArray[np.float64], axis: int, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations [T, 3, 3], then about their own ``axis`` (0, 1, 2) by angles [T] in radians.

    Columns are mixed in place of products: scipy's Rotation takes ten times as long on large files.
    """
    one, two = (axis + 1) % 3, (axis + 2) % 3
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    result = rotations.copy()
    result[..., one] = cos * rotations[..., one] + sin * rotations[..., two]
    result[..., two] = cos * rotations[..., two] - sin * rotations[..., one]
    return result
