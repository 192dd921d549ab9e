"""Activation checkpointing: the same gradient, to the last bit of the type, from less memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sopo.nn.dit import DiTBlock
from sopo.nn.recompute import recomputed


def kept(model: nn.Module, x: Tensor) -> tuple[int, list[Tensor]]:
    """Numbers kept for the way back, and the gradients."""
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        sizes[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = model(x).square().mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    return sum(sizes.values()), list(gradients)


def test_layers_keep_their_input_alone_and_give_the_same_gradient(float64: None) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 64, 0.0, "gelu", batch_first=True)
    model, x = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False), torch.randn(2, 16, 8)
    plain, expected = kept(model, x)
    with recomputed(model), torch.random.fork_rng():
        fewer, gradients = kept(model, x)
    assert fewer < plain / 4
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    assert kept(model, x)[0] == plain  # as before, outside


def test_dropout_is_drawn_again_as_it_was(float64: None) -> None:
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(8, 2, 16, 0.5, "gelu", batch_first=True)
    x = torch.randn(2, 5, 8)
    torch.manual_seed(1)
    expected = kept(model, x)[1]
    with recomputed(model):
        torch.manual_seed(1)
        gradients = kept(model, x)[1]
    assert all(torch.allclose(one, other, rtol=1e-12) for one, other in zip(gradients, expected, strict=True))


def test_without_a_gradient_nothing_changes() -> None:
    block = DiTBlock(8, 2, 16, 0.0)
    x, mask = torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)
    with torch.no_grad():
        expected = block(x, x, x[:, 0], mask, mask)
        with recomputed(block):
            assert torch.equal(block(x, x, x[:, 0], mask, mask), expected)
