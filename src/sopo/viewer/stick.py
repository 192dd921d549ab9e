"""A motion drawn as stick figures: how joints land on paper, one pose, and a film strip."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.figure import Figure

from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, Skeleton

LEFT, RIGHT, MIDDLE = "#2c7bd4", "#e46f33", "#8f897d"
INK, SOFT, FLOOR = "#1d1c1a", "#68655e", "#d9d5cb"
YAW, PITCH = 0.75, 0.2  # radians: from the side that the motion faces, a little from above
FRAME_M = (1.7, 2.05)  # width and height of one pose's window


def in_metres(joints: np.ndarray, skeleton: Skeleton = HUMANML3D) -> np.ndarray:
    """Joints [T, J, 3] in the skeleton's units -> metres; UserError if the shape or a value is off."""
    joints = np.asarray(joints, dtype=np.float64) * skeleton.metres_per_unit
    if joints.ndim != 3 or joints.shape[1:] != (skeleton.num_joints, 3) or len(joints) == 0:
        raise UserError(f"cannot draw joints of shape {joints.shape}; expected [T, {skeleton.num_joints}, 3]")
    if not np.isfinite(joints).all():
        raise UserError("cannot draw a motion with joints that are not finite")
    return joints


def project(points: np.ndarray) -> np.ndarray:
    """Points [..., 3] in metres, Y up -> [..., 3]: right and up on the paper, nearness (no perspective)."""
    x, y, z = np.moveaxis(points, -1, 0)
    right = x * np.cos(YAW) - z * np.sin(YAW)
    near = x * np.sin(YAW) + z * np.cos(YAW)
    up = y * np.cos(PITCH) - near * np.sin(PITCH)
    return np.stack((right, up, near * np.cos(PITCH) + y * np.sin(PITCH)), axis=-1)


def draw_pose(axes: Axes, pose: np.ndarray, skeleton: Skeleton, shift: np.ndarray) -> None:
    """Draw one pose [J, 3] in metres with its shadow, moved by ``shift`` [2] on the paper."""
    axes.add_collection(_bones(shadow_of(pose), skeleton, shift, width=4, colour=FLOOR))
    axes.add_collection(_bones(pose, skeleton, shift, width=6.5, colour="white"))
    axes.add_collection(_bones(pose, skeleton, shift, width=4))
    neck, head = project(pose[_head(skeleton)])
    centre = head + 0.6 * (head - neck)
    size = 0.2
    axes.add_collection(
        EllipseCollection(
            [size], [size], [0], units="xy", offsets=[centre[:2] + shift], offset_transform=axes.transData,
            facecolors=MIDDLE, edgecolors="white", linewidths=1.2, zorder=3,
        )
    )  # fmt: skip


def shadow_of(points: np.ndarray) -> np.ndarray:
    """Points [..., 3] as a lamp high on the side casts them onto the floor."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack((x + 0.3 * y, np.zeros_like(y), z + 0.2 * y), axis=-1)


def draw_strip(
    path: str | Path, joints: np.ndarray, title: str, skeleton: Skeleton = HUMANML3D, poses: int = 8
) -> Path:
    """Write a film strip of joints [T, J, 3]: evenly timed poses side by side, and the path from above."""
    joints = in_metres(joints, skeleton)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.linspace(0, len(joints) - 1, min(poses, len(joints))).round().astype(int)
    width, height = FRAME_M
    figure = Figure(figsize=(1.35 * (len(frames) + 1.5), 2.4), layout="constrained")
    FigureCanvasAgg(figure)
    strip, above = figure.subplots(1, 2, width_ratios=(len(frames), 1.4))
    strip.plot([-width / 2, (len(frames) - 0.5) * width], [0, 0], color=FLOOR, lw=1, zorder=0)
    for slot, frame in enumerate(frames):
        shift = under_root(joints[frame]) + np.array((slot * width, 0.0))
        draw_pose(strip, joints[frame], skeleton, shift)
        strip.text(slot * width, -0.36, f"{frame / skeleton.fps:.1f} s", ha="center", color=SOFT, fontsize=8)
    strip.set(xlim=(-width / 2, (len(frames) - 0.5) * width), ylim=(-0.45, height), aspect="equal")
    strip.axis("off")
    lines = textwrap.wrap(title, 16 * len(frames) + 12)
    strip.set_title("\n".join(lines), loc="left", fontsize=10, color=INK, parse_math=False)
    _draw_path(above, joints[:, 0], frames)
    figure.savefig(path, dpi=160)
    return path


def under_root(pose: np.ndarray) -> np.ndarray:
    """[2] the shift that brings the floor under a pose's root to the origin of the paper."""
    return -project(pose[0] * (1, 0, 1))[:2]


def _draw_path(axes: Axes, root: np.ndarray, frames: np.ndarray) -> None:
    """The root's way on the floor from above, +Z up the paper, with a dot for every pose shown."""
    # +X is to the left of who faces +Z, and stays left here.
    axes.plot(-root[:, 0], root[:, 2], color=SOFT, lw=1.2)
    axes.scatter(-root[frames, 0], root[frames, 2], s=10, color=SOFT, zorder=3)
    axes.scatter(-root[:1, 0], root[:1, 2], s=30, facecolors="white", edgecolors=INK, zorder=4)
    middle = (root.max(axis=0) + root.min(axis=0)) / 2
    reach = max(1.0, float(np.ptp(root[:, [0, 2]], axis=0).max()) * 0.6)
    axes.set(xlim=(-middle[0] - reach, -middle[0] + reach), ylim=(middle[2] - reach, middle[2] + reach))
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_color(FLOOR)
    axes.set_title(f"path, {2 * reach:.0f} m across", fontsize=8, color=SOFT)


def _bones(
    pose: np.ndarray, skeleton: Skeleton, shift: np.ndarray, width: float, colour: str | None = None
) -> LineCollection:
    """A pose's bones, far ones first; in the colours of their sides unless one colour is given."""
    parents = np.array(skeleton.parents[1:])
    seen = project(pose)
    order = np.argsort(seen[1:, 2] + seen[parents, 2])
    segments = np.stack((seen[1:, :2], seen[parents, :2]), axis=1)[order] + shift
    colours = [colour or _side_colour(skeleton, joint + 1) for joint in order]
    return LineCollection(list(segments), colors=colours, linewidths=width, capstyle="round", zorder=1 if colour else 2)


def _side_colour(skeleton: Skeleton, joint: int) -> str:
    if skeleton.mirror[joint] == joint:
        return MIDDLE
    return LEFT if skeleton.joints[joint].startswith("left") else RIGHT


def _head(skeleton: Skeleton) -> list[int]:
    """[neck, head]: the bone that carries the skull."""
    head = skeleton.joints.index("head")
    return [skeleton.parents[head], head]
