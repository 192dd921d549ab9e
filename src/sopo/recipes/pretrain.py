"""Train a generator, its VAE, the reward (TMR) or the evaluator (Guo et al.) from scratch on a motion folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sopo.batch import Batch
from sopo.data.dataset import MotionDataset
from sopo.data.encoded import EncodedCrops
from sopo.data.statistics import RunningStatistics
from sopo.device import device
from sopo.generators.flow_dit import FlowDiT
from sopo.generators.generator import Generator
from sopo.generators.mdm import MDM
from sopo.generators.mld import MLD
from sopo.generators.momask import MoMask
from sopo.generators.motion_vae import MotionVAE
from sopo.generators.rvq_vae import RVQVAE
from sopo.generators.settings import (
    FlowDiTConfig,
    MDMConfig,
    MLDConfig,
    MoMaskConfig,
    MotionVAEConfig,
    RVQVAEConfig,
)
from sopo.matching.guo import GuoMatcher
from sopo.matching.objectives import GuoObjective, MovementObjective, TMRObjective, TMRWeights
from sopo.matching.settings import GuoConfig, TMRConfig
from sopo.matching.tmr import TMR
from sopo.motion.features import feature_slices
from sopo.pretrained import Pretrained
from sopo.randomness import Draws, numpy_rng
from sopo.recipes.batches import training_batches
from sopo.recipes.build import check_features, load_dataset
from sopo.recipes.record import save_model
from sopo.recipes.resume import write_run
from sopo.training.loop import fit
from sopo.training.settings import LoopConfig

MOVEMENT_STEPS = 800  # of the evaluator's first stage, at most: an autoencoder of movements is soon good enough
LEAST_DEVIATION = 0.1  # of a feature, in means of its group: less is noise, not movement
LATENT_CLIPS = 2048  # enough for the mean and deviation of a latent
ModelT = TypeVar("ModelT", bound=Generator | MotionVAE | RVQVAE)


class Pretraining(nn.Module):
    """A model's own training loss as an objective for the loop."""

    def __init__(self, model: Generator | MotionVAE | RVQVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        return self.model.train().training_loss(batch, draws), {}


def train_mdm(data: Path, out: Path, model: MDMConfig, loop: LoopConfig) -> MDM:
    """Pre-train an MDM on the train split of ``data``; saved in ``out``, its log and checkpoint in ``out/run``."""
    dataset = load_dataset(data, "train")
    torch.manual_seed(loop.seed)  # the weights' start; everything later follows from (seed, step)
    generator = MDM(dataclasses.replace(model, features=dataset.skeleton.num_features))
    return _pretrain(generator, dataset, out, loop, "training the generator (MDM)")


def train_flow(data: Path, out: Path, model: FlowDiTConfig, loop: LoopConfig) -> FlowDiT:
    """Pre-train a FlowDiT on the train split of ``data``."""
    dataset = load_dataset(data, "train")
    torch.manual_seed(loop.seed)
    generator = FlowDiT(dataclasses.replace(model, features=dataset.skeleton.num_features))
    return _pretrain(generator, dataset, out, loop, "training the generator (FlowDiT)")


def train_vae(data: Path, out: Path, model: MotionVAEConfig, loop: LoopConfig) -> MotionVAE:
    """Train the motion VAE whose latents MLD works on."""
    dataset = load_dataset(data, "train")
    torch.manual_seed(loop.seed)
    vae = MotionVAE(dataclasses.replace(model, features=dataset.skeleton.num_features))
    return _pretrain(vae, dataset, out, loop, "training the motion VAE")


def train_mld(data: Path, vae: Path, out: Path, model: MLDConfig, loop: LoopConfig) -> MLD:
    """Pre-train an MLD on the latents of the VAE saved in ``vae``, which is frozen and becomes a part of it."""
    dataset = load_dataset(data, "train")
    frozen = MotionVAE.from_pretrained(vae).to(device())
    check_features(frozen.config.features, dataset.skeleton.num_features, str(vae))
    torch.manual_seed(loop.seed)
    generator = MLD(dataclasses.replace(model, vae=frozen.config))
    generator.vae.load_state_dict(frozen.state_dict())
    generator.measure_latents(_latents(frozen, dataset, loop.seed))
    codes = EncodedCrops(dataset, lambda batch: generator.code(_beside(generator, batch)), generator.padding)
    return _pretrain(generator, dataset, out, loop, "training the generator (MLD)", codes)


def train_rvq(data: Path, out: Path, model: RVQVAEConfig, loop: LoopConfig) -> RVQVAE:
    """Train the residual VQ-VAE whose tokens MoMask works on. Its codebooks are running means: keep ``ema`` at 0."""
    dataset = load_dataset(data, "train")
    torch.manual_seed(loop.seed)
    rvq = RVQVAE(dataclasses.replace(model, features=dataset.skeleton.num_features))
    return _pretrain(rvq, dataset, out, loop, "training the RVQ-VAE")


def train_momask(data: Path, rvq: Path, out: Path, model: MoMaskConfig, loop: LoopConfig) -> MoMask:
    """Pre-train MoMask's two transformers on the tokens of the RVQ-VAE saved in ``rvq``, which is frozen."""
    dataset = load_dataset(data, "train")
    frozen = RVQVAE.from_pretrained(rvq)
    check_features(frozen.config.features, dataset.skeleton.num_features, str(rvq))
    torch.manual_seed(loop.seed)
    generator = MoMask(dataclasses.replace(model, rvq=frozen.config))
    generator.rvq.load_state_dict(frozen.state_dict())
    # Half the memory of int64.
    codes = EncodedCrops(dataset, lambda batch: generator.encode(_beside(generator, batch)).int(), generator.padding)
    return _pretrain(generator, dataset, out, loop, "training the generator (MoMask)", codes)


def _pretrain(
    model: ModelT, dataset: MotionDataset, out: Path, loop: LoopConfig, title: str, codes: EncodedCrops | None = None
) -> ModelT:
    model.normalizer.load_state_dict(dataset.normalizer.state_dict())
    write_run(out / "run", {"data": str(dataset.root), "model": dataclasses.asdict(model.config)}, loop)
    fit(Pretraining(model), training_batches(dataset, loop, codes), loop, out / "run", title)
    save_model(model, out)
    model.eval()
    return model


def _beside(model: Generator, batch: Batch) -> Batch:
    """The batch on the model's device."""
    return batch.to(model.normalizer.mean.device)


@torch.inference_mode()
def _latents(vae: MotionVAE, dataset: MotionDataset, seed: int) -> Tensor:
    """Posterior samples of training motions, [N, k, W]: what is learned. Means alone hide that idle parts are noise."""
    rng = numpy_rng(seed, "latents")
    rows = rng.permutation(len(dataset))[:LATENT_CLIPS]
    parts = [dataset.batch(rows[i : i + 128], rng).to(device()) for i in range(0, len(rows), 128)]
    mu, std = (torch.cat(side) for side in zip(*(vae.encode(part.motion, part.length) for part in parts), strict=True))
    return mu + std * Draws(seed, len(mu), device=device()).normal(*mu.shape[1:])


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
    first = dataclasses.replace(loop, steps=max(1, min(MOVEMENT_STEPS, loop.steps // 4)))
    movement = MovementObjective(matcher, dataset.normalizer)
    fit(movement.train(), batches, first, out / "run" / "movement", "training the evaluator, stage 1 of 2")
    matching = GuoObjective(matcher, dataset.normalizer)
    fit(matching.train(), batches, loop, out / "run" / "matching", "training the evaluator, stage 2 of 2")
    save_model(matcher.requires_grad_(True), out)
    return matcher.eval()


def statistics(dataset: MotionDataset) -> tuple[Tensor, Tensor]:
    """Mean and deviation [D] of every feature by itself, over all frames, as TMR's own statistics are.

    A deviation counts as a tenth of its group's mean at least. A joint that a skeleton never turns would otherwise be
    magnified without bound: a matcher then knows recorded motion by that constant, and finds all else equally wrong.
    """
    running = RunningStatistics(dataset.skeleton.num_features)
    for item in dataset.items:
        running.add(item.features)
    mean, deviation = running.moments()
    for group in feature_slices(dataset.skeleton).groups:
        deviation[group] = np.maximum(deviation[group], LEAST_DEVIATION * deviation[group].mean() or 1.0)
    return torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()


# A model's config -> what trains such a model.
TRAIN: dict[type, Callable[..., Pretrained]] = {
    MDMConfig: train_mdm,
    FlowDiTConfig: train_flow,
    MotionVAEConfig: train_vae,
    MLDConfig: train_mld,
    RVQVAEConfig: train_rvq,
    MoMaskConfig: train_momask,
    TMRConfig: train_reward,
    GuoConfig: train_evaluator,
}
