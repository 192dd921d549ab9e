"""What every family of generators offers; all that the objectives know of one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from sopo.batch import Batch, Caption, length_mask
from sopo.diffusion.process import Chain, Denoiser, Process
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError, answer_for
from sopo.motion.normalize import Normalizer
from sopo.motion.skeleton import Skeleton, skeleton_for_features
from sopo.nn.frames import frame_mean
from sopo.pretrained import Pretrained
from sopo.randomness import Draws
from sopo.text.encoder import TextEmbedding, TextEncoder


@dataclass(frozen=True)
class NoiseDraw:
    """What ``nll`` needs to be drawn: the same object goes to policy and reference (Sec. 4.4).

    step: [N], int64 steps of a diffusion or times of a flow. noise: like x.
    """

    step: Tensor
    noise: Tensor

    def rows(self, index: Tensor) -> NoiseDraw:
        return NoiseDraw(self.step[index], self.noise[index])

    def paired_with(self, other: NoiseDraw) -> NoiseDraw:
        """Own noise at the other's steps: the two sides of a pair are compared at one noise level."""
        return NoiseDraw(other.step, self.noise)


METHODS = ("embed", "encode", "decode", "sample", "places", "draw", "nll", "snr_weight", "training_loss")


class Generator(Pretrained):
    """A text-to-motion model pi(x | c), in its own space of x (features, latents or tokens).

    ``x`` is a tensor [N, ...] in that space. ``nll`` is the differentiable stand-in for -log pi(x | c), up to
    a constant that policy and reference share, so h(x, c) = nll_reference - nll_policy under one draw.
    name: what errors call one that is none of ours, as its user has named it.
    """

    normalizer: Normalizer
    text: TextEncoder
    name: str = ""
    loader: ClassVar[str] = "load_generator"
    padding: ClassVar[int] = 0  # of x, behind the places that a motion fills

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        answer_for(cls, METHODS)

    @property
    def skeleton(self) -> Skeleton:
        return skeleton_for_features(self.config.features)

    def embed(self, captions: Sequence[Caption]) -> TextEmbedding:
        """Captions as the conditions of ``sample`` and ``nll``, on the model's device."""
        if empty := [i for i, caption in enumerate(captions) if not caption.text.strip()]:
            raise UserError(f"caption {empty[0]} is empty: describe a motion, such as 'a person waves'")
        return self.text.encode([caption.text for caption in captions]).to(self.normalizer.mean.device)

    @abstractmethod
    def encode(self, batch: Batch) -> Tensor:
        """Real motions -> x [B, ...]; no gradient."""

    @abstractmethod
    def decode(self, x: Tensor, length: Tensor) -> Tensor:
        """x [N, ...] -> raw features [N, T, D], zero after ``length``; T is the longest length or more."""

    @abstractmethod
    def sample(
        self, condition: TextEmbedding, length: Tensor, frames: int, draws: Draws, sampling: Sampling, K: int
    ) -> Tensor:
        """K motions for each of B captions, a caption's together: x [B * K, ...]; no gradient.

        length: [B] frames of each motion. frames: what they are padded to, the same in every process.
        """

    def raw(self, batch: Batch) -> Tensor:
        """The batch's real motions as ``decode`` gives them: raw features [B, T, D], zero after their length."""
        return self.normalizer.denormalize(batch.motion) * batch.mask[..., None]

    def places(self, frames: int) -> int:
        """How many places along dimension 1 of x a motion of so many frames fills; here a place is a frame."""
        return frames

    @abstractmethod
    def draw(self, x: Tensor, draws: Draws, noisiest: float = 1.0) -> Any:
        """The random numbers one ``nll`` of x [B, ...] needs, at the noisiest share (0, 1] of its noise levels."""

    @abstractmethod
    def nll(self, x: Tensor, length: Tensor, condition: TextEmbedding, draw: Any) -> Tensor:
        """[N], differentiable: the denoiser's mean squared error, or the tokens' negative log-likelihood."""

    def snr_weight(self, draw: Any) -> Tensor:
        """omega_t of each sample's diffusion step, [N] (``Diffusion.snr_weight``); UserError where there are none."""
        raise UserError(f"weighting is 'snr': a {self.kind} has no diffusion steps to weigh, choose constant")

    @abstractmethod
    def training_loss(self, batch: Batch, draws: Draws) -> Tensor:
        """The family's own pre-training loss, scalar; conditions are dropped for guidance in train mode."""


class DiffusionGenerator(Generator):
    """A generator whose x is denoised step by step; for objectives that look into the chain."""

    diffusion: Process

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        answer_for(cls, ("shape", "denoiser", "mean_over", "chain"))

    @abstractmethod
    def shape(self, frames: int) -> tuple[int, ...]:
        """Of one x that holds a motion of so many frames."""

    @abstractmethod
    def denoiser(self, condition: TextEmbedding, length: Tensor, guidance: float, K: int = 1) -> Denoiser:
        """(x_t [B * K, ...], step [B * K]) -> the network's answer, guided, like x_t; differentiable.

        condition, length: of B captions, each asked for K motions, a caption's together.
        """

    @abstractmethod
    def mean_over(self, values: Tensor, length: Tensor) -> Tensor:
        """[N, ...] like x -> [N], the mean over what a motion of that length fills; 0 where it fills nothing."""

    def chain(self, sampling: Sampling) -> Chain:
        """The way that ``sample`` takes."""
        return self.diffusion.chain(sampling)

    @torch.no_grad()
    def sample(
        self,
        condition: TextEmbedding,
        length: Tensor,
        frames: int,
        draws: Draws,
        sampling: Sampling,
        K: int,
        visited: list[Tensor] | None = None,
    ) -> Tensor:
        """As every generator's; visited: gets x_t before each step of ``chain(sampling)``."""
        denoiser = self.denoiser(condition, length, sampling.guidance, K)

        def noise() -> Tensor:
            return draws.normal(K, *self.shape(frames)).flatten(0, 1)

        return self.diffusion.follow(denoiser, noise, self.chain(sampling), visited)

    def draw(self, x: Tensor, draws: Draws, noisiest: float = 1.0) -> NoiseDraw:
        return NoiseDraw(self.diffusion.draw_steps(draws, noisiest), draws.normal(*x.shape[1:]))

    def snr_weight(self, draw: NoiseDraw) -> Tensor:
        return self.diffusion.snr_weight(draw.step)


class FeatureGenerator(DiffusionGenerator):
    """x is the features normalised by the dataset's statistics, [N, T, D]: a place is a frame."""

    def encode(self, batch: Batch) -> Tensor:
        # The batch carries the dataset's normalisation, which pre-training made the model's own.
        return batch.motion

    def decode(self, x: Tensor, length: Tensor) -> Tensor:
        return self.normalizer.denormalize(x) * length_mask(length, x.shape[1])[..., None]

    def shape(self, frames: int) -> tuple[int, ...]:
        return frames, self.config.features

    def mean_over(self, values: Tensor, length: Tensor) -> Tensor:
        return frame_mean(values, length)

    @abstractmethod
    def residual(self, x: Tensor, length: Tensor, condition: TextEmbedding, draw: NoiseDraw) -> Tensor:
        """[N, T, D], differentiable: what the network answers, less what would have been right."""

    def nll(self, x: Tensor, length: Tensor, condition: TextEmbedding, draw: NoiseDraw) -> Tensor:
        """The mean square of the residual over valid frames and features (Sec. 4.4)."""
        return frame_mean(self.residual(x, length, condition, draw).square(), length)
