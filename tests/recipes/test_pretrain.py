"""Pre-training on what a frozen autoencoder makes of the motions, coded once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sopo.batch import Batch
from sopo.data.encoded import EncodedCrops
from sopo.generators.generator import Generator
from sopo.generators.mld import MLD
from sopo.generators.momask import MoMask
from sopo.motion.features import feature_slices
from sopo.randomness import Draws
from sopo.recipes.batches import training_batches
from sopo.recipes.build import load_dataset, load_generator
from sopo.recipes.pretrain import statistics, train_mld, train_momask
from sopo.training.settings import LoopConfig

LOOP = LoopConfig(steps=4, batch_size=8, learning_rate=1e-3)
on_codes = pytest.mark.parametrize("family", ["mld", "momask"])


def codes_of(model: Generator, dataset) -> EncodedCrops:
    assert isinstance(model, MLD | MoMask)
    encode = model.code if isinstance(model, MLD) else model.encode
    return EncodedCrops(dataset, lambda batch: encode(as_read(batch)), model.padding)


def as_read(batch: Batch) -> Batch:
    """In the precision of the test's networks."""
    return replace(batch, motion=batch.motion.to(torch.get_default_dtype()))


@on_codes
@pytest.mark.usefixtures("float64")
def test_codes_change_no_loss(world, family: str) -> None:
    model = load_generator(world.generators[family])
    dataset = load_dataset(world.data, "train", model)
    plain, coded = training_batches(dataset, LOOP), training_batches(dataset, LOOP, codes_of(model, dataset))
    for step in range(6):
        with_code, without = (as_read(batches(step)) for batches in (coded, plain))
        assert with_code.code is not None and torch.equal(with_code.motion, without.motion)
        torch.testing.assert_close(model.encode(with_code), model.encode(without))
        losses = [model.training_loss(batch, Draws(step, 8)) for batch in (with_code, without)]
        torch.testing.assert_close(*losses)
        shard = with_code.rows(2, 5)
        assert torch.equal(model.encode(shard), model.encode(with_code)[2:5])


@on_codes
def test_a_code_has_the_same_bits_whatever_came_before(world, family: str) -> None:
    model = load_generator(world.generators[family])
    dataset = load_dataset(world.data, "train", model)
    used, fresh = codes_of(model, dataset), codes_of(model, dataset)
    rows, rng = np.arange(len(dataset)), np.random.default_rng(0)
    for _ in range(5):
        _, start, length = dataset.choose(rows, rng)
        together = used(rows, start, length)
    for row in rng.permutation(rows):
        alone = fresh([row], start[[row]], length[[row]])[0]
        assert torch.equal(alone, together[row, : len(alone)])


@on_codes
def test_a_resumed_training_is_the_uninterrupted_one(world, tmp_path: Path, family: str) -> None:
    model = load_generator(world.generators[family])

    def train(out: Path, steps: int) -> Generator:
        loop = replace(LOOP, steps=steps)
        if isinstance(model, MLD):
            return train_mld(world.data, model.vae.save_pretrained(tmp_path / "vae"), out, model.config, loop)
        assert isinstance(model, MoMask)
        return train_momask(world.data, model.rvq.save_pretrained(tmp_path / "rvq"), out, model.config, loop)

    whole = train(tmp_path / "whole", 4).state_dict()
    train(tmp_path / "cut", 2)
    assert all(torch.equal(value, whole[name]) for name, value in train(tmp_path / "cut", 4).state_dict().items())


def test_an_idle_part_of_the_latent_is_not_magnified(world, tmp_path: Path) -> None:
    """Where the posterior ignores the motion it is N(0, 1): the means never move, the samples do."""
    model = load_generator(world.generators["mld"])
    with torch.no_grad():
        model.vae.to_latent.weight[0] = 0.0
        model.vae.to_latent.bias[0] = 0.0
    vae = model.vae.save_pretrained(tmp_path / "vae")
    trained = train_mld(world.data, vae, tmp_path / "mld", model.config, replace(LOOP, steps=1))
    idle = trained.latents.std.view(model.config.vae.latent_tokens, -1)[:, 0]
    assert ((idle > 0.5) & (idle < 1.5)).all()


def test_a_joint_that_never_turns_is_not_magnified(world) -> None:
    """Bodies whose hands stay as they are: an error of a tenth of what joints turn must stay below one deviation."""
    dataset = load_dataset(world.data, "train")
    rotations = feature_slices(dataset.skeleton).groups[4]
    still = rotations.stop - 1
    for item in dataset.items:
        item.features[:, still] = 0.5
    mean, deviation = statistics(dataset)
    assert mean[still] == pytest.approx(0.5)
    assert deviation[still] == pytest.approx(0.1 * deviation_of(dataset, rotations), rel=1e-4)
    assert (deviation > 0).all()


def deviation_of(dataset, columns: slice) -> float:
    return float(np.concatenate([item.features[:, columns] for item in dataset.items]).std(0).mean())
