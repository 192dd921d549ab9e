"""Our decoder layer is torch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sopo.batch import length_mask
from sopo.nn.layers import DecoderLayer


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_decoder_layer_gives_torch_s_numbers_and_gradient(tokens: int, dropout: float, float64: None) -> None:
    torch.manual_seed(0)
    plain = nn.TransformerDecoderLayer(8, 2, 12, dropout, "gelu", batch_first=True).eval()
    ours = DecoderLayer(8, 2, 12, dropout).eval()
    ours.load_state_dict(plain.state_dict())
    x, memory = torch.randn(3, 5, 8, requires_grad=True), torch.randn(3, tokens, 8)
    ignore = ~length_mask(torch.tensor([5, 2, 4]), 5)
    answers = [layer(x, memory, tgt_key_padding_mask=ignore) for layer in (plain, ours)]
    torch.testing.assert_close(answers[1], answers[0])
    gradients = [torch.autograd.grad(answer.square().sum(), x)[0] for answer in answers]
    torch.testing.assert_close(gradients[1], gradients[0])


def test_dropout_of_attention_on_one_token_is_drawn(float64: None) -> None:
    layer = DecoderLayer(8, 2, 12, 0.5).train()
    x, memory = torch.randn(1, 50, 8), torch.randn(1, 1, 8)
    rows = layer._mha_block(x, memory, None, None)[0]
    assert len(torch.unique(rows.round(decimals=6), dim=0)) > 2  # each query's own
