"""Generators (or files of motions) -> the protocol's table, with every witness the data allow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.corpus.checker import CaptionIndex
from sopo.data.dataset import MotionDataset
from sopo.evaluation.protocol import ProtocolConfig, Source, Table, Witness, default_witnesses, evaluate
from sopo.matching.guo import GuoMatcher
from sopo.matching.tmr import TMR
from sopo.motion.decode import decode_joints
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
