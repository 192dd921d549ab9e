"""What a preference could gain at most: the best of N samples by the reward, measured by the evaluator.

An aligned model draws a better motion at once; choosing the best of N is what perfect alignment by that reward could
hope for, on the captions that are measured, without any training. Where it gains nothing, every sample is wrong.
Nor can a model draw better than its space allows: ``reconstructed`` are the real motions, encoded and decoded.
Run: ``python benchmarks/headroom.py --generator DIR ... --data DIR --reward DIR --evaluator DIR``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.diffusion.settings import Sampling
from sopo.evaluation.settings import ProtocolConfig
from sopo.generators.generator import Generator
from sopo.recipes.build import load_dataset, load_generator, load_matcher, load_reward
from sopo.recipes.evaluate import measure
from sopo.recipes.sources import Drawing, generator_source
from sopo.rewards.reward import Reward

SHOWN = ("R@1", "MMDist", "FID", "rule_accuracy")


def best_of(sources: list[Drawing], reward: Reward) -> Drawing:
    """Of each source's motion for a caption, the one of the highest reward."""

    def source(batch: Batch, run: int) -> Tensor:
        motions = torch.stack([draw(batch, run) for draw in sources])
        scores = torch.stack([reward.score(motion, batch.length, batch.captions) for motion in motions])
        return motions[scores.argmax(0), torch.arange(len(batch))]

    return source


def reconstructed(generator: Generator) -> Drawing:
    """The real motions through the generator's own space."""

    @torch.inference_mode()
    def source(batch: Batch, run: int) -> Tensor:
        return generator.decode(generator.encode(batch), batch.length)

    return source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", type=Path, nargs="+", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reward", required=True)
    parser.add_argument("--evaluator", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 2.5])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--n", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--samples", type=int, default=0, help="motions of a row, 0: as many as the split has clips")
    flags = parser.parse_args()
    evaluator = load_matcher(flags.evaluator)
    for folder in flags.generator:
        generator = load_generator(folder)
        dataset = load_dataset(flags.data, flags.split, generator)
        reward = load_reward(flags.reward, generator.config.features)
        sources = {"reconstructed": reconstructed(generator)}
        for guidance in flags.guidance:
            sampling = Sampling("ddim", flags.steps, guidance)
            drawn = [generator_source(generator, sampling, seed) for seed in range(max(flags.n))]
            sources |= {f"guidance {guidance:g}, best of {n}": best_of(drawn[:n], reward) for n in flags.n}
        table = measure(sources, dataset, evaluator, ProtocolConfig(runs=flags.runs, samples=flags.samples))
        for name, row in table.items():
            columns = (f"{column} {row[column].mean:.3f}" for column in SHOWN if column in row)
            print(" | ".join((str(folder), name, *columns)), flush=True)


if __name__ == "__main__":
    main()
