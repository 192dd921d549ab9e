"""``sopo label make``: pairs of motions to ask people about, and tests of attention among them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sopo.batch import Batch, as_captions
from sopo.data.dataset import MotionDataset, crops
from sopo.device import device
from sopo.errors import UserError
from sopo.folders import hold
from sopo.generators.generator import Generator
from sopo.json_files import read_utf8
from sopo.people.settings import StudyConfig
from sopo.people.store import Pair
from sopo.people.study import Study, as_joints
from sopo.randomness import numpy_rng
from sopo.recipes.build import load_dataset, load_generator, load_reward
from sopo.recipes.fingerprints import data_hash, files_hash, model_hash, reward_hash
from sopo.recipes.resume import refuse_others
from sopo.recipes.sample import length_estimator, motion_lengths
from sopo.recipes.sources import generator_source
from sopo.rewards.reward import Reward
from sopo.training.progress import Report

REAL, NOISE = "real", "noise"
OVER = 4  # pairs that are drawn for each that is kept, where the reward chooses
NOISE_M = 0.08  # of each joint in each frame, standard deviation: nobody who looks takes it for a motion

Prompts = Callable[[NDArray[np.int64]], Batch]  # numbers of pairs -> their captions, lengths and real motions, if any


@dataclass(frozen=True)
class Side:
    """One of the two: what a label calls its source, and batch -> raw motions [N, T, D]."""

    source: str
    draw: Callable[[Batch], Tensor]


def make(
    out: Path,
    generators: Sequence[str],
    data: Path | None,
    captions: Path | None,
    reward: str | None,
    config: StudyConfig,
    report: Report,
) -> Study:
    """Write a study; a killed call goes on where it stopped. Raises UserError on what does not fit together."""
    _check(generators, data, captions, reward, config)
    origin: dict[str, Any] = {
        "generators": [[name, model_hash(name)] for name in generators],
        "data": data_hash(data, config.split) if data else None,
        "captions": files_hash(captions) if captions else None,
        "reward": reward_hash(reward) if reward else None,
        **dataclasses.asdict(config),
    }
    loaded = [load_generator(name).eval() for name in generators]
    skeleton = loaded[0].skeleton
    asking = {"seed": config.seed, "repeat": config.repeats, "attention": config.attention}
    study = Study.make(out, skeleton, {"origin": origin, "complete": False, **asking})
    with hold(out):
        refuse_others(out, study.store.setting("origin") or {}, origin)
        if not study.store.setting("complete"):
            dataset = load_dataset(data, config.split, loaded[0]) if data else None
            prompts = _of_file(captions, loaded[0], generators[0], config) if captions else _of_data(dataset, config)
            sides = _sides(generators, loaded, dataset, config)
            scorer = load_reward(reward, skeleton.num_features) if reward else None
            _add_pairs(study, prompts, sides, scorer, config, report)
            _add_tests(study, _of_data(dataset, config) if dataset else prompts, dataset, sides[0], config)
            study.store.set({"complete": True})
    return study


def _check(
    generators: Sequence[str], data: Path | None, captions: Path | None, reward: str | None, config: StudyConfig
) -> None:
    if not 1 <= len(set(generators)) == len(generators) <= 2:
        raise UserError(f"--generator: {len(generators)} given; a pair has one, or two different ones")
    if data is None and captions is None:
        raise UserError("no captions: give --data FOLDER, or --captions FILE with one a line")
    if config.against == "real" and (data is None or captions or len(generators) == 2):
        raise UserError("--against real: takes one generator and the captions of --data, whose motions it shows")
    if (config.choose == "unsure") != (reward is not None):
        raise UserError("--choose unsure and --reward go together: the reward says of which pairs it is least sure")


def _of_data(dataset: MotionDataset | None, config: StudyConfig) -> Prompts:
    """Captions of a split in a random order, each with a crop of its clip by the published rule; again from the start
    where there are fewer than asked for."""
    assert dataset, "checked: there are captions"
    pairs = [(place, caption) for place, item in enumerate(dataset.items) for caption in item.captions]
    order = numpy_rng(config.seed, "study").permutation(len(pairs))

    def batch(numbers: NDArray[np.int64]) -> Batch:
        chosen = [pairs[order[number % len(order)]] for number in numbers]
        item = np.array([place for place, _ in chosen])
        draws = np.stack([numpy_rng(config.seed, "crop", int(number)).random(2) for number in numbers], axis=1)
        return dataset.cut(item, [caption for _, caption in chosen], *crops(dataset.lengths[item], draws))

    return batch


def _of_file(path: Path, generator: Generator, name: str, config: StudyConfig) -> Prompts:
    """The lines of a file, again from the start where there are fewer than asked for."""
    lines = [line.strip() for line in read_utf8(path).splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{path}: holds no caption; write one a line")
    captions = as_captions(lines)
    text = generator.embed(captions)
    lengths = motion_lengths(text, length_estimator(name), config.seconds, config.seed, generator.skeleton.fps).cpu()

    def batch(numbers: NDArray[np.int64]) -> Batch:
        rows = numbers % len(lines)
        length = lengths[torch.from_numpy(rows)]
        blank = torch.zeros(len(rows), int(length.max()), generator.config.features)
        return Batch(blank, length, tuple(captions[row] for row in rows), tuple(map(str, numbers)))

    return batch


def _sides(
    names: Sequence[str], generators: Sequence[Generator], dataset: MotionDataset | None, config: StudyConfig
) -> tuple[Side, Side]:
    """Two samples of one generator; one of each of two, from the same noise; or a sample and the real motion."""
    first, last = (generator_source(x, config.sampling, config.seed) for x in (generators[0], generators[-1]))
    noise = 1 if len(names) == 1 else 0
    a, b = Side(names[0], lambda batch: first(batch, 0)), Side(names[-1], lambda batch: last(batch, noise))
    return a, Side(REAL, partial(_real, dataset)) if config.against == "real" else b


def _real(dataset: MotionDataset | None, batch: Batch) -> Tensor:
    assert dataset, "checked: there are data"
    return dataset.normalizer.denormalize(batch.motion) * batch.mask[..., None]


def _add_pairs(
    study: Study, prompts: Prompts, sides: tuple[Side, Side], reward: Reward | None, config: StudyConfig, report: Report
) -> None:
    """Those that are still missing, a batch at a time."""
    over = OVER if reward else 1
    shared = set(numpy_rng(config.seed, "shared").permutation(config.pairs)[: round(config.shared * config.pairs)])
    for start in range(study.store.pairs(), config.pairs, config.batch_size):
        numbers = np.arange(start, min(start + config.batch_size, config.pairs))
        batch = prompts(np.arange(over * numbers[0], over * (numbers[-1] + 1)))
        drawn = [side.draw(batch) for side in sides]
        rows = _least_sure(batch, drawn, reward, len(numbers)) if reward else range(len(numbers))
        pairs = []
        for number, row in zip(numbers.tolist(), rows, strict=True):
            frames = int(batch.length[row])
            name, wanted = f"{number + 1:06d}", config.sharers if number in shared else 1
            a, b = (
                study.save(f"{name}{letter}", x[row, :frames].cpu().numpy())
                for letter, x in zip("ab", drawn, strict=True)
            )
            text = batch.captions[row].text
            pairs.append(Pair(text, a, b, sides[0].source, sides[1].source, wanted=wanted))
        study.store.add_pairs(pairs, start + 1)
        report(start + len(pairs), config.pairs)


def _least_sure(batch: Batch, drawn: Sequence[Tensor], reward: Reward, count: int) -> list[int]:
    """The rows whose two motions [N, T, D] the reward scores most alike, in their order."""
    length = batch.length.to(device())
    a, b = (reward.score(motions.to(device()), length, batch.captions) for motions in drawn)
    return sorted((a - b).abs().argsort()[:count].tolist())


def _add_tests(study: Study, prompts: Prompts, dataset: MotionDataset | None, side: Side, config: StudyConfig) -> None:
    """Tests of attention: a real motion, or without data a sample, and the same torn to pieces."""
    count = math.ceil(config.attention * config.pairs)
    if study.store.pairs() > config.pairs or not count:
        return
    batch = prompts(np.arange(OVER * config.pairs, OVER * config.pairs + count))
    source, motions = (REAL, _real(dataset, batch)) if dataset else (side.source, side.draw(batch))
    rng = numpy_rng(config.seed, "noise")
    pairs = []
    for row, frames in enumerate(batch.length.tolist()):
        motion, name = motions[row, :frames].cpu().numpy(), f"test{row + 1:05d}"
        joints = as_joints(motion, name, study.skeleton)
        torn = joints + rng.normal(0, NOISE_M / study.skeleton.metres_per_unit, joints.shape)
        places = study.save(f"{name}a", motion), study.save(f"{name}b", torn)
        pairs.append(Pair(batch.captions[row].text, *places, source, NOISE, expected="a"))
    study.store.add_pairs(pairs, config.pairs + 1)
