"""Properties of FlowDiT that hold for any weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sopo.batch import Batch, as_captions, length_mask
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.flow_dit import FlowDiT
from sopo.generators.generator import NoiseDraw
from sopo.generators.settings import FlowDiTConfig
from sopo.preference.ratio import log_ratio
from sopo.randomness import Draws

TEXTS = as_captions(["a person walks", "someone waves the left hand twice", "jump", "a man kicks with the right foot"])
LENGTH = torch.tensor([11, 7, 4, 9])
SAMPLINGS = [Sampling("euler", 4, 2.5), Sampling("heun", 3, 1.0), Sampling("ddpm", 3, 2.0)]
each_shape = pytest.mark.parametrize("shape", [{}, {"frames_per_token": 1}], ids=["folded", "a frame a token"])
each_sampling = pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda sampling: sampling.sampler)


def model_of(**shape: Any) -> FlowDiT:
    sizes = {"features": 251, "width": 16, "feedforward": 24, "layers": 2, "heads": 2, "max_positions": 64}
    model = FlowDiT(FlowDiTConfig(**(sizes | {"text_encoder": "hashed-16", "text_layers": 1} | shape)))
    with torch.no_grad():  # as if trained: at the start no block does anything
        for block in model.blocks:
            block.modulate.weight.normal_(std=0.3)
            block.modulate.bias.normal_(std=0.3)
    return model.eval()


def batch_of(frames: int = 11) -> Batch:
    motion = torch.randn(4, frames, 251) * length_mask(LENGTH, frames)[..., None]
    return Batch(motion, LENGTH, TEXTS, ("a", "b", "c", "d"))


def sample(model: FlowDiT, sampling: Sampling, seed: int = 0) -> Tensor:
    return model.sample(model.embed(TEXTS), LENGTH, 11, Draws(seed, 4), sampling, K=2)


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
    longer = torch.nn.functional.pad(batch.motion, (0, 0, 0, 6))
    noise = torch.cat([draw.noise, 5 * torch.randn(4, 6, 251)], 1)
    padded = model.nll(longer, LENGTH, model.embed(TEXTS), NoiseDraw(draw.step, noise))
    torch.testing.assert_close(padded, expected)


@each_sampling
@pytest.mark.usefixtures("float64")
def test_a_shard_samples_its_rows_of_the_whole(sampling: Sampling) -> None:
    model = model_of()
    whole = sample(model, sampling, seed=3)
    assert whole.shape == (8, 11, 251) and not whole.requires_grad
    shard = model.sample(model.embed(TEXTS[2:]), LENGTH[2:], 11, Draws(3, 4, 2, 4), sampling, K=2)
    torch.testing.assert_close(shard, whole[4:])


@each_sampling
def test_samples_differ_and_the_seed_repeats_them(sampling: Sampling) -> None:
    model = model_of()
    first, again, other = (sample(model, sampling, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_ddim_is_euler_and_heun_is_not() -> None:
    model = model_of()
    euler, ddim, heun = (sample(model, Sampling(name, 4)) for name in ("euler", "ddim", "heun"))  # type: ignore[arg-type]
    assert torch.equal(euler, ddim) and not torch.equal(euler, heun)


@pytest.mark.usefixtures("float64")
def test_guidance_is_an_extrapolation_and_1_is_the_conditional_velocity() -> None:
    model, batch = model_of(), batch_of()
    condition, time = model.embed(TEXTS), torch.tensor([0.9, 0.5, 1.0, 0.2])
    answers = [model.denoiser(condition, LENGTH, scale)(batch.motion, time) for scale in (1.0, 1.0 + 1e-12, 2.0, 3.0)]
    plain, almost, double, triple = answers
    torch.testing.assert_close(almost, plain)
    torch.testing.assert_close(triple - double, double - plain)
    assert not torch.allclose(double, plain)
    torch.testing.assert_close(model.denoise(batch.motion, time, LENGTH, model.read(condition), condition.mask), plain)


@pytest.mark.usefixtures("float64")
def test_nll_is_the_error_of_the_velocity() -> None:
    model, batch = model_of(), batch_of()
    draw, condition = model.draw(batch.motion, Draws(1, 4)), model.embed(TEXTS)
    time = draw.step[:, None, None]
    noisy = (1 - time) * batch.motion + time * draw.noise
    off = model.denoiser(condition, LENGTH, 1.0)(noisy, draw.step) - (draw.noise - batch.motion)
    expected = [off[i, :n].square().mean() for i, n in enumerate(LENGTH.tolist())]
    first, again = (model.nll(batch.motion, LENGTH, condition, draw) for _ in range(2))
    torch.testing.assert_close(first, torch.stack(expected))
    assert torch.equal(first, again)


@pytest.mark.usefixtures("float64")
def test_the_gradient_of_nll_is_its_finite_difference() -> None:
    model, batch = model_of(), batch_of()
    draw, condition = model.draw(batch.motion, Draws(1, 4)), model.embed(TEXTS)
    parameters = list(model.parameters())
    ways = [torch.randn_like(parameter) for parameter in parameters]

    def error() -> Tensor:
        return model.nll(batch.motion, LENGTH, condition, draw).sum()

    given = torch.autograd.grad(error(), parameters, allow_unused=True)
    slope = sum(float((g * way).sum()) for g, way in zip(given, ways, strict=True) if g is not None)
    losses = []
    with torch.no_grad():
        for sign in (1, -2):
            for parameter, way in zip(parameters, ways, strict=True):
                parameter.add_(way, alpha=1e-6 * sign)
            losses.append(float(error()))
    assert slope == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-5) and slope != 0


@each_shape
def test_h_is_exactly_zero_where_policy_and_reference_agree(shape: dict[str, Any]) -> None:
    policy, reference = model_of(**shape), model_of(**shape)
    reference.requires_grad_(False).load_state_dict(policy.state_dict())
    x = policy.encode(batch_of())
    h, _ = log_ratio(policy, reference, x, LENGTH, policy.embed(TEXTS), policy.draw(x, Draws(0, 4)))
    assert h.requires_grad and (h == 0).all()


def test_conditions_are_dropped_in_training_only() -> None:
    model, batch = model_of(drop_condition=1.0, dropout=0.0), batch_of()
    # Words of the same number: no text is told from another by their mask.
    other = replace(batch, captions=as_captions(caption.text[::-1] for caption in TEXTS))
    assert model.training_loss(batch, Draws(0, 4)) != model.training_loss(other, Draws(0, 4))
    model.train()
    assert model.training_loss(batch, Draws(0, 4)) == model.training_loss(other, Draws(0, 4))


def test_it_learns() -> None:
    model, batch = FlowDiT(model_of(dropout=0.0).config).train(), batch_of()
    optimizer, losses = torch.optim.Adam(model.parameters(), 3e-3), []
    for _ in range(60):
        loss = model.training_loss(batch, Draws(0, 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@each_shape
def test_save_and_load(shape: dict[str, Any], tmp_path: Path) -> None:
    model, batch = model_of(**shape), batch_of()
    loaded = FlowDiT.from_pretrained(model.save_pretrained(tmp_path / "flow"))
    draw = model.draw(batch.motion, Draws(1, 4))
    text = model.embed(TEXTS)
    assert torch.equal(*(m.nll(batch.motion, LENGTH, text, draw) for m in (model, loaded)))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(UserError, match="temperature is of MoMask's tokens"):
        sample(model_of(), Sampling(temperature=0.9))
    with pytest.raises(UserError, match="multiple of heads"):
        FlowDiTConfig(width=30, heads=4)
    with pytest.raises(UserError, match="shift"):
        FlowDiTConfig(shift=0.0)
