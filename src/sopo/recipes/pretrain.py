"""Train a generator, the reward (TMR) or the evaluator (Guo et al.) from scratch on a motion folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sopo.batch import Batch
from sopo.data.dataset import MotionDataset
from sopo.generators.generator import Generator
from sopo.generators.mdm import MDM, MDMConfig
from sopo.matching.guo import GuoConfig, GuoMatcher
from sopo.matching.objectives import GuoObjective, MovementObjective, TMRObjective, TMRWeights
from sopo.matching.tmr import TMR, TMRConfig
from sopo.randomness import Draws
from sopo.recipes.batches import training_batches
from sopo.recipes.build import load_dataset
from sopo.recipes.record import save_model, write_run
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
    torch.manual_seed(loop.seed)  # the weights' start; everything later follows from (seed, step)
    generator = MDM(dataclasses.replace(model, features=dataset.skeleton.num_features))
    generator.normalizer.load_state_dict(dataset.normalizer.state_dict())
    write_run(out / "run", {"data": str(data), "model": dataclasses.asdict(generator.config)}, loop)
    fit(Pretraining(generator), training_batches(dataset, loop), loop, out / "run", "training the generator")
    save_model(generator, out)
    return generator.eval()


def train_reward(data: Path, out: Path, model: TMRConfig, loop: LoopConfig) -> TMR:
    """Train TMR, the reward model, on the train split of ``data``."""
    dataset = load_dataset(data, "train")
    torch.manual_seed(loop.seed)
    matcher = TMR(dataclasses.replace(model, features=dataset.skeleton.num_features))
    matcher.set_statistics(*statistics(dataset))
    write_run(out / "run", {"data": str(data)}, matcher.config, loop)
    objective = TMRObjective(matcher, dataset.normalizer, TMRWeights(noise=0.1))
    fit(objective.train(), training_batches(dataset, loop), loop, out / "run", "training the reward (TMR)")
    save_model(matcher, out)
    return matcher.eval()


def train_evaluator(data: Path, out: Path, model: GuoConfig, loop: LoopConfig) -> GuoMatcher:
    """Train the Guo et al. evaluator: the movement autoencoder first, then the matching of text and motion."""
    dataset = load_dataset(data, "train")
    torch.manual_seed(loop.seed)
    matcher = GuoMatcher(dataclasses.replace(model, features=dataset.skeleton.num_features))
    matcher.set_statistics(*statistics(dataset))
    write_run(out / "run", {"data": str(data)}, matcher.config, loop)
    batches = training_batches(dataset, loop)
    first = dataclasses.replace(loop, steps=max(1, loop.steps // 4))
    movement = MovementObjective(matcher, dataset.normalizer)
    fit(movement.train(), batches, first, out / "run" / "movement", "training the evaluator, stage 1 of 2")
    matching = GuoObjective(matcher, dataset.normalizer)
    fit(matching.train(), batches, loop, out / "run" / "matching", "training the evaluator, stage 2 of 2")
    save_model(matcher.requires_grad_(True), out)
    return matcher.eval()


def statistics(dataset: MotionDataset) -> tuple[Tensor, Tensor]:
    """Mean and deviation [D] of every feature by itself, over all frames, as TMR's own statistics are."""
    frames = np.concatenate([item.features for item in dataset.items])
    return torch.from_numpy(frames.mean(0)), torch.from_numpy(frames.std(0) + 1e-6)
