"""What a setting of ``sopo align`` does in its first steps, against the base on the same captions and noise.

Every motion is compared with the one that the base draws from the same noise for the same caption, so that short runs
tell settings apart. One row a setting: change of the reward and of MM Dist with its standard error, R@1,
FID and the witnesses, without guidance and with it.
Run: ``python benchmarks/settings.py --generator DIR --data DIR --test DIR --reward DIR --evaluator DIR
--setting "" --setting 'noisiest=0.5 rollout=["ddpm",25,1.0]'``; a setting is what differs from ``stable``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from sopo.data.dataset import MotionDataset
from sopo.diffusion.settings import Sampling
from sopo.evaluation import metrics
from sopo.evaluation.protocol import Witness, default_witnesses
from sopo.generators.generator import Generator
from sopo.matching.guo import GuoMatcher
from sopo.matching.tmr import TMR
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import numpy_rng
from sopo.recipes.align import align
from sopo.recipes.build import load_dataset, load_generator, load_matcher, load_reward
from sopo.recipes.evaluate import rule_witness
from sopo.recipes.presets import loop_stable, stable
from sopo.recipes.sources import generator_source
from sopo.rewards.reward import Reward
from sopo.training.settings import LoopConfig

SHUFFLES = 20  # of the captions into pools
POOL = 32


@dataclass(frozen=True)
class Judged:
    """Of a model's motions: reward, distance to the caption [N]; R@1 over shuffled pools, FID, means of witnesses."""

    reward: Tensor
    distance: Tensor
    precision: float
    fid: float
    witnessed: dict[str, float]

    def cells(self) -> list[str]:
        shown = [f"{value:.0f}" if value > 10 else f"{value:.3g}" for value in self.witnessed.values()]
        return [f"{self.precision:.3f}", f"{self.fid:.2f}", *shown]


def judge(
    generator: Generator,
    dataset: MotionDataset,
    reward: Reward,
    evaluator: TMR | GuoMatcher,
    sampling: Sampling,
    count: int,
    batch_size: int = 128,
) -> Judged:
    """Draw a motion for ``count`` captions, the same ones from the same noise for every generator."""
    source, rng = generator_source(generator, sampling, seed=0), numpy_rng("settings")
    witnesses = witnesses_of(dataset)
    seen: dict[str, list[Tensor]] = {name: [] for name in witnesses}
    rows = sorted(rng.choice(len(dataset), count, replace=False))
    rewards, made, real, told = [], [], [], []
    for first in range(0, count, batch_size):
        batch = dataset.batch(rows[first : first + batch_size], rng)
        motion = source(batch, run=0)
        rewards.append(reward.score(motion, batch.length, batch.captions).cpu())
        made.append(evaluator.embed_motions(motion, batch.length).cpu())
        raw = dataset.normalizer.denormalize(batch.motion) * batch.mask[..., None]
        real.append(evaluator.embed_motions(raw, batch.length).cpu())
        told.append(evaluator.embed_texts(batch.captions).cpu())
        for name, witness in witnesses.items():
            seen[name].append(torch.as_tensor(witness(motion, batch.length, batch)).double().cpu())
    motions, texts = torch.cat(made), torch.cat(told)
    shares = []
    for seed in range(SHUFFLES):
        order = numpy_rng("pools", seed).permutation(count)[: count // POOL * POOL]
        distances = metrics.pool_distances(texts.numpy()[order], motions.numpy()[order], POOL)
        shares.append(float(metrics.r_precision(distances)[0]))
    fid = metrics.fid(torch.cat(real).numpy(), motions.numpy())
    means = {name: float(torch.cat(values).nanmean()) for name, values in seen.items()}
    return Judged(torch.cat(rewards), (motions - texts).norm(dim=1), sum(shares) / SHUFFLES, float(fid), means)


def witnesses_of(dataset: MotionDataset) -> dict[str, Witness]:
    """Those of the protocol, the rules where the data know them."""
    rule = rule_witness(dataset)
    return default_witnesses(dataset.skeleton) | ({"rule_accuracy": rule} if rule else {})


def change(after: Tensor, before: Tensor, unit: float) -> str:
    """Mean of the paired change in ``unit``, with its standard error."""
    difference = (after - before) / unit
    return f"{difference.mean():+.1f} ± {difference.std() / len(difference) ** 0.5:.1f}"


def value_of(text: str) -> Any:
    """JSON, or what is none as it stands (q0.5)."""
    with suppress(ValueError):
        return json.loads(text)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("generator", "data", "test", "evaluator"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--reward", required=True)
    parser.add_argument("--setting", action="append", required=True, help="fields of PreferenceConfig and LoopConfig")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--captions", type=int, default=512)
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 2.5])
    parser.add_argument("--keep", type=Path, default=None, help="folder to keep the aligned models in")
    flags = parser.parse_args()
    device = PartialState().device
    base = load_generator(flags.generator).to(device)
    test = load_dataset(flags.test, "test", base)
    reward, evaluator = load_reward(flags.reward, base.config.features), load_matcher(flags.evaluator)

    def judged(generator: Generator) -> list[Judged]:
        samplings = [Sampling("ddim", 10, guidance) for guidance in flags.guidance]
        return [judge(generator, test, reward, evaluator, sampling, flags.captions) for sampling in samplings]

    before = judged(base)
    names = " | ".join(["reward /1000", "MM Dist %", "R@1", "FID", *before[0].witnessed])
    columns = [f"{names} (guidance {guidance:g})" for guidance in flags.guidance]
    print(f"| setting | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns) * (names.count('|') + 1)}")
    print("| base |" + "".join(f" | | {' | '.join(own.cells())} |" for own in before), flush=True)
    of_loop = {field.name for field in dataclasses.fields(LoopConfig)}
    for text in flags.setting:
        given = {name: value_of(value) for name, _, value in (part.partition("=") for part in text.split())}
        loop = loop_stable(base.kind) | {"steps": flags.steps, "warmup": 10, "seed": flags.seed}
        loop |= {name: value for name, value in given.items() if name in of_loop}
        preference = stable(base.kind, given.get("method", "sopo")) | {
            name: value for name, value in given.items() if name not in of_loop
        }
        if "rollout" in given:  # sampler, steps, guidance
            preference["rollout"] = Sampling(*given["rollout"])
        with tempfile.TemporaryDirectory() as folder:
            out = (flags.keep or Path(folder)) / (re.sub(r"[^\w.]+", "-", text) or "stable")
            config = PreferenceConfig(**preference)
            after = judged(align(flags.data, flags.generator, flags.reward, out, config, LoopConfig(**loop)).to(device))
        cells = []
        for new, old in zip(after, before, strict=True):
            nearer = change(new.distance, old.distance, float(old.distance.mean()) / 100)
            cells += [change(new.reward, old.reward, 1e-3), nearer, *new.cells()]
        print(f"| {text or 'stable'} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
