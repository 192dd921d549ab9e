"""The RVQ-VAE: padding, codebooks that move and resume, and learning."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sopo.batch import Batch, as_captions, length_mask
from sopo.errors import UserError
from sopo.generators.rvq_vae import RVQVAE
from sopo.generators.settings import RVQVAEConfig
from sopo.nn.residual_quantizer import Codebook, ResidualQuantizer
from sopo.randomness import Draws
from sopo.training.loop import CHECKPOINT, fit
from sopo.training.settings import LoopConfig

LENGTH = torch.tensor([24, 8, 16, 12])


def model_of(**changes: float) -> RVQVAE:
    sizes = {"features": 251, "width": 12, "code_dim": 6, "codes": 16, "quantizers": 3, "depth": 2}
    return RVQVAE(RVQVAEConfig(**sizes | changes)).eval()  # type: ignore[arg-type]


def batch_of(seed: int = 0) -> Batch:
    """Smooth motions, so that there is something to learn."""
    generator = torch.Generator().manual_seed(seed)
    phase = 6 * torch.rand(4, 1, 1, generator=generator) + torch.arange(24)[:, None] / 4
    motion = torch.sin(phase + torch.arange(251) / 40) * length_mask(LENGTH, 24)[..., None]
    return Batch(motion, LENGTH, as_captions(["a", "b", "c", "d"]), ("a", "b", "c", "d"))


class Objective(nn.Module):
    def __init__(self, model: RVQVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        return self.model.train().training_loss(batch, draws), {}


@pytest.mark.usefixtures("float64")
def test_padding_changes_nothing() -> None:
    model, batch = model_of(), batch_of()
    ids = model.encode(batch.motion, LENGTH)
    motion = model.decode(ids, LENGTH)
    assert ids.shape == (4, 6, 3) and motion.shape == (4, 24, 251)
    assert ((ids[..., 0] >= 0).sum(1) == LENGTH // 4).all()
    assert torch.equal(model.encode(batch.motion + ~batch.mask[..., None], LENGTH), ids)
    for i, n in enumerate(LENGTH.tolist()):  # alone, where the padding is not even there
        alone = model.encode(batch.motion[i : i + 1, :n])
        assert torch.equal(alone[0], ids[i, : n // 4])
        torch.testing.assert_close(model.decode(alone)[0], motion[i, :n])


@pytest.mark.usefixtures("float64")
def test_decoding_adds_up_the_layers_that_are_there() -> None:
    quantizer = ResidualQuantizer(3, 8, 5, 0.0)
    x = torch.randn(2, 4, 5)
    ids = quantizer.encode(x)
    codes = [layer.codes for layer in quantizer.layers]
    expected = codes[0][ids[..., 0]] + codes[1][ids[..., 1]]
    torch.testing.assert_close(quantizer.decode(ids[..., :2]), expected)
    assert torch.equal(quantizer.decode(torch.full_like(ids, -1)), torch.zeros(2, 4, 5))
    nearest = (x[:, :, None] - codes[0]).norm(dim=-1).argmin(-1)
    assert torch.equal(ids[..., 0], nearest)


def test_codes_follow_their_vectors_and_the_unused_are_replaced() -> None:
    book = Codebook(3, 2)
    book.start(torch.tensor([[0.0, 0.0], [10.0, 0.0], [50.0, 50.0]]))
    x = torch.tensor([[1.0, 1.0], [1.0, 1.0], [11.0, 0.0]])
    fresh = torch.full((3, 2), 7.0)
    book.follow(x, book.distance(x).argmin(-1), fresh)
    torch.testing.assert_close(book.codes[0], torch.full((2,), 0.02 / 1.01))
    torch.testing.assert_close(book.codes[1], torch.tensor([0.99 * 10 + 0.11, 0.0]))
    assert torch.equal(book.codes[2], fresh[2])  # chosen less than once
    torch.testing.assert_close(book.count, torch.tensor([1.01, 1.0, 0.99]))
    before = book.codes.clone()
    book.start(fresh)
    assert torch.equal(book.codes, before)


def test_padding_moves_no_codebook() -> None:
    batch, twins = batch_of(), []
    for motion in (batch.motion, batch.motion + 9.0 * ~batch.mask[..., None]):
        torch.manual_seed(1)
        twin = model_of(dropout=0.0).train()
        loss = twin.training_loss(Batch(motion, LENGTH, batch.captions, batch.keys), Draws(0, 4))
        twins.append((loss, twin.quantizer.decode(torch.zeros(1, 1, 3, dtype=torch.int64))))
    assert all(torch.equal(a, b) for a, b in zip(*twins, strict=True))


def test_dropped_layers_are_dropped_whole_and_learn_nothing() -> None:
    quantizer = ResidualQuantizer(4, 8, 5, dropout=1.0)
    x = torch.randn(6, 5, 5, requires_grad=True)
    quantized, _ = quantizer.quantize(x, torch.ones(6, 5, dtype=torch.bool), Draws(3, 6))
    quantized.sum().backward()
    layers = x.grad[:, 0, 0]  # the gradient passes straight through, once for each layer used
    draws = Draws(3, 6)
    draws.uniform()
    assert torch.equal(layers, draws.integers(4) + 1.0)
    assert len(layers.unique()) > 1


def test_training_reduces_the_loss(tmp_path: Path) -> None:
    model = model_of(dropout=0.0)
    losses: list[float] = []

    class Watched(Objective):
        def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
            loss, values = super().forward(batch, draws)
            losses.append(loss.item())
            return loss, values

    fit(Watched(model), batch_of, LoopConfig(steps=60, batch_size=4, learning_rate=3e-3), tmp_path)
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
    model.eval()
    batch = batch_of(99)
    error = (model.decode(model.encode(batch.motion, LENGTH), LENGTH) - batch.motion)[batch.mask]
    assert error.square().mean() < 0.6 * batch.motion[batch.mask].square().mean()


def test_codebooks_resume_to_the_last_bit(tmp_path: Path) -> None:
    def settings(steps: int) -> LoopConfig:
        return LoopConfig(steps=steps, batch_size=4, learning_rate=1e-3, checkpoint_every=3)

    def fresh() -> RVQVAE:
        torch.manual_seed(5)
        return model_of()

    whole, first, resumed = fresh(), fresh(), fresh()
    fit(Objective(whole), batch_of, settings(6), tmp_path / "whole")
    fit(Objective(first), batch_of, settings(3), tmp_path / "cut")
    fit(Objective(resumed), batch_of, settings(6), tmp_path / "cut")
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert not torch.equal(first.quantizer.layers[0].codes, whole.quantizer.layers[0].codes)
    state = torch.load(tmp_path / "cut" / CHECKPOINT, weights_only=True)
    assert "model.quantizer.layers.2.count" in state["model"]


def test_a_loaded_model_goes_on_from_its_codebooks(tmp_path: Path) -> None:
    """The released code overwrites them with vectors of the first batch."""
    model = model_of().train()
    model.training_loss(batch_of(), Draws(0, 4))
    loaded = RVQVAE.from_pretrained(model.save_pretrained(tmp_path / "rvq"))
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())
    before = loaded.quantizer.layers[0].count.clone()
    loaded.train().training_loss(batch_of(1), Draws(1, 4))
    assert (loaded.quantizer.layers[0].count >= 0.98 * before).all()


def test_bad_settings_are_refused() -> None:
    with pytest.raises(UserError, match="from 1 to"):
        RVQVAEConfig(codes=0)
