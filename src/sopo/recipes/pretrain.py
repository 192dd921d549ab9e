"""Train a generator, the reward (TMR) or the evaluator (Guo et al.) from scratch on a motion folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from torch import Tensor, nn

from sopo.batch import Batch
from sopo.generators.generator import Generator
from sopo.generators.mdm import MDM, MDMConfig
from sopo.randomness import Draws
from sopo.recipes.batches import training_batches
from sopo.recipes.build import load_dataset
from sopo.recipes.record import write_run
from sopo.training.loop import LoopConfig, fit


class Pretraining(nn.Module):
    """The generator's own training loss as an objective for the loop."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        return self.generator.train().training_loss(batch, draws), {}


def train_generator(data: Path, out: Path, model: MDMConfig, loop: LoopConfig) -> Generator:
    """Pre-train an MDM on the train split of ``data``; saved in ``out``, its log and checkpoint in ``out/run``."""
    dataset = load_dataset(data, "train")
    generator = MDM(dataclasses.replace(model, features=dataset.skeleton.num_features))
    generator.normalizer.load_state_dict(dataset.normalizer.state_dict())
    write_run(out / "run", {"data": str(data), "model": dataclasses.asdict(generator.config)}, loop)
    fit(Pretraining(generator), training_batches(dataset, loop), loop, out / "run", "training the generator")
    generator.eval().save_pretrained(out)
    return generator
