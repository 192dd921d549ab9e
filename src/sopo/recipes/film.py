"""Several generators on the same captions and the same noise, as one film: before and after, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sopo.device import state
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.recipes.build import GeneratorSource, load_generator
from sopo.recipes.sample import SECONDS, draw_motions
from sopo.viewer.video import write_scenes


def film(
    captions: Sequence[str],
    generators: Mapping[str, GeneratorSource],
    out: Path,
    seconds: float | None,
    seed: int,
    sampling: Sampling,
    fps: float | None = None,
) -> Path:
    """Write ``out``, .gif or .mp4: a scene for each caption, the generators beside each other under their names.

    fps: frames a second that are shown, at most the body's own; fewer make a smaller file. Raises UserError if the
    generators move different bodies.
    """
    models = {name: load_generator(source) for name, source in generators.items()}
    if len({model.skeleton.name for model in models.values()}) != 1:
        raise UserError("--generator: give one or more, all of one skeleton")
    skeleton = next(iter(models.values())).skeleton
    every = max(1, round(skeleton.fps / (fps or skeleton.fps)))
    drawn = {
        name: [motion[::every] for motion in draw_motions(captions, model, seconds or SECONDS, 1, seed, sampling)]
        for name, model in models.items()
    }
    scenes = [(text, {name: motions[i] for name, motions in drawn.items()}) for i, text in enumerate(captions)]
    return write_scenes(out, scenes, skeleton.fps / every, skeleton) if state().is_main_process else out
