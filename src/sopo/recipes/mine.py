"""Preference pairs from the pretrained generator, drawn and scored once (MoDiPO, Eq. 7)."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sopo.batch import Caption
from sopo.data.dataset import MotionDataset, crops
from sopo.device import device, own_share, state
from sopo.errors import UserError
from sopo.generators.generator import Generator
from sopo.preference.candidates import draw_candidates
from sopo.preference.pairs import PairStore, join_parts, write_part
from sopo.randomness import Draws, derive_seed, numpy_rng
from sopo.recipes.build import (
    DataSource,
    GeneratorSource,
    RewardSource,
    load_dataset,
    load_generator,
    load_reward,
)
from sopo.recipes.contract import require_contract
from sopo.recipes.fingerprints import data_hash, model_hash, reward_hash
from sopo.recipes.resume import claim, refuse_others
from sopo.recipes.settings import MineConfig
from sopo.rewards.reward import Reward
from sopo.training.progress import progress

SPLIT = "train"
GROUP = 256  # captions of a part; neighbours in length are drawn together
SETTINGS = "settings.json"


@dataclass(frozen=True)
class Rows:
    """The captions to draw for, [N] each: item of the dataset, caption, crop."""

    item: NDArray[np.int64]
    captions: list[Caption]
    start: NDArray[np.int64]
    length: NDArray[np.int64]


def mine(
    data: DataSource, generator: GeneratorSource, reward: RewardSource, out: Path, config: MineConfig
) -> PairStore:
    """Write ``out`` (Parquet); a killed call goes on where it stopped and ends with the same bytes.

    Finished parts wait in ``OUT.parts`` until they are joined. Raises UserError if they, or ``out``, were made from
    something else.
    """
    policy = load_generator(generator)
    require_contract(policy, drawing=True)
    scorer = load_reward(reward, policy.config.features)
    dataset = load_dataset(data, SPLIT, policy)
    rows = draw_rows(dataset, config)
    origin = {
        "generator": model_hash(generator),
        "data": data_hash(dataset.root, dataset.split),
        "reward": reward_hash(reward),
        "reward_scale": scorer.describe(),
        "rows": len(rows.item),
        **dataclasses.asdict(config),
    }
    if out.exists():
        store = PairStore(out)
        refuse_others(out, store.origin, origin)
        return store
    parts = out.with_name(f"{out.name}.parts")
    claim(parts / SETTINGS, origin)
    firsts = range(0, len(rows.item), GROUP)
    files = [parts / f"{first:08d}.parquet" for first in firsts]
    own = own_share(firsts)
    total = sum(min(GROUP, len(rows.item) - first) for first in own)
    with progress("mining pairs") as report:
        for done, (first, file) in enumerate(zip(own, own_share(files), strict=True), start=1):
            if not file.exists():
                write_part(file, _part(policy, scorer, dataset, rows, first, config))
            report(min(done * GROUP, total), total)
    state().wait_for_everyone()
    if state().is_main_process:
        join_parts(files, out, origin)
        shutil.rmtree(parts)
    state().wait_for_everyone()
    return PairStore(out)


def draw_rows(dataset: MotionDataset, config: MineConfig) -> Rows:
    """The captions of the split in a random order, a crop drawn for each by the published rule."""
    pairs = [(place, caption) for place, item in enumerate(dataset.items) for caption in item.captions]
    if config.captions > len(pairs):
        raise UserError(f"captions is {config.captions}: the split has {len(pairs)}; 0 takes all")
    rng = numpy_rng(config.seed, "pairs")
    chosen = rng.permutation(len(pairs))[: config.captions or None]
    item = np.array([pairs[i][0] for i in chosen])
    start, length = crops(dataset.lengths[item], rng.random((2, len(item))))
    return Rows(item, [pairs[i][1] for i in chosen], start, length)


def _part(
    policy: Generator, reward: Reward, dataset: MotionDataset, rows: Rows, first: int, config: MineConfig
) -> list[dict[str, Any]]:
    """The rows first..first + GROUP of the file. Those of similar length are drawn together."""
    order = first + np.argsort(rows.length[first : first + GROUP], kind="stable")
    found: list[dict[str, Any]] = []
    for index in np.split(order, range(config.batch_size, len(order), config.batch_size)):
        found += _mined(policy, reward, dataset, rows, index, config)
    return sorted(found, key=lambda row: row["row"])


def _mined(
    policy: Generator,
    reward: Reward,
    dataset: MotionDataset,
    rows: Rows,
    index: NDArray[np.int64],
    config: MineConfig,
) -> list[dict[str, Any]]:
    captions = [rows.captions[i] for i in index]
    batch = dataset.cut(rows.item[index], captions, rows.start[index], rows.length[index])
    seed = derive_seed(config.seed, "pairs", int(index[0]))
    draws = Draws(seed, len(batch), device=device())
    candidates = draw_candidates(policy, reward, batch.to(device()), config.K, config.sampling, draws)
    if not candidates.reward.isfinite().all():
        raise UserError(f"the reward ({reward.describe()}) of a sample is not finite: has the generator diverged?")
    x = candidates.ranked().cpu()
    x = x.half() if config.half and x.is_floating_point() else x
    scores = candidates.reward.sort(1, descending=True).values.tolist()
    found = []
    for i, frames in enumerate(batch.length.tolist()):
        samples = x[i, :, : policy.places(frames)].numpy()
        found.append(
            {
                "row": int(index[i]),
                "key": batch.keys[i],
                "caption": captions[i].text,
                "tokens": list(captions[i].tokens),
                "start": int(rows.start[index[i]]),
                "length": frames,
                "scores": scores[i],
                "seed": seed,
                "dtype": str(samples.dtype),
                "shape": list(samples.shape[1:]),
                "chosen": samples[0].tobytes(),
                "between": samples[1:-1].tobytes() if config.keep == "all" else None,
                "rejected": samples[-1].tobytes(),
            }
        )
    return found
