"""Captions -> motions on disk: joints (.npy), animation (.bvh) and a moving picture (.gif)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sopo.batch import as_captions
from sopo.diffusion.schedule import Sampling
from sopo.errors import UserError
from sopo.motion.bvh import write_bvh
from sopo.motion.decode import decode_joints
from sopo.randomness import Draws, derive_seed
from sopo.recipes.build import load_generator
from sopo.viewer.video import write_video

LIMITS_S = (1.0, 9.8)  # what the generators are trained on


def sample(
    captions: Sequence[str],
    generator: Path,
    out: Path,
    seconds: float,
    repeats: int,
    seed: int,
    sampling: Sampling,
) -> list[Path]:
    """``repeats`` motions of ``seconds`` for each caption, as ``out/NN_K.{npy,bvh,gif}``; the paths written."""
    if not LIMITS_S[0] <= seconds <= LIMITS_S[1]:
        raise UserError(f"--seconds is {seconds}: motions last from {LIMITS_S[0]} to {LIMITS_S[1]} seconds")
    if repeats < 1:
        raise UserError(f"--repeats is {repeats}: must be 1 or more")
    model = load_generator(generator)
    frames = round(seconds * model.skeleton.fps / 4) * 4
    length = torch.full((len(captions),), frames)
    with torch.inference_mode():
        draws = Draws(derive_seed(seed, "sample"), len(captions))
        x = model.sample(model.embed(as_captions(captions)), length, frames, draws, sampling, repeats)
        joints = decode_joints(model.decode(x, length.repeat_interleave(repeats)), model.skeleton)
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for index, motion in enumerate(joints.numpy()):
        row, repeat = divmod(index, repeats)
        stem = out / f"{row:02d}_{repeat}"
        np.save(stem.with_suffix(".npy"), motion)
        write_bvh(stem.with_suffix(".bvh"), motion, model.skeleton)
        write_video(stem.with_suffix(".gif"), {"sample": motion}, captions[row], skeleton=model.skeleton)
        written += [stem.with_suffix(suffix) for suffix in (".npy", ".bvh", ".gif")]
    return written
