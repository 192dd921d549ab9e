"""Generators (or files of motions) -> the protocol's table, with every witness the data allow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.corpus.checker import CaptionIndex
from sopo.data.dataset import MotionDataset
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.evaluation.protocol import Source, Table, Witness, default_witnesses, evaluate
from sopo.evaluation.readings import doubts
from sopo.evaluation.settings import ProtocolConfig
from sopo.evaluation.sources import FileSource
from sopo.matching.guo import GuoMatcher
from sopo.matching.tmr import TMR
from sopo.motion.decode import decode_joints
from sopo.recipes.build import (
    DataSource,
    GeneratorSource,
    MatcherSource,
    RewardSource,
    check_features,
    load_dataset,
    load_generator,
    load_matcher,
    load_reward,
)
from sopo.recipes.contract import require_contract
from sopo.recipes.fingerprints import check_judge
from sopo.recipes.sources import BestOf, generator_source
from sopo.training.progress import console, progress

Reading = Literal["raw", "normalised"]
LOOKED_AT = 32  # motions of a system, to see how they are to be read


def measure(
    sources: Mapping[str, Source],
    dataset: MotionDataset,
    matcher: TMR | GuoMatcher,
    config: ProtocolConfig,
    title: str = "evaluating",
) -> Table:
    """The table of ``sources`` and the real motions: row -> column -> mean and 95% CI."""
    witnesses: dict[str, Witness] = default_witnesses(dataset.skeleton)
    if rule := rule_witness(dataset):
        witnesses["rule_accuracy"] = rule
    with progress(title) as report:
        return evaluate(sources, dataset, matcher, config, witnesses, report)


def measure_systems(
    generators: Mapping[str, GeneratorSource],
    motions: Mapping[str, Path],
    data: DataSource,
    split: str,
    evaluator: MatcherSource,
    sampling: Sampling,
    config: ProtocolConfig,
    reading: Reading | None = None,
    best_of: int = 1,
    reward: RewardSource | None = None,
) -> Table:
    """``measure`` generators and other systems' motions, by the names of their rows, on a split of ``data``.

    reading: what the motions' numbers are; None takes them as raw and looks whether that makes bodies.
    best_of: above 1, a further row for each generator: of so many motions a caption the one that ``reward`` likes best.
    Raises UserError if there are none, one is of another skeleton than the data, or the reward is the evaluator.
    """
    if best_of > 1 and reward is None:
        raise UserError(f"best_of is {best_of}: give --reward, which chooses among them")
    if reward is not None:
        check_judge(evaluator, reward)
    if not generators and not motions:
        raise UserError("nothing to evaluate: give --generator FOLDER or --motions FILE_OR_FOLDER")
    matcher, dataset = load_matcher(evaluator), load_dataset(data, split)
    check_features(matcher.config.features, dataset.skeleton.num_features, "the evaluator")
    sources: dict[str, Source] = {}
    for name, source in generators.items():
        generator = load_generator(source)
        require_contract(generator, drawing=True)
        check_features(generator.config.features, dataset.skeleton.num_features, name)
        sources[name] = generator_source(generator, sampling, config.seed)
        if best_of > 1 and reward is not None:
            chosen = BestOf(best_of, load_reward(reward, generator.config.features))
            sources[f"{name}, best of {best_of}"] = generator_source(generator, sampling, config.seed, chosen)
    for name, path in motions.items():
        sources[name] = motions_source(path, dataset, reading)
    return measure(sources, dataset, matcher, config)


def motions_source(path: Path, dataset: MotionDataset, reading: Reading | None) -> FileSource:
    """Another system's motions; what is odd about them is printed. UserError if they can't be what they are read as."""
    source = FileSource(path, dataset.skeleton, dataset.normalizer if reading == "normalised" else None)
    if reading != "raw":
        for line in doubts(source.some(LOOKED_AT), str(path), dataset.skeleton):
            console.print(line, highlight=False, markup=False)
    return source


def rule_witness(dataset: MotionDataset) -> Witness | None:
    """The rule-based checker as a witness, where the folder records what its captions say."""
    index = Path(dataset.root) / "corpus.jsonl"
    if not index.is_file():
        return None
    captions = CaptionIndex.read(index)

    def witness(motions: Tensor, length: Tensor, batch: Batch) -> Tensor:
        joints = decode_joints(motions, dataset.skeleton)
        texts = [caption.text for caption in batch.captions]
        clips, frames = joints.cpu().numpy(), length.cpu().numpy()
        return torch.from_numpy(captions.rule_accuracy(clips, frames, batch.keys, texts, dataset.skeleton))

    return witness
