"""What the matchers are trained on: batch and draws -> loss and its named parts."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sopo.batch import Batch, length_mask
from sopo.matching.guo import GuoMatcher, MovementDecoder
from sopo.matching.losses import false_negatives, info_nce, kl_normal, margin_contrastive
from sopo.matching.tmr import TMR
from sopo.motion.normalize import Normalizer
from sopo.randomness import Draws
from sopo.text import TextEmbedding

Loss = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class TMRWeights:
    """Weights of TMR's loss, as published but for ``same_text``.

    same_text: captions more alike than this, on (cos + 1) / 2, are no negatives. Published 0.8 on
    sentence vectors of mpnet; bags of hashed words that differ in the side alone reach 0.97.
    noise: scale of the latents' noise (``fact`` there); small models learn many times faster with 0.1.
    """

    recons: float = 1.0
    kl: float = 1e-5
    latent: float = 1e-5
    contrastive: float = 0.1
    temperature: float = 0.1
    same_text: float = 0.99
    noise: float = 1.0


class TMRObjective(nn.Module):
    """TMR's loss: reconstruct the motion from either modality, join the Gaussians, contrast the latents."""

    def __init__(self, model: TMR, statistics: Normalizer, weights: TMRWeights | None = None) -> None:
        """statistics: the dataset's, by which the batches are normalised; the model keeps its own."""
        super().__init__()
        self.model, self.weights = model, weights or TMRWeights()
        self.statistics = copy.deepcopy(statistics)  # goes to the device, where the data set's own stays

    def forward(self, batch: Batch, draws: Draws) -> Loss:
        raw = self.statistics.denormalize(batch.motion)
        motion = self.model.prepare(raw, batch.length, batch.motion.shape[1])
        text = self.model.embed_words(batch.captions)
        noise = (draws.normal(self.model.config.width), draws.normal(self.model.config.width))
        ignore = false_negatives(text.pooled, self.weights.same_text)
        parts = self.parts(motion, batch.length, text, noise, ignore)
        loss = sum((getattr(self.weights, name) * part for name, part in parts.items()), motion.new_zeros(()))
        return loss, {name: part.detach() for name, part in parts.items()}

    def parts(
        self,
        motion: Tensor,
        length: Tensor,
        text: TextEmbedding,
        noise: tuple[Tensor, Tensor],
        ignore: Tensor,
    ) -> dict[str, Tensor]:
        """The four terms, unweighted.

        motion: as ``prepare`` gives it. noise: for texts and for motions, [B, E]. ignore: [B, B] bool.
        """
        gaussians = self.model.text_gaussian(text), self.model.motion_gaussian(motion, length)
        z_text, z_motion = (
            mean + self.weights.noise * eps * torch.exp(0.5 * logvar)
            for (mean, logvar), eps in zip(gaussians, noise, strict=True)
        )
        decoded = [self.model.decode(z, length, motion.shape[1]) for z in (z_text, z_motion)]
        prior = (torch.zeros_like(z_text), torch.zeros_like(z_text))
        from_text, from_motion = gaussians
        pairs = [(from_text, from_motion), (from_motion, from_text), (from_motion, prior), (from_text, prior)]
        return {
            # Means run over padding too, as published: both sides are zero there.
            "recons": torch.stack([F.smooth_l1_loss(out, motion) for out in decoded]).sum(),
            "kl": torch.stack([kl_normal(p, q) for p, q in pairs]).sum(),
            "latent": F.smooth_l1_loss(z_text, z_motion),
            "contrastive": info_nce(z_text, z_motion, self.weights.temperature, ignore),
        }


class MovementObjective(nn.Module):
    """Stage 1 of Guo et al.'s evaluator: the movement encoder as half of an autoencoder.

    L1 reconstruction, sparse and slowly changing latents (``DecompTrainerV3``, 72df96e). Published on
    windows of 24 frames; here on the valid frames of whole clips.
    """

    def __init__(self, model: GuoMatcher, statistics: Normalizer, regularisation: float = 1e-3) -> None:
        super().__init__()
        self.encoder, self.decoder = model.movement_encoder, MovementDecoder(model.config)
        self.statistics, self.own_statistics = copy.deepcopy(statistics), model.normalizer
        self.regularisation = regularisation

    def forward(self, batch: Batch, draws: Draws) -> Loss:
        motion = self.own_statistics.normalize(self.statistics.denormalize(batch.motion))
        motion = motion[:, : motion.shape[1] // 4 * 4]
        mask = length_mask(batch.length, motion.shape[1])
        motion = motion * mask[:, :, None]
        latent = self.encoder(motion)
        valid = length_mask(batch.length // 4, latent.shape[1])
        parts = {
            "recons": (self.decoder(latent) - motion).abs()[mask].mean(),
            "sparsity": latent.abs()[valid].mean(),
            "smoothness": latent.diff(dim=1).abs()[valid[:, 1:]].mean(),
        }
        loss = parts["recons"] + self.regularisation * (parts["sparsity"] + parts["smoothness"])
        return loss, {name: part.detach() for name, part in parts.items()}


class GuoObjective(nn.Module):
    """Stage 2: texts near their motions, away from others', with the movement encoder frozen.

    Published with one drawn negative a row (``TextMotionMatchTrainer``, 72df96e); here all rows with another
    caption are, without which a small evaluator hardly learns sides and tempi (docs/results-judges.md).
    """

    def __init__(self, model: GuoMatcher, statistics: Normalizer, margin: float = 10.0) -> None:
        super().__init__()
        self.model, self.statistics, self.margin = model, statistics, margin
        model.movement_encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> GuoObjective:
        super().train(mode)
        self.model.movement_encoder.eval()
        return self

    def forward(self, batch: Batch, draws: Draws) -> Loss:
        raw = self.statistics.denormalize(batch.motion)
        motion = self.model.prepare(raw, batch.length, batch.motion.shape[1])
        motions = self.model.encode_motions(motion, batch.length)
        texts = self.model.encode_captions(batch.captions)
        told = [caption.text for caption in batch.captions]
        same = torch.tensor([[one == other for other in told] for one in told], device=motions.device)
        positive, negative = margin_contrastive(texts, motions, same, self.margin)
        return positive + negative, {"positive": positive.detach(), "negative": negative.detach()}
