"""Properties of MDM that hold for any weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sopo.batch import Batch, as_captions, length_mask
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.generator import NoiseDraw
from sopo.generators.mdm import MDM
from sopo.generators.settings import MDMConfig
from sopo.randomness import Draws

TEXTS = as_captions(["a person walks", "someone waves the left hand twice", "jump", "a man kicks with the right foot"])
LENGTH = torch.tensor([11, 7, 4, 9])
SHAPES: list[dict[str, Any]] = [
    {},
    {"architecture": "decoder"},
    {"architecture": "decoder", "step_token": True},
    {"architecture": "decoder", "pooled_text": True},
    {"text_layers": 1},
    {"frames_per_token": 4},
    {"architecture": "decoder", "text_layers": 1, "frames_per_token": 3},
    {"architecture": "decoder", "step_token": True, "frames_per_token": 2, "token_window": 3},
]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape.values())) or "plain")


def model_of(**shape: Any) -> MDM:
    sizes = {"features": 251, "width": 16, "feedforward": 24, "layers": 2, "heads": 2, "max_positions": 64}
    return MDM(MDMConfig(**sizes, text_encoder="hashed-16", diffusion_steps=8, **shape)).eval()


def batch_of(frames: int = 11) -> Batch:
    motion = torch.randn(4, frames, 251) * length_mask(LENGTH, frames)[..., None]
    return Batch(motion, LENGTH, TEXTS, ("a", "b", "c", "d"))


@each_shape
@pytest.mark.usefixtures("float64")
def test_padding_changes_nothing(shape: dict[str, Any]) -> None:
    model, batch = model_of(**shape), batch_of()
    draw = model.draw(batch.motion, Draws(1, 4))
    expected = model.nll(batch.motion, LENGTH, model.embed(TEXTS), draw)
    assert expected.shape == (4,)
    for i, n in enumerate(LENGTH.tolist()):  # alone, without any padding
        one = NoiseDraw(draw.step[i : i + 1], draw.noise[i : i + 1, :n])
        alone = model.nll(batch.motion[i : i + 1, :n], LENGTH[i : i + 1], model.embed(TEXTS[i : i + 1]), one)
        torch.testing.assert_close(alone, expected[i : i + 1])
    # Padded further, and with noise in the padding.
    longer = torch.nn.functional.pad(batch.motion, (0, 0, 0, 6))
    noise = torch.cat([draw.noise, 5 * torch.randn(4, 6, 251)], 1)
    padded = model.nll(longer, LENGTH, model.embed(TEXTS), NoiseDraw(draw.step, noise))
    torch.testing.assert_close(padded, expected)


def test_without_masks_the_padding_is_seen() -> None:
    model, batch = model_of(mask_frames=False), batch_of()
    draw = model.draw(batch.motion, Draws(1, 4))
    text = model.embed(TEXTS)
    louder = NoiseDraw(draw.step, draw.noise + 5 * (~batch.mask[..., None]))
    first, second = (model.nll(batch.motion, LENGTH, text, d) for d in (draw, louder))
    assert torch.equal(first[0], second[0]) and (first[1:] != second[1:]).all()


@each_shape
@pytest.mark.parametrize(
    "sampling", [Sampling("ddim", 4, 2.5), Sampling("ddpm", 4, 2.5), Sampling("ddpm", 3, 1.0)], ids=str
)
@pytest.mark.usefixtures("float64")
def test_a_shard_samples_its_rows_of_the_whole(shape: dict[str, Any], sampling: Sampling) -> None:
    model = model_of(**shape)
    whole = model.sample(model.embed(TEXTS), LENGTH, 11, Draws(3, 4), sampling, K=3)
    assert whole.shape == (12, 11, 251) and not whole.requires_grad
    draws = Draws(3, 4, 2, 4)
    shard = model.sample(model.embed(TEXTS[2:]), LENGTH[2:], 11, draws, sampling, K=3)
    torch.testing.assert_close(shard, whole[6:])


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_what_is_drawn_after_sampling_does_not_depend_on_the_shard(sampler: str) -> None:
    model = model_of()
    after = []
    for draws in (Draws(3, 4), Draws(3, 4, 1, 3)):
        rows = slice(draws.start, draws.stop)
        model.sample(model.embed(TEXTS[rows]), LENGTH[rows], 11, draws, Sampling(sampler, 3, 1.0), K=2)  # type: ignore[arg-type]
        after.append(draws.normal(5))
    assert torch.equal(after[0][1:3], after[1])


def test_samples_differ_and_the_seed_repeats_them() -> None:
    model = model_of()
    first, again, other = (
        model.sample(model.embed(TEXTS), LENGTH, 11, Draws(seed, 4), Sampling("ddim", 4, 1.0), K=2)
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


@pytest.mark.usefixtures("float64")
def test_guidance_is_an_extrapolation_and_1_is_none() -> None:
    model = model_of()
    text, one_step = model.embed(TEXTS), [Sampling("ddim", 1, scale) for scale in (1.0, 2.0, 3.0)]
    plain, double, triple = (model.sample(text, LENGTH, 11, Draws(0, 4), s, K=1) for s in one_step)
    torch.testing.assert_close(triple - double, double - plain)
    assert not torch.equal(plain, double)


def test_decode_denormalises_and_silences_the_padding() -> None:
    model = model_of()
    model.normalizer.mean.fill_(2.0)
    model.normalizer.std.fill_(3.0)
    decoded = model.decode(torch.ones(4, 11, 251), LENGTH)
    assert (decoded[batch_of().mask] == 5).all() and (decoded[~batch_of().mask] == 0).all()


def test_conditions_are_dropped_in_training_only() -> None:
    model, batch = model_of(drop_condition=1.0, dropout=0.0), batch_of()
    other = Batch(batch.motion, LENGTH, TEXTS[::-1], batch.keys)

    def loss(batch: Batch) -> Tensor:
        return model.training_loss(batch, Draws(0, 4))

    assert loss(batch) != loss(other)
    model.train()
    assert loss(batch) == loss(other)


@each_shape
def test_save_and_load(shape: dict[str, Any], tmp_path: Any) -> None:
    model, batch = model_of(**shape), batch_of()
    loaded = MDM.from_pretrained(model.save_pretrained(tmp_path / "mdm"))
    draw = model.draw(batch.motion, Draws(1, 4))
    text = model.embed(TEXTS)
    assert torch.equal(*(m.nll(batch.motion, LENGTH, text, draw) for m in (model, loaded)))


def test_bad_settings_are_refused() -> None:
    for setting in ({"temperature": 0.9}, {"residual_guidance": 5.0}):
        with pytest.raises(UserError, match=f"{next(iter(setting))} is of MoMask's tokens"):
            model_of().sample(model_of().embed(TEXTS), LENGTH, 11, Draws(0, 4), Sampling(**setting), K=1)
    with pytest.raises(UserError, match="multiple of heads"):
        MDMConfig(width=30, heads=4)
    with pytest.raises(UserError, match="frames_per_token"):
        MDMConfig(frames_per_token=0)
    with pytest.raises(UserError, match="caption 1 is empty"):
        model_of().embed(as_captions(["walk", "  "]))
