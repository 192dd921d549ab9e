"""Low-rank changes of weights: nothing at the start, every path sees them, and merged they are plain weights."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from sopo.errors import UserError
from sopo.nn.lora import add_adapters, merge_adapters
from sopo.nn.settings import LoRAConfig


def network() -> nn.Module:
    """Attention, linear layers narrower than the rank, and a frozen part."""
    layer = nn.TransformerEncoderLayer(16, 2, 24, 0.0, "gelu", batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Linear(3, 16).requires_grad_(False), encoder, nn.Linear(16, 2)).eval()


def move(model: nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))


def outputs(model: nn.Module, x: Tensor) -> list[Tensor]:
    """With a gradient, and without one, where torch fuses the attention layers."""
    with torch.no_grad():
        fused = model(x)
    return [model(x).detach(), fused]


def test_adapters_start_as_nothing_and_are_all_that_trains() -> None:
    plain = network()
    adapted = copy.deepcopy(plain)
    add_adapters(adapted, rank=4, seed=0)
    x = torch.randn(3, 5, 3)
    assert torch.equal(adapted(x), plain(x))
    trainable = {name: p.shape for name, p in adapted.named_parameters() if p.requires_grad}
    assert all("parametrizations" in name for name in trainable) and not any(n.startswith("0.") for n in trainable)
    assert len(trainable) == 2 * (2 * 4 + 1)  # down and up of: in_proj, out_proj, linear1, linear2; the head
    assert trainable["2.parametrizations.weight.0.up"] == (2, 2)  # no more than the weight has


@pytest.mark.usefixtures("float64")
def test_merged_is_adapted_and_plain_again() -> None:
    plain, x = network(), torch.randn(3, 5, 3)
    model = copy.deepcopy(plain)
    add_adapters(model, rank=4, seed=0)
    move(model)
    with_gradient, fused = outputs(model, x)
    torch.testing.assert_close(fused, with_gradient)  # the fused layers see the change too
    assert not torch.allclose(fused, plain(x), atol=1e-2)
    merge_adapters(model)
    assert [type(module) for module in model.modules()] == [type(module) for module in plain.modules()]
    assert model.state_dict().keys() == plain.state_dict().keys()
    for merged, adapted in zip(outputs(model, x), (with_gradient, fused), strict=True):
        torch.testing.assert_close(merged, adapted)


def test_the_seed_is_all_that_the_start_hangs_on() -> None:
    plain = network()
    starts = []
    for seed in (0, 0, 1):
        model = copy.deepcopy(plain)
        add_adapters(model, rank=2, seed=seed)
        starts.append(torch.cat([p.flatten() for p in model.parameters() if p.requires_grad]))
    assert torch.equal(starts[0], starts[1]) and not torch.equal(starts[0], starts[2])


def test_a_rank_below_0_is_refused() -> None:
    with pytest.raises(UserError, match="rank is -1"):
        LoRAConfig(rank=-1)
