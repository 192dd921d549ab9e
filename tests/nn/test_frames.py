"""Frames as tokens and back."""

import pytest
import torch

from sopo.nn.frames import FramesFromTokens, fold_frames

LENGTH = torch.tensor([7, 3])


def test_frames_come_back_in_their_order() -> None:
    x = torch.arange(2 * 7 * 3, dtype=torch.float64).view(2, 7, 3)
    tokens, count = fold_frames(x, LENGTH, 2)
    assert count.tolist() == [4, 2]
    head = FramesFromTokens(6, 3, per_token=2, window=1).double()
    with torch.no_grad():
        head.weight.copy_(torch.eye(6))
        head.bias.zero_()
        assert torch.equal(head.read(tokens, LENGTH, 7)[0], x[0])


@pytest.mark.parametrize(("window", "reach"), [(1, 0), (3, 1), (5, 2)])
def test_a_frame_hears_of_the_tokens_around_and_of_none_behind_the_end(window: int, reach: int) -> None:
    head = FramesFromTokens(4, 3, per_token=2, window=window).double()
    tokens = torch.randn(2, 4, 4, dtype=torch.float64, requires_grad=True)
    frames = head.read(tokens, LENGTH, 7)
    assert frames.shape == (2, 7, 3)
    (gradient,) = torch.autograd.grad(frames[:, 2].sum(), tokens)  # a frame of token 1
    heard = gradient.abs().sum(-1) > 0
    assert heard[0].tolist() == [abs(token - 1) <= reach for token in range(4)]
    assert heard[1].tolist() == [token < 2 and abs(token - 1) <= reach for token in range(4)]
