"""Figure 2 as a still and as a film: samples, regions, what was pushed down, and what became of each region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from PIL import Image

from sopo.toy.run import REFERENCE, Course, Snapshot, interval, regions_over_time
from sopo.toy.world import RADIUS, REGIONS
from sopo.viewer.canvas import INK, SOFT
from sopo.viewer.film import write_film

COLOURS = {
    "good": "#1f7a3d",
    "rare good": "#63b34c",
    "labelled bad": "#2c62b8",  # Figure 2's blue: seen offline
    "unlabelled bad": "#c8352b",  # Figure 2's red: neglected
    "rare bad": "#e08a3c",
    "elsewhere": "#9a958c",
}
TITLES = {
    REFERENCE: "reference",
    "dpo": "offline DPO (dpo)",
    "online-dpo": "online DPO (online-dpo)",
    "sopo": "semi-online: SoPo (sopo)",
}
LIMITS = (-1.75, 1.75)
FPS = 4.0


def draw_still(courses: list[Course], path: Path) -> Path:
    """Above, samples of the first seed before and after, with the losers; below, all seeds over the steps."""
    methods = list(courses[0])
    figure = Figure(figsize=(3.7 * (len(methods) + 1), 6.9))
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(methods) + 1, height_ratios=(1.3, 1), squeeze=False)
    figure.subplots_adjust(0.02, 0.075, 0.975, 0.88, wspace=0.13, hspace=0.16)
    draw_plane(panels[0][0], TITLES[REFERENCE], courses[0][methods[0]][0], [], names=True)
    _legend(panels[1][0])
    for column, method in enumerate(methods, start=1):
        snapshots = courses[0][method]
        title = f"{TITLES.get(method, method)}, {snapshots[-1].step} steps"
        draw_plane(panels[0][column], title, snapshots[-1], snapshots[:-1])
        _draw_course(panels[1][column], courses, method)
    figure.text(0.02, 0.945, "What each method pushes down, and what it misses", fontsize=15, color=INK)
    figure.text(0.975, 0.945, "after Figure 2 of SoPo", fontsize=9, color=SOFT, ha="right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def film(courses: list[Course], path: Path) -> Path:
    """The first seed's methods side by side, a picture for each snapshot; .gif or .mp4 by the suffix."""
    methods = list(courses[0])
    figure = Figure(figsize=(3.2 * len(methods), 3.6), dpi=80)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(methods), squeeze=False)[0]
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.9, wspace=0.03)
    last = len(courses[0][methods[0]]) - 1

    def draw(frame: int) -> Image.Image:
        for axes, method in zip(panels, methods, strict=True):
            now = courses[0][method][min(frame, last)]
            axes.clear()
            draw_plane(axes, f"{TITLES.get(method, method)}, step {now.step}", now, [now], names=True)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])

    return write_film(path, draw, last + 1 + int(2 * FPS), FPS)  # the end stays for two seconds


def draw_plane(axes: Axes, title: str, now: Snapshot, pushed: list[Snapshot], names: bool = False) -> None:
    """The regions, the samples of ``now`` and, as crosses, the losers of ``pushed``."""
    axes.set(xlim=LIMITS, ylim=LIMITS, aspect="equal", xticks=[], yticks=[])
    axes.set_title(title, fontsize=10.5, color=INK)
    for region in REGIONS:
        colour = COLOURS[region.name]
        style = {"facecolor": colour + "18", "edgecolor": colour, "linewidth": 1.5}
        axes.add_patch(Circle(region.centre, RADIUS, linestyle="-" if region.labelled else "--", **style))
        if names:
            across, up = region.centre
            axes.text(across, up + RADIUS + 0.04, region.name, ha="center", va="bottom", fontsize=8.5, color=colour)
    x, y = now.points[:800].T.numpy()
    axes.scatter(x, y, s=3, color=INK, alpha=0.45, linewidths=0)
    if pushed:
        losers = np.concatenate([snapshot.pushed[:: len(pushed)].numpy() for snapshot in pushed])
        axes.scatter(losers[:, 0], losers[:, 1], s=13, marker="x", color="#d0208f", linewidths=0.8, alpha=0.75)


def _draw_course(axes: Axes, courses: list[Course], method: str) -> None:
    """The share of the samples in every region over the steps: mean and 95% interval, named at its end."""
    steps, regions = regions_over_time(courses, method)
    ends: dict[str, float] = {}
    for name, values in regions.items():
        mean, reach = interval(values)
        axes.plot(steps, mean, color=COLOURS[name], linewidth=1.8, linestyle=":" if name == "elsewhere" else "-")
        axes.fill_between(steps, mean - reach, mean + reach, color=COLOURS[name], alpha=0.15, linewidth=0)
        ends[name] = float(mean[-1])
    for name, height in _spread(ends, 0.065).items():
        label = f"{ends[name]:.2f} {name}"
        axes.text(steps[-1] * 1.02, height, label, fontsize=7.5, color=COLOURS[name], va="center", clip_on=False)
    axes.set(xlim=(0, steps[-1] * 1.5), ylim=(0, 1), xlabel="steps")
    axes.set_xticks(np.linspace(0, steps[-1], 4).round().astype(int).tolist())
    axes.set_title(f"share of samples, {len(courses)} seeds", fontsize=9, color=SOFT)
    axes.tick_params(labelsize=8, colors=SOFT)
    axes.spines[["top", "right"]].set_visible(False)


def _spread(heights: dict[str, float], gap: float) -> dict[str, float]:
    """The same heights, moved up where two labels would touch."""
    placed: dict[str, float] = {}
    floor = gap / 2
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        placed[name] = max(height, floor)
        floor = placed[name] + gap
    return placed


def _legend(axes: Axes) -> None:
    """How to read the picture, in words."""
    axes.axis("off")
    axes.scatter([], [], s=12, color=INK, alpha=0.6, label="a sample of the model")
    axes.scatter([], [], s=22, marker="x", color="#d0208f", label="pushed down as a loser on the way")
    axes.plot([], [], color=SOFT, linewidth=1.5, label="region in the preference data")
    axes.plot([], [], color=SOFT, linewidth=1.5, linestyle="--", label="region without labels")
    axes.legend(loc="upper left", frameon=False, fontsize=9, borderaxespad=0)
    words = (
        "Pre-trained on all five regions.\n\n"
        "dpo: losers from the labels, so it never\nhears of the dashed regions.\n\n"
        "online-dpo: winners and losers from the\nmodel, so what it rarely draws it rarely\nlearns from.\n\n"
        "sopo: winners from the labels, losers\nfrom the model, where their reward is low."
    )
    axes.text(0, 0.62, words, transform=axes.transAxes, va="top", fontsize=9, color=SOFT)
