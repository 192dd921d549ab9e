"""Properties of MLD and its VAE that hold for any weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sopo.batch import Batch, as_captions, length_mask
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.mld import MLD
from sopo.generators.motion_vae import MotionVAE
from sopo.generators.settings import MLDConfig, MotionVAEConfig
from sopo.preference.ratio import log_ratio
from sopo.randomness import Draws

TEXTS = as_captions(["a person walks", "someone waves the left hand twice", "jump", "a man kicks with the right foot"])
LENGTH = torch.tensor([11, 7, 4, 9])
VAE = MotionVAEConfig(
    features=251, width=16, feedforward=24, layers=3, heads=2, latent_tokens=2, latent_width=6, max_positions=32
)
SMALL = MLDConfig(
    vae=VAE,
    width=16,
    feedforward=24,
    layers=3,
    heads=2,
    text_encoder="hashed-16",
    step_width=8,
    diffusion_steps=8,
    default_steps=4,
    max_positions=32,
)
SHAPES: list[dict[str, Any]] = [
    {},
    {"text_layers": 1, "text_tokens": 3},
    {"schedule": "cosine", "prediction": "sample"},
    {"vae": replace(VAE, frames_per_token=4, token_window=3)},
    {"vae": replace(VAE, latent_width=16, latent_tokens=1)},
]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=["plain", "mixed-text", "x0", "folded", "published-latent"])


def model_of(**shape: Any) -> MLD:
    return MLD(replace(SMALL, **shape)).eval()


def batch_of(frames: int = 11) -> Batch:
    motion = torch.randn(4, frames, 251) * length_mask(LENGTH, frames)[..., None]
    return Batch(motion, LENGTH, TEXTS, ("a", "b", "c", "d"))


@each_shape
@torch.no_grad()
@pytest.mark.usefixtures("float64")
def test_padding_changes_nothing(shape: dict[str, Any]) -> None:
    model, batch = model_of(**shape), batch_of()
    x = model.encode(batch)
    motion = model.decode(x, LENGTH)
    assert motion.shape == batch.motion.shape and (motion[~batch.mask] == 0).all()
    for i, n in enumerate(LENGTH.tolist()):
        row = Batch(batch.motion[i : i + 1, :n], LENGTH[i : i + 1], TEXTS[i : i + 1], ("a",))
        torch.testing.assert_close(model.encode(row), x[i : i + 1])
        torch.testing.assert_close(model.decode(x[i : i + 1], row.length), motion[i : i + 1, :n])
    louder = replace(batch, motion=batch.motion + 5 * (~batch.mask[..., None]))
    torch.testing.assert_close(model.encode(louder), x)


@each_shape
@pytest.mark.parametrize("sampling", [Sampling("ddim", 4, 2.5), Sampling("ddpm", 3, 1.0)], ids=str)
@pytest.mark.usefixtures("float64")
def test_a_shard_samples_its_rows_of_the_whole(shape: dict[str, Any], sampling: Sampling) -> None:
    model = model_of(**shape)
    whole = model.sample(model.embed(TEXTS), LENGTH, 11, Draws(3, 4), sampling, K=3)
    assert len(whole) == 12 and not whole.requires_grad
    shard = model.sample(model.embed(TEXTS[2:]), LENGTH[2:], 11, Draws(3, 4, 2, 4), sampling, K=3)
    torch.testing.assert_close(shard, whole[6:])
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.usefixtures("float64")
def test_guidance_is_an_extrapolation_from_the_empty_text_and_1_is_none() -> None:
    model = model_of()
    text, one_step = model.embed(TEXTS), [Sampling("ddim", 1, scale) for scale in (1.0, 2.0, 3.0)]
    plain, double, triple = (model.sample(text, LENGTH, 11, Draws(0, 4), s, K=1) for s in one_step)
    torch.testing.assert_close(triple - double, double - plain)
    assert not torch.equal(plain, double)
    with torch.no_grad():
        empty = model.read(model.text.encode([""]))
    assert torch.equal(model.nothing(3).detach(), empty.expand(3, -1, -1))


def test_the_default_number_of_steps_is_the_configs() -> None:
    model = model_of()
    text = model.embed(TEXTS)
    first, second = (model.sample(text, LENGTH, 11, Draws(0, 4), Sampling("ddim", s, 1.0), K=1) for s in (0, 4))
    assert torch.equal(first, second)


def test_conditions_are_dropped_in_training_only() -> None:
    model, batch = model_of(drop_condition=1.0, dropout=0.0), batch_of()
    other = replace(batch, captions=TEXTS[::-1])
    assert model.training_loss(batch, Draws(0, 4)) != model.training_loss(other, Draws(0, 4))
    model.train()
    assert model.training_loss(batch, Draws(0, 4)) == model.training_loss(other, Draws(0, 4))


def test_the_vae_is_frozen_and_never_drops_out() -> None:
    model = MLD(replace(SMALL, vae=replace(VAE, dropout=0.5))).train()
    assert not model.vae.training and not any(p.requires_grad for p in model.vae.parameters())
    model.training_loss(batch_of(), Draws(0, 4)).backward()
    assert all(p.grad is None for p in model.vae.parameters())


@pytest.mark.usefixtures("float64")
def test_standardised_latents_have_unit_deviation_and_decode_to_the_same_motion() -> None:
    model, batch = model_of(), batch_of()
    z = model.vae.encode(batch.motion, LENGTH)[0].detach()
    before = model.decode(model.encode(batch), LENGTH)
    model.measure_latents(z)
    x = model.encode(batch)
    torch.testing.assert_close(x.flatten(1).std(0), torch.ones(12))
    torch.testing.assert_close(model.decode(x, LENGTH), before)


def test_save_and_load(tmp_path: Path) -> None:
    model, batch = model_of(), batch_of()
    loaded = MLD.from_pretrained(model.save_pretrained(tmp_path / "mld"))
    assert loaded.config == model.config
    x = model.encode(batch)
    draw = model.draw(x, Draws(1, 4))
    assert torch.equal(*(m.nll(x, LENGTH, model.embed(TEXTS), draw) for m in (model, loaded)))


def test_the_vae_learns_to_reconstruct() -> None:
    vae = MotionVAE(replace(VAE, dropout=0.0)).train()
    batch = batch_of()
    optimizer = torch.optim.Adam(vae.parameters(), 3e-3)
    losses = []
    for step in range(60):
        loss = vae.training_loss(batch, Draws(step, 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(UserError, match="odd number"):
        MLD(replace(SMALL, layers=4))
    with pytest.raises(UserError, match="multiple of heads"):
        replace(SMALL, width=17)
    with pytest.raises(UserError, match="multiple of heads"):
        replace(VAE, width=17)
    with pytest.raises(UserError, match="from 1 to"):
        replace(VAE, latent_tokens=0)


@each_shape
def test_h_is_exactly_zero_where_policy_and_reference_agree(shape: dict[str, Any]) -> None:
    policy, reference = model_of(**shape), model_of(**shape)
    reference.requires_grad_(False).load_state_dict(policy.state_dict())
    x = policy.encode(batch_of())
    h, _ = log_ratio(policy, reference, x, LENGTH, policy.embed(TEXTS), policy.draw(x, Draws(0, 4)))
    assert h.requires_grad and (h == 0).all()
