"""Frames: neighbours as one token, the cheapest way to make a short sequence of a long motion; the mean over them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sopo.batch import length_mask


def fold_frames(x: Tensor, length: Tensor, per_token: int) -> tuple[Tensor, Tensor]:
    """[N, T, D], length [N] frames -> tokens [N, ceil(T / p), p D] and how many of them are valid, [N].

    With p > 1 frames behind the end are zeroed: they must not reach the last token through its frames.
    """
    if per_token == 1:
        return x, length
    x = x * length_mask(length, x.shape[1])[..., None]
    x = F.pad(x, (0, 0, 0, -x.shape[1] % per_token))
    return x.reshape(len(x), x.shape[1] // per_token, -1), (length + per_token - 1) // per_token


class FramesFromTokens(nn.Linear):
    """The linear map from tokens to frames, p frames of a token.

    A token's frames are read from the ``window`` tokens around it, zero where there are none. From its own alone each
    token errs by itself, and the motion jumps from the last frame of one to the first of the next.
    """

    def __init__(self, width: int, features: int, per_token: int, window: int) -> None:
        super().__init__(width * window, features * per_token)
        self.per_token, self.window = per_token, window

    def read(self, tokens: Tensor, length: Tensor, frames: int) -> Tensor:
        """Tokens [N, n, W], length [N] in frames -> [N, frames, D]; n p >= frames."""
        count = tokens.shape[1]
        if self.window > 1:
            valid = length_mask((length + self.per_token - 1) // self.per_token, count)
            side = self.window // 2
            padded = F.pad(tokens * valid[..., None], (0, 0, side, side))
            tokens = torch.cat([padded[:, i : i + count] for i in range(self.window)], dim=-1)
        return self(tokens).reshape(len(tokens), count * self.per_token, -1)[:, :frames]


def frame_mean(values: Tensor, length: Tensor) -> Tensor:
    """Mean of values [N, T, D] over valid frames and features: [N], 0 where none is valid."""
    valid = values * length_mask(length, values.shape[1])[..., None]
    return valid.sum((1, 2)) / (length.clamp(min=1) * values.shape[2])
