"""Motions as a film, side by side under their caption, one scene after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from PIL import Image

from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, Skeleton
from sopo.viewer.canvas import FLOOR, SOFT, Canvas, beside, lettering, overlaid, stacked
from sopo.viewer.film import write_film
from sopo.viewer.stick import draw_pose, in_metres, project, under_root

CELL_M, REACH_M = 0.5, 3.0  # of the grid on the floor
LOW_M, HIGH_M = (-0.95, -0.45), (0.95, 2.05)  # the corners of what the camera sees, around the body's place
TRAIL = 60  # frames
PAUSE = 10  # frames between scenes
PIXELS = {".gif": 100, ".mp4": 240}  # a metre


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
    return write_scenes(path, [(caption, motions)], fps, skeleton)


def write_scenes(
    path: str | Path,
    scenes: Sequence[tuple[str, Mapping[str, np.ndarray]]],
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
) -> Path:
    """``write_video`` of several (caption, named motions), equally many each; all but the last end in a pause."""
    path = Path(path)
    if not scenes or not all(motions for _, motions in scenes):
        raise UserError(f"{path}: no motion to film")
    scale = PIXELS.get(path.suffix.lower(), min(PIXELS.values()))
    width, size = Canvas(LOW_M, HIGH_M, scale).width, round(0.115 * scale)
    across = width * max(len(motions) for _, motions in scenes)
    titles = [lettering(caption, across, size) for caption, _ in scenes]
    highest = Image.new("RGB", (across, max(title.height for title in titles)), "white")
    titles = [overlaid(highest, title) for title in titles]
    bodies = [{name: in_metres(joints, skeleton) for name, joints in motions.items()} for _, motions in scenes]
    names = [[lettering(name, width, size, SOFT, middle=False) for name in scene] for scene in bodies]
    longest = [max(map(len, scene.values())) for scene in bodies]
    starts = [0, *accumulate(frames + PAUSE for frames in longest[:-1])]

    def draw(frame: int) -> Image.Image:
        now = bisect_right(starts, frame) - 1
        at = frame - starts[now]
        panels = [_panel(body, min(at, len(body) - 1), scale, skeleton) for body in bodies[now].values()]
        return stacked(titles[now], beside(*map(stacked, names[now], panels)))

    return write_film(path, draw, starts[-1] + longest[-1], fps or skeleton.fps)


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
