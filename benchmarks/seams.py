"""Where in a motion its jitter is: the size of the jerk by frame, counted from the start of the generator's token.

A generator that folds p frames into a token draws each token's frames together. Where the motion jumps from one to the
next, the jerk is large at the same places of every token; of recorded motion it is the same everywhere. The third
difference of frames t to t + 3 stands at t: with p = 4 the one at 0 lies within a token, the others in two of them.
Run: ``python benchmarks/seams.py --generator DIR [DIR ...] --data DIR``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from sopo.batch import length_mask
from sopo.diffusion.settings import Sampling
from sopo.motion.decode import decode_joints
from sopo.motion.skeleton import Skeleton
from sopo.randomness import numpy_rng
from sopo.recipes.build import load_dataset, load_generator
from sopo.recipes.sources import generator_source


def jerk_by_place(joints: Tensor, length: Tensor, skeleton: Skeleton, places: int) -> list[float]:
    """Joints [N, T, J, 3], length [N] -> mean size of the jerk, m/s^3, at each of the frames t mod ``places``."""
    size = torch.diff(joints, n=3, dim=1).norm(dim=-1).mean(-1) * skeleton.metres_per_unit * skeleton.fps**3
    valid = length_mask(length - 3, size.shape[1])
    return [size[:, first::places][valid[:, first::places]].mean().item() for first in range(places)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", nargs="+", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--captions", type=int, default=256)
    parser.add_argument("--steps", type=int, default=10, help="of sampling")
    parser.add_argument("--guidance", type=float, default=2.5)
    parser.add_argument("--places", type=int, default=4, help="frames of a token")
    flags = parser.parse_args()
    dataset, rng = load_dataset(flags.data, "test"), numpy_rng("seams")
    batch = dataset.batch(rng.choice(len(dataset), min(flags.captions, len(dataset)), replace=False), rng)
    motions = {"real": dataset.normalizer.denormalize(batch.motion) * batch.mask[..., None]}
    for folder in flags.generator:
        source = generator_source(load_generator(folder), Sampling("ddim", flags.steps, flags.guidance), seed=0)
        motions[folder] = source(batch, run=0)
    print("| m/s³ |" + "".join(f" {place} |" for place in range(flags.places)))
    print("| --- |" + " ---: |" * flags.places)
    for name, motion in motions.items():
        joints = decode_joints(motion, dataset.skeleton)
        sizes = jerk_by_place(joints, batch.length, dataset.skeleton, flags.places)
        print(f"| {name} |" + "".join(f" {size:.0f} |" for size in sizes), flush=True)


if __name__ == "__main__":
    main()
