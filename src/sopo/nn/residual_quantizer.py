"""Residual vector quantisation: a vector as a sum of codes, one from each of several codebooks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sopo.nn.gumbel import gumbel
from sopo.randomness import Draws

DECAY = 0.99  # of the codebooks' averages
TEMPERATURE = 0.5  # of the choice of a code in training


class Codebook(nn.Module):
    """Codes that follow the vectors they stand for by moving averages, not by gradient.

    The averages are buffers beside the codes, so that a run goes on where it stopped.
    """

    moving_buffers = ("codes", "sum", "count")
    codes: Tensor
    sum: Tensor
    count: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.randn(size, width))
        self.register_buffer("sum", torch.zeros(size, width))
        self.register_buffer("count", torch.zeros(size))  # all 0 until the first batch

    def distance(self, x: Tensor) -> Tensor:
        """Squared, from x [..., W] to every code: [..., V]."""
        products = x @ self.codes.T
        return x.square().sum(-1, keepdim=True) - 2 * products + self.codes.square().sum(-1)

    @torch.no_grad()
    def start(self, fresh: Tensor) -> None:
        """Begin with vectors of the first batch, [V, W]."""
        if not self.count.any():
            self.codes.copy_(fresh)
            self.sum.copy_(fresh)
            self.count.fill_(1)

    @torch.no_grad()
    def follow(self, x: Tensor, ids: Tensor, fresh: Tensor) -> None:
        """Move towards the vectors x [M, W] that chose ids [M]; codes seldom chosen become ``fresh`` [V, W]."""
        chosen = F.one_hot(ids, len(self.codes)).to(x.dtype)
        self.sum.lerp_(chosen.T @ x, 1 - DECAY)
        self.count.lerp_(chosen.sum(0), 1 - DECAY)
        alive = self.count[:, None] >= 1
        self.codes.copy_(torch.where(alive, self.sum / self.count[:, None], fresh))


class ResidualQuantizer(nn.Module):
    """``layers`` codebooks; each codes what the ones before left over (MoMask, ``models/vq/residual_vq.py``)."""

    def __init__(self, layers: int, codes: int, width: int, dropout: float) -> None:
        """dropout: the chance of a training motion to be coded by the first few layers alone."""
        super().__init__()
        self.layers = nn.ModuleList(Codebook(codes, width) for _ in range(layers))
        self.dropout = dropout

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """[..., W] -> ids [..., Q]."""
        ids = []
        for layer in self.layers:
            assert isinstance(layer, Codebook)
            ids.append(layer.distance(x).argmin(-1))
            x = x - layer.codes[ids[-1]]
        return torch.stack(ids, dim=-1)

    def decode(self, ids: Tensor) -> Tensor:
        """ids [..., q] of the first q <= Q layers -> [..., W]; an id of -1 adds nothing."""
        codes = torch.stack([layer.codes for layer in self.layers])  # type: ignore[misc]
        layer = torch.arange(ids.shape[-1], device=ids.device)
        return (codes[layer, ids.clamp(min=0)] * (ids >= 0)[..., None]).sum(-2)

    def quantize(self, x: Tensor, valid: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """A training pass over x [B, n, W], valid [B, n]: quantised, and the commitment loss, a scalar.

        The quantised passes its gradient on to x once for each layer, as the published one does; the codebooks
        move. Unlike there, motions draw on their own how many layers they get, not a batch as a whole.
        """
        last = torch.where(draws.uniform() < self.dropout, draws.integers(len(self.layers)), len(self.layers) - 1)
        residual, quantized = x, torch.zeros_like(x)
        error, used = x.new_zeros(()), x.new_zeros(())
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, Codebook)
            noise, order = draws.uniform(x.shape[1], len(layer.codes)), draws.uniform(x.shape[1])
            active = valid & (index <= last)[:, None]
            vectors = residual[active].detach()
            if not len(vectors):
                break
            shuffled = vectors[order[active].argsort()]
            fresh = shuffled[torch.arange(len(layer.codes), device=x.device) % len(vectors)]
            layer.start(fresh)
            with torch.no_grad():
                ids = (gumbel(noise) - layer.distance(residual) / TEMPERATURE).argmax(-1)
            codes = layer.codes[ids]
            layer.follow(vectors, ids[active], fresh)
            mask = active[..., None]
            error = error + ((residual - codes).square() * mask).sum()
            used = used + mask.sum() * x.shape[-1]
            quantized = quantized + (residual + (codes - residual).detach()) * mask
            residual = residual - codes * mask
        return quantized, error / used
