"""Motions as a film: .gif with Pillow, .mp4 with ffmpeg where it is installed."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import animation
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, Skeleton
from sopo.viewer.stick import FLOOR, FRAME_M, INK, SOFT, draw_pose, in_metres, project, under_root

CELL_M = 0.5
REACH_M = 3.0


def write_video(
    path: str | Path,
    motions: Mapping[str, np.ndarray],
    caption: str,
    fps: float | None = None,
    skeleton: Skeleton = HUMANML3D,
) -> Path:
    """Film named motions, joints [T, J, 3] each, side by side; a shorter one stays in its last pose.

    fps: frames per second, the skeleton's own if None. Raises UserError if no writer fits the file's suffix.
    """
    path = Path(path)
    writer = film_writer(path, fps or skeleton.fps)
    if not motions:
        raise UserError(f"{path}: no motion to film")
    path.parent.mkdir(parents=True, exist_ok=True)
    bodies = {name: in_metres(joints, skeleton) for name, joints in motions.items()}
    figure = Figure(figsize=(2.6 * len(bodies), 3.5))
    FigureCanvasAgg(figure)
    lines = textwrap.wrap(caption, 36 * len(bodies)) or [""]
    figure.text(0.5, 0.97, "\n".join(lines), ha="center", va="top", fontsize=9, color=INK, parse_math=False)
    panels = figure.subplots(1, len(bodies), squeeze=False)[0]
    figure.subplots_adjust(0.01, 0.02, 0.99, 0.93 - 0.045 * len(lines), wspace=0.03)
    with writer.saving(figure, str(path), dpi=80):
        for frame in range(max(map(len, bodies.values()))):
            for axes, (name, joints) in zip(panels, bodies.items(), strict=True):
                _draw_frame(axes, name, joints, min(frame, len(joints) - 1), skeleton)
            writer.grab_frame()
    return path


def film_writer(path: Path, fps: float) -> animation.AbstractMovieWriter:
    """Writes pictures to ``path``, ``fps`` a second; UserError if no writer fits the file's suffix."""
    match path.suffix.lower():
        case ".gif":
            # A GIF counts hundredths of a second; Pillow rounds as it likes, so the rate is rounded here.
            return animation.PillowWriter(fps=100 / max(round(100 / fps), 2))  # type: ignore[arg-type]
        case ".mp4" if animation.writers.is_available("ffmpeg"):
            return animation.FFMpegWriter(fps=fps, codec="libx264")  # type: ignore[arg-type]
        case ".mp4":
            raise UserError(f"{path}: .mp4 needs the program ffmpeg on PATH; install it or write a .gif")
        case suffix:
            raise UserError(f"{path}: cannot film to {suffix or 'a name without suffix'!r}; use .gif or .mp4")


def _draw_frame(axes: Axes, name: str, joints: np.ndarray, frame: int, skeleton: Skeleton) -> None:
    """One pose with the floor and the path so far; the camera goes with the root's smoothed way."""
    near = joints[max(0, frame - 10) : frame + 11, 0].mean(axis=0)
    shift = under_root(near[None])
    width, height = FRAME_M
    axes.clear()
    axes.axis("off")
    axes.add_collection(_floor(near, shift))
    trail = project(joints[: frame + 1, 0] * (1, 0, 1))[:, :2] + shift
    axes.plot(*trail.T, color=SOFT, lw=1.5, zorder=1)
    draw_pose(axes, joints[frame], skeleton, shift)
    axes.text(0.03, 0.98, name, transform=axes.transAxes, va="top", fontsize=9, color=SOFT, parse_math=False)
    axes.set(xlim=(-0.55 * width, 0.55 * width), ylim=(-0.45, height), aspect="equal")


def _floor(near: np.ndarray, shift: np.ndarray) -> LineCollection:
    """A grid on the floor around ``near`` [3] that stays where it is while the camera moves."""
    steps = np.arange(-REACH_M, REACH_M + CELL_M, CELL_M)
    x, z = (np.round(near[axis] / CELL_M) * CELL_M + steps for axis in (0, 2))
    ends = [[(a, 0, z[0]), (a, 0, z[-1])] for a in x] + [[(x[0], 0, b), (x[-1], 0, b)] for b in z]
    return LineCollection(list(project(np.array(ends))[..., :2] + shift), colors=FLOOR, linewidths=0.6, zorder=0)
