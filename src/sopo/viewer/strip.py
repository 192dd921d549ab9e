"""A motion as one still picture: evenly timed poses side by side, and its path from above."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from sopo.motion.skeleton import HUMANML3D, Skeleton
from sopo.viewer.canvas import FLOOR, INK, SOFT, Canvas, beside, lettering, stacked
from sopo.viewer.stick import draw_pose, in_metres, under_root

LOW_M, HIGH_M = (-0.85, -0.3), (0.85, 2.05)  # the corners of one pose's place
PIXELS = 130  # a metre


def draw_strip(
    path: str | Path, joints: np.ndarray, title: str, skeleton: Skeleton = HUMANML3D, poses: int = 8
) -> Path:
    """Write a film strip of joints [T, J, 3]: at most ``poses`` of them, and the path from above."""
    return _written(path, _strip(joints, title, skeleton, poses))


def draw_strips(
    path: str | Path, heading: str, motions: Mapping[str, np.ndarray], skeleton: Skeleton = HUMANML3D, poses: int = 8
) -> Path:
    """Write several motions of one caption below each other, title -> joints [T, J, 3], each as ``draw_strip`` does."""
    strips = [_strip(joints, title, skeleton, poses) for title, joints in motions.items()]
    width = max(strip.width for strip in strips)
    return _written(path, stacked(lettering(heading, width, round(0.18 * PIXELS), middle=False), *strips))


def _written(path: str | Path, picture: Image.Image) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def _strip(joints: np.ndarray, title: str, skeleton: Skeleton, poses: int) -> Image.Image:
    joints = in_metres(joints, skeleton)
    frames = np.linspace(0, len(joints) - 1, min(poses, len(joints))).round().astype(int)
    columns = [(_pose(joints[frame], skeleton), f"{frame / skeleton.fps:.1f} s") for frame in frames]
    columns.append(_path(joints[:, 0], frames))
    size = round(0.115 * PIXELS)
    parts = [stacked(picture, lettering(words, picture.width, size, SOFT)) for picture, words in columns]
    strip = beside(*parts)
    return stacked(lettering(title, strip.width, size + 3, middle=False), strip)


def _pose(pose: np.ndarray, skeleton: Skeleton) -> Image.Image:
    canvas = Canvas(LOW_M, HIGH_M, PIXELS)
    canvas.segments(np.array([[(LOW_M[0], 0.0), (HIGH_M[0], 0.0)]]), FLOOR)
    draw_pose(canvas, pose, skeleton, under_root(pose))
    return canvas.finished()


def _path(root: np.ndarray, frames: np.ndarray) -> tuple[Image.Image, str]:
    """The root's way on the floor from above, +Z up the paper, with a dot for every pose shown; and its size."""
    way = root[:, [0, 2]] * (-1, 1)  # +X is to the left of who faces +Z, and stays left here
    middle = (way.max(axis=0) + way.min(axis=0)) / 2
    reach = max(1.0, 0.6 * float(np.ptp(way, axis=0).max()))
    high = HIGH_M[1] - LOW_M[1]
    canvas = Canvas((-high / 2, -high / 2), (high / 2, high / 2), PIXELS)
    way = (way - middle) * (0.45 * high / reach)
    corners = 0.47 * high * np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)])
    canvas.segments(np.stack((corners, np.roll(corners, 1, axis=0)), axis=1), FLOOR)
    canvas.line(way, 0.02, SOFT)
    for point in way[frames]:
        canvas.disc(point, 0.03, SOFT)
    canvas.disc(way[0], 0.055, INK)
    canvas.disc(way[0], 0.035, "white")
    return canvas.finished(), f"path, {2 * reach:.0f} m across"
