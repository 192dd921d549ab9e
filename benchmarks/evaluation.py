"""The protocol's runs over real motions, as `sopo eval` does them, against the plain loop of the published code.

Plain, in our own lines: pools of 32, each clip cut, normalised and padded to 196 frames by itself; captions and motions
of every pool embedded anew in each run; FID by ``scipy.linalg.sqrtm``. The evaluator of Guo et al. at its published
size with random weights; both draw the same captions and crops, and their columns are compared.
Run: ``python benchmarks/evaluation.py --data DIR``; ``--clips 4384 --runs 20`` for the whole of HumanML3D's test split.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np
import torch
from scipy.linalg import sqrtm

from sopo.data.dataset import MotionDataset
from sopo.evaluation import metrics
from sopo.evaluation.protocol import evaluate
from sopo.evaluation.settings import DRAW_BLOCK, ProtocolConfig
from sopo.matching.guo import PUBLISHED, GuoMatcher
from sopo.randomness import numpy_rng

LONGEST = 196
COLUMNS = ("R@1", "R@2", "R@3", "MMDist", "FID", "Diversity")


@torch.no_grad()
def plain_run(dataset: MotionDataset, matcher: GuoMatcher, config: ProtocolConfig, run: int) -> list[float]:
    """COLUMNS of one run."""
    count = len(dataset) // config.pool * config.pool
    rng = numpy_rng(config.seed, "evaluation", run)
    order = rng.permutation(len(dataset))[:count]
    mean, std = dataset.normalizer.mean.numpy(), dataset.normalizer.std.numpy()
    ranks, distances, embedded = [], [], []
    for block in range(0, count, DRAW_BLOCK):
        rows = order[block : block + DRAW_BLOCK]
        captions, starts, lengths = dataset.choose(rows, rng)
        for pool in range(0, len(rows), config.pool):
            motions, places = [], range(pool, pool + config.pool)
            for place in places:
                item = dataset.items[rows[place]]
                motion = (item.features[starts[place] : starts[place] + lengths[place]] - mean) / std
                motions.append(np.concatenate([motion, np.zeros((LONGEST - len(motion), motion.shape[1]))]))
            length = torch.tensor([int(lengths[place]) for place in places])
            raw = (
                torch.tensor(np.array(motions), dtype=torch.float32) * dataset.normalizer.std + dataset.normalizer.mean
            )
            motion = matcher.encode_motions(matcher.prepare(raw, length, LONGEST), length).numpy()
            text = matcher.encode_captions([captions[place] for place in places]).numpy()
            apart = np.sqrt(((text[:, None] - motion[None]) ** 2).sum(-1))
            ranks.append((np.argsort(apart, axis=1) == np.arange(config.pool)[:, None]).argmax(1))
            distances.append(np.trace(apart))
            embedded.append(motion)
    motions_of_run, rank = np.concatenate(embedded).astype(np.float64), np.concatenate(ranks)
    mu, sigma = motions_of_run.mean(0), np.cov(motions_of_run, rowvar=False)
    root = sqrtm(sigma @ sigma + 1e-12 * np.eye(len(sigma)))
    fid = ((mu - mu) ** 2).sum() + np.trace(2 * sigma - 2 * root.real)
    first, second = metrics.draw_pairs(count, config.diversity_pairs, numpy_rng(config.seed, "diversity", run))
    spread = np.linalg.norm(motions_of_run[first] - motions_of_run[second], axis=1).mean()
    return [*((rank < k).mean() for k in (1, 2, 3)), np.sum(distances) / count, fid, spread]


def main() -> None:
    parser = argparse.ArgumentParser(description="the protocol's runs: here against the plain loop")
    parser.add_argument("--data", type=Path, required=True, help="folder in the HumanML3D layout, with a test split")
    parser.add_argument("--clips", type=int, default=128, help="of the test split, at most")
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    torch.manual_seed(0)
    dataset = MotionDataset(given.data, "test")
    chosen = np.sort(numpy_rng("clips").permutation(len(dataset))[: given.clips])
    dataset.items, dataset.lengths = tuple(dataset.items[i] for i in chosen), dataset.lengths[chosen]
    matcher = GuoMatcher(dataclasses.replace(PUBLISHED["guo-humanml3d"], words="hashed-300")).eval()
    config = ProtocolConfig(runs=given.runs)
    start = time.process_time()
    row = evaluate({}, dataset, matcher, config, witnesses={})["real"]
    middle = time.process_time()
    plain = np.array([plain_run(dataset, matcher, config, run) for run in range(given.runs)])
    end = time.process_time()
    for column, values in zip(COLUMNS, plain.T, strict=True):
        print(f"{column}: {row[column].mean:.4f}, plain {values.mean():.4f}")
    ours, theirs = middle - start, end - middle
    frames = dataset.lengths.mean()
    print(
        f"{given.runs} runs over {len(dataset)} clips of {frames:.0f} frames, {torch.get_num_threads()} threads:"
        f" {ours:.1f} s, plain {theirs:.1f} s (processor time)"
    )
    print(f"ratio: {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
