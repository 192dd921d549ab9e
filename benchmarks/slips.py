"""What the shipped reward and evaluator notice: how often a motion scores higher with its true caption than with one
that has a single mistake, by kind of mistake. 0.5 is chance.

On a procedural corpus of another seed than the shipped models' (``--seed``), half of whose captions have a mistake.
Run: ``python benchmarks/slips.py``; ``--matcher FOLDER ...`` for matchers of your own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sopo.corpus.settings import CorpusConfig
from sopo.data.dataset import MotionDataset
from sopo.recipes.build import load_dataset, load_reward
from sopo.recipes.corpus import made_corpus
from sopo.rewards.reward import Reward

DETAILS = ("side", "direction", "count", "speed")
BATCH = 64


def slip(program: list[list[dict[str, Any]]], says: list[list[dict[str, Any]]]) -> str:
    """The detail in which a caption's program differs from the motion's; ``order`` if the verbs do."""
    done, said = list(chain(*program)), list(chain(*says))
    if [action["verb"] for action in done] != [action["verb"] for action in said]:
        return "order"
    wrong = (key for a, b in zip(done, said, strict=True) for key in DETAILS if key in b and a.get(key) != b[key])
    return next(wrong, "order")


@torch.inference_mode()
def noticed(reward: Reward, dataset: MotionDataset, clips: list[tuple[int, str, str, str]]) -> dict[str, list[bool]]:
    """Kind of slip -> for each clip, whether its true caption scored higher. clips: row, kind, true and wrong text."""
    found: defaultdict[str, list[bool]] = defaultdict(list)
    for start in range(0, len(clips), BATCH):
        rows, kinds, *texts = zip(*clips[start : start + BATCH], strict=True)
        batch = dataset.batch(rows, np.random.default_rng(0), crop=False)
        raw = dataset.normalizer.denormalize(batch.motion) * batch.mask[..., None]
        known = [{caption.text: caption for caption in dataset.items[row].captions} for row in rows]
        true, wrong = (
            reward.score(raw, batch.length, [captions[text] for captions, text in zip(known, side, strict=True)])
            for side in texts
        )
        for kind, better in zip(kinds, (true > wrong).tolist(), strict=True):
            found[kind].append(better)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--matcher", nargs="+", default=["shipped/reward", "shipped/evaluator"])
    parser.add_argument("--clips", type=int, default=600)
    parser.add_argument("--seed", type=int, default=11)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = CorpusConfig(train=flags.clips, val=0, test=64, seed=flags.seed, wrong_share=0.5, coarse_share=0.0)
        data = made_corpus(Path(folder) / "data", size)
        dataset = load_dataset(data, "train")
        row_of = {item.key: row for row, item in enumerate(dataset.items)}
        clips = []
        for line in map(json.loads, (data / "corpus.jsonl").read_text().splitlines()):
            captions = {caption["kind"]: caption for caption in line["captions"]}
            if line["id"] in row_of and {"faithful", "wrong"} <= captions.keys():
                true, wrong = captions["faithful"], captions["wrong"]
                kind = slip(line["program"], wrong["says"])
                clips.append((row_of[line["id"]], kind, true["text"], wrong["text"]))
        for name in flags.matcher:
            found = noticed(load_reward(name, dataset.skeleton.num_features), dataset, clips)
            shares = ", ".join(f"{kind} {np.mean(hits):.2f} (n = {len(hits)})" for kind, hits in sorted(found.items()))
            print(f"{name}: all {np.mean(list(chain(*found.values()))):.2f}; {shares}")


if __name__ == "__main__":
    main()
