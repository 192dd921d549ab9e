"""One step of SoPo as people put it together from the published repositories: our own lines, their habits.

The k-th sample of all captions, then the next; every motion as long as the data set's longest; texts read again
wherever the published code reads them (MDM: at every call of the network, MLD: for every sample, MoMask: by either
transformer); scores of one motion at a time; four passes over all rows for the loss. The networks are the package's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from published_sizes import LONGEST
from torch import Tensor

from sopo.batch import Batch, Caption
from sopo.generators.generator import Generator
from sopo.generators.mdm import MDM
from sopo.generators.mld import MLD
from sopo.generators.momask import MoMask
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws
from sopo.rewards.learned import TMRReward


class Replayed(Draws):
    """The random numbers of the package's own step for this one's order and padding: the same numbers in other shapes.

    Sample ``k`` of every caption is asked for at a time there they are drawn for all K; rewind before each.
    """

    def __init__(self, draws: Draws, K: int, places: int) -> None:
        """places: that the package's x fills along dimension 1."""
        self.draws, self.K, self.places, self.device = draws, K, places, draws.device
        self.total, self.start, self.stop = draws.total, draws.start, draws.stop
        self.tape: list[Tensor] = []
        self.sample: int | None = None

    def rewind(self, sample: int | None) -> None:
        """From now on the k-th samples'; None: of the passes of the loss, which come after the samples."""
        self.sample, self.at = sample, 0

    def normal(self, *shape: int) -> Tensor:
        return self._next("normal", shape)

    def uniform(self, *shape: int) -> Tensor:
        return self._next("uniform", shape)

    def integers(self, high: int, *shape: int) -> Tensor:
        return self.draws.integers(high, *shape)

    def _next(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        if self.sample is None:
            drawn = getattr(self.draws, kind)(*[self.places, *shape[1:]][: len(shape)])
            return _filled(drawn, 1, shape[0]) if shape else drawn
        if self.at == len(self.tape):
            self.tape.append(getattr(self.draws, kind)(self.K, self.places, *shape[2:]))
        self.at += 1
        return _filled(self.tape[self.at - 1][:, self.sample : self.sample + 1], 2, shape[1])


def plain_step(
    policy: Generator,
    reference: Generator,
    reward: TMRReward,
    batch: Batch,
    config: PreferenceConfig,
    tau: float,
    draws: Draws,
) -> Tensor:
    """Eq. 14 over the batch, scalar, with a gradient to ``policy``; texts are read by ``uncached`` models."""
    length, captions = batch.length, batch.captions
    motion = _filled(batch.motion, 1, LONGEST)
    noise = Replayed(draws, config.K, policy.places(batch.motion.shape[1]))
    with torch.no_grad():
        samples, scores, embeddings = [], [], []
        for k in range(config.K):
            noise.rewind(k)
            x = _sample(policy, captions, length, noise, config)
            score, embedding = _judge(reward, _decode(policy, x, length), length, captions)
            samples.append(x)
            scores.append(score)
            embeddings.append(embedding)
        score = torch.stack(scores, 1)
        real = _judge(reward, policy.normalizer.denormalize(motion), length, captions)[1]
        similarity = F.cosine_similarity(real[:, None], torch.stack(embeddings, 1), dim=-1).amin(1)
        x_w = policy.encode(replace(batch, motion=motion))
        x_l = torch.stack(samples, 1)[torch.arange(len(batch), device=x_w.device), score.argmin(1)]
        noise.rewind(None)
        draw_w = policy.draw(x_w, noise, config.noisiest)
        draw_l = policy.draw(x_l, noise, config.noisiest).paired_with(draw_w)
        reference_w, reference_l = (
            _nll(reference, x, length, captions, draw) for x, draw in ((x_w, draw_w), (x_l, draw_l))
        )
    h_w = reference_w - _nll(policy, x_w, length, captions, draw_w)
    h_l = reference_l - _nll(policy, x_l, length, captions, draw_l)
    beta_w = config.beta * (config.C - similarity)
    counts = (score.amin(1) < tau).to(h_l.dtype)
    return -F.logsigmoid(config.scale * (beta_w * h_w - config.beta * counts * h_l)).mean()


def _sample(
    policy: Generator, captions: Sequence[Caption], length: Tensor, noise: Draws, config: PreferenceConfig
) -> Tensor:
    """A sample of each caption; ``embed`` is the first reading of the texts."""
    condition = policy.embed(captions)
    with ExitStack() as undo:
        if isinstance(policy, MDM):
            undo.enter_context(_reading(policy, "denoise", captions, policy, first=False))
        elif isinstance(policy, MoMask):
            undo.enter_context(_reading(policy.residual, "generate", captions, policy, first=True))
        return policy.sample(condition, length, LONGEST, noise, config.rollout, 1)


@contextmanager
def _reading(owner: Any, name: str, captions: Sequence[Caption], policy: Generator, first: bool) -> Iterator[None]:
    """Calls of ``owner.name`` read the captions; first: the first one too."""
    network, calls = getattr(owner, name), 0

    def reading(*arguments: Any) -> Any:
        nonlocal calls
        if calls or first:
            policy.embed(captions)
        calls += 1
        return network(*arguments)

    setattr(owner, name, reading)
    try:
        yield
    finally:
        delattr(owner, name)


def _decode(policy: Generator, x: Tensor, length: Tensor) -> Tensor:
    if not isinstance(policy, MLD):  # as long as x is
        return policy.decode(x, length)
    latents = policy.latents.denormalize(x.flatten(1)).view_as(x)
    return policy.normalizer.denormalize(policy.vae.decode(latents, length, LONGEST))


def _nll(model: Generator, x: Tensor, length: Tensor, captions: Sequence[Caption], draw: Any) -> Tensor:
    if isinstance(model, MoMask):  # its second transformer reads them too
        model.embed(captions)
    return model.nll(x, length, model.embed(captions), draw)


def _judge(reward: TMRReward, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> tuple[Tensor, Tensor]:
    """Scores [B] and embeddings [B, E], of one motion at a time."""
    ones = [slice(row, row + 1) for row in range(len(length))]
    parts = [reward.score_and_embed(motions[one, : int(length[one])], length[one], captions[one]) for one in ones]
    return torch.cat([score for score, _ in parts]), torch.cat([embedding for _, embedding in parts])


def _filled(x: Tensor, dim: int, size: int) -> Tensor:
    """x with zeros behind it along a dimension."""
    shape = list(x.shape)
    shape[dim] = size - shape[dim]
    return torch.cat([x, x.new_zeros(shape)], dim)
