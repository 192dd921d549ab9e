"""Generators (or files of motions) -> the protocol's table, with every witness the data allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.corpus.checker import CaptionIndex
from sopo.data.dataset import MotionDataset
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.evaluation.protocol import Source, Table, Witness, default_witnesses, evaluate
from sopo.evaluation.settings import ProtocolConfig
from sopo.evaluation.sources import FileSource
from sopo.matching.guo import GuoMatcher
from sopo.matching.tmr import TMR
from sopo.motion.decode import decode_joints
from sopo.recipes.build import check_features, load_dataset, load_generator, load_matcher
from sopo.recipes.sources import generator_source
from sopo.training.progress import progress


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


def measure_files(
    generators: Sequence[Path],
    motions: Sequence[Path],
    data: Path,
    split: str,
    evaluator: Path,
    sampling: Sampling,
    config: ProtocolConfig,
) -> Table:
    """``measure`` generators' folders and other systems' motions, each under its path's name, on a split of ``data``.

    Raises UserError if there are none, or one is of another skeleton than the data.
    """
    if not generators and not motions:
        raise UserError("nothing to evaluate: give --generator FOLDER or --motions FILE_OR_FOLDER")
    matcher, dataset = load_matcher(evaluator), load_dataset(data, split)
    check_features(matcher.config.features, dataset.skeleton.num_features, str(evaluator))
    sources: dict[str, Source] = {}
    for folder in generators:
        generator = load_generator(folder)
        check_features(generator.config.features, dataset.skeleton.num_features, str(folder))
        sources[str(folder)] = generator_source(generator, sampling, config.seed)
    for path in motions:
        sources[str(path)] = FileSource(path, dataset.skeleton)
    return measure(sources, dataset, matcher, config)


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
