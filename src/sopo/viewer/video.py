"""Motions as a film, side by side under their caption."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, Skeleton
from sopo.viewer.canvas import FLOOR, SOFT, Canvas, beside, lettering, stacked
from sopo.viewer.film import write_film
from sopo.viewer.stick import draw_pose, in_metres, project, under_root

CELL_M, REACH_M = 0.5, 3.0  # of the grid on the floor
LOW_M, HIGH_M = (-0.95, -0.45), (0.95, 2.05)  # the corners of what the camera sees, around the body's place
TRAIL = 60  # frames
PIXELS = {".gif": 120, ".mp4": 240}  # a metre


def write_video(
    path: str | Path,
    motions: Mapping[str, np.ndarray],
    caption: str,
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
) -> Path:
    """Film named motions, joints [T, J, 3] each, side by side; a shorter one stays in its last pose.

    fps: frames per second, the skeleton's own if None. A name may be empty. Raises UserError as ``write_film``
    does, and for motions that cannot be drawn.
    """
    path = Path(path)
    if not motions:
        raise UserError(f"{path}: no motion to film")
    bodies = {name: in_metres(joints, skeleton) for name, joints in motions.items()}
    scale = PIXELS.get(path.suffix.lower(), min(PIXELS.values()))
    width, size = Canvas(LOW_M, HIGH_M, scale).width, round(0.115 * scale)
    title = lettering(caption, width * len(bodies), size)
    names = [lettering(name, width, size, SOFT, middle=False) for name in bodies]

    def draw(frame: int) -> Image.Image:
        panels = [_panel(body, min(frame, len(body) - 1), scale, skeleton) for body in bodies.values()]
        return stacked(title, beside(*map(stacked, names, panels)))

    return write_film(path, draw, max(map(len, bodies.values())), fps or skeleton.fps)


def _panel(joints: np.ndarray, frame: int, scale: float, skeleton: Skeleton) -> Image.Image:
    """One pose with the floor and where it came from; the camera goes with the root's smoothed way."""
    near = joints[max(0, frame - 10) : frame + 11, 0].mean(axis=0)
    shift = under_root(near[None])
    canvas = Canvas(LOW_M, HIGH_M, scale)
    canvas.segments(_floor(near, shift), FLOOR)
    trail = joints[max(0, frame - TRAIL) : frame + 1, 0] * (1, 0, 1)
    canvas.line(project(trail)[:, :2] + shift, 0.015, SOFT)
    draw_pose(canvas, joints[frame], skeleton, shift)
    return canvas.finished()


def _floor(near: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """A grid around ``near`` [3] that stays where it is while the camera moves: lines on the paper [N, 2, 2]."""
    steps = np.arange(-REACH_M, REACH_M + CELL_M, CELL_M)
    x, z = (np.round(near[axis] / CELL_M) * CELL_M + steps for axis in (0, 2))
    ends = [((a, 0, z[0]), (a, 0, z[-1])) for a in x] + [((x[0], 0, b), (x[-1], 0, b)) for b in z]
    return project(np.array(ends, dtype=float))[..., :2] + shift
