"""At which noise levels the caption matters: the denoiser's error with a motion's own caption and with another's.

What a preference about the caption can change is the difference between the two. Where it is nothing, h sees only how
a motion moves, not whether it does what it should. Printed by tenths of the noise levels, from clean to noisy.
Run: ``python benchmarks/noise_levels.py --generator DIR --data DIR``, a generator of a diffusion family (MDM, MLD).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sopo.batch import Batch, Caption
from sopo.generators.generator import Generator, NoiseDraw
from sopo.randomness import Draws, numpy_rng
from sopo.recipes.build import load_dataset, load_generator

LEVELS = 10


@torch.inference_mode()
def error_by_level(model: Generator, batch: Batch, captions: Sequence[Caption], repeats: int) -> Tensor:
    """Mean nll of the real motions given these captions in each tenth of the noise levels, [LEVELS]."""
    x, text = model.encode(batch), model.embed(captions)
    total, count = torch.zeros(LEVELS), torch.zeros(LEVELS)
    for repeat in range(repeats):
        draw = model.draw(x, Draws(repeat, len(batch)))
        assert isinstance(draw, NoiseDraw)
        error = model.nll(x, batch.length, text, draw)
        level = draw.step * LEVELS // model.config.diffusion_steps
        total.index_add_(0, level, error)
        count.index_add_(0, level, torch.ones_like(error))
    return total / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--captions", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    model = load_generator(flags.generator).eval()
    if not hasattr(model.config, "diffusion_steps"):
        parser.error(f"--generator is a {model.kind}: only diffusion has noise levels")
    dataset = load_dataset(flags.data, "train", model)
    rng = numpy_rng(flags.seed, "noise levels")
    batch = dataset.batch(rng.choice(len(dataset), flags.captions, replace=False), rng)
    others = [batch.captions[i - 1] for i in range(len(batch))]
    own, other = (error_by_level(model, batch, captions, flags.repeats) for captions in (batch.captions, others))
    print("noise levels | error, own caption | another's caption | rise")
    for level in range(LEVELS):
        share = f"{level / LEVELS:.1f} to {(level + 1) / LEVELS:.1f}"
        print(f"{share} | {own[level]:.4f} | {other[level]:.4f} | {other[level] / own[level] - 1:+.0%}")


if __name__ == "__main__":
    main()
