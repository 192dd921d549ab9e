"""Cheaper passes: the same motions from compiled layers, near ones in bf16, and everything as before afterwards."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sopo.errors import UserError
from sopo.nn.cheaper import cheaper


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, 0.0, "gelu", batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()


def answer(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)


def test_bf16_is_near_and_ends_with_the_context(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)  # slow elsewhere, but the same numbers
    x = torch.randn(3, 7, 16)
    exact = answer(model, x)
    with cheaper(model, "bf16", False):
        near = answer(model, x).float()
    assert 1e-4 < (near - exact).abs().max() / exact.abs().max() < 3e-2
    assert torch.equal(answer(model, x), exact)


def test_a_processor_without_bf16_is_told_so(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    with pytest.raises(UserError, match="this CPU has no instructions for it"), cheaper(model, "bf16", False):
        pass
    with pytest.raises(UserError, match="leave one out"), cheaper(model, "bf16", True):
        pass


def test_layers_are_compiled_once_and_only_inside(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def compile(function, dynamic: bool):  # the compiler itself takes a minute; benchmarks/step.py compares its numbers
        assert dynamic and function is nn.TransformerEncoder.forward
        calls.append("compiled")

        def compiled(stack, *arguments, **named):
            assert stack is model and not torch.backends.mha.get_fastpath_enabled()
            calls.append("called")
            return function(stack, *arguments, **named)

        return compiled

    monkeypatch.setattr(torch, "compile", compile)
    for frames in (5, 9, 6):
        x = torch.randn(2, frames, 16)
        exact = answer(model, x)
        with cheaper(model, "no", True):
            torch.testing.assert_close(answer(model, x), exact, rtol=1e-4, atol=1e-5)
        assert torch.equal(answer(model, x), exact)
    assert calls == ["compiled", "called", "called", "called"]
