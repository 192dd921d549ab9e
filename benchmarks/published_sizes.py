"""The published systems at their published sizes, with random weights and text models that only cost what theirs do."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from sopo.batch import Batch, as_captions
from sopo.data.schedule import WINDOW
from sopo.generators.generator import Generator
from sopo.generators.mdm import MDM
from sopo.generators.mld import MLD
from sopo.generators.momask import MoMask
from sopo.generators.settings import (
    MDMConfig,
    MLDConfig,
    MoMaskConfig,
    MotionVAEConfig,
    RVQVAEConfig,
    TokenTransformerConfig,
)
from sopo.matching.tmr import PUBLISHED, TMR
from sopo.randomness import numpy_rng
from sopo.text.cache import CachedEncoder
from sopo.text.encoder import TextEmbedding, TextEncoder, masked_mean, pad_tokens
from sopo.text.hashed import HashedWords, split_words

LONGEST, FEATURES, BATCH = 196, 263, 64
FAMILIES = ("mdm", "mld-star", "momask")
# layers, width, feedforward, heads, places that the published code pads a text to (0: the longest text's)
TEXT_MODELS: dict[str, tuple[int, ...]] = {
    "mdm": (12, 512, 2048, 8, 77),  # CLIP ViT-B/32
    "momask": (12, 512, 2048, 8, 77),
    "mld-star": (24, 1024, 4096, 16, 0),  # sentence-T5-large
    "tmr": (6, 768, 3072, 12, 0),  # DistilBERT
}
TEMPLATES = (
    "a person walks {} steps forward",
    "someone waves with the left hand {} times and then turns around slowly",
)


class TextModel(TextEncoder):
    """Transformer layers of a published text model's size over hashed words; its vectors mean nothing."""

    places = 0  # that texts are padded to, which changes no vector

    def __init__(self, name: str, out: int, tiny: bool = False) -> None:
        layers, width, feedforward, heads, places = TEXT_MODELS[name]
        if tiny:
            layers, feedforward = 1, 24
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, 0.0, "gelu", batch_first=True)
        self.network = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).eval().requires_grad_(False)
        self.words, self.name, self.width, self.causal = HashedWords(width), f"random-{name}", out, places > 0

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        lines = [["<start>", *split_words(text), "<end>"] for text in texts]
        length = torch.tensor([len(line) for line in lines])
        tokens, mask = pad_tokens(self.words.vectors([word for line in lines for word in line]), length)
        tokens = tokens.to(next(self.network.parameters()).dtype)
        tokens = nn.functional.pad(tokens, (0, 0, 0, max(0, self.places - tokens.shape[1])))
        ignore = nn.functional.pad(~mask, (0, tokens.shape[1] - mask.shape[1]), value=True)
        device = next(self.network.parameters()).device
        order = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1]) if self.causal else None
        out = self.network(
            tokens.to(device),
            mask=None if order is None else order.to(device).isneginf(),
            src_key_padding_mask=ignore.to(device),
        )[:, : mask.shape[1]].cpu()
        out = out[..., : self.width] * mask[..., None]
        pooled = out[torch.arange(len(texts)), length - 1] if self.causal else masked_mean(out, mask)
        return TextEmbedding(out, mask, pooled)


def generator(family: str, tiny: bool = False) -> Generator:
    """One of FAMILIES with random weights, its text model behind the cache that all have."""
    small: dict[str, Any] = {"width": 16, "feedforward": 24, "layers": 1, "heads": 2} if tiny else {}
    made: Generator
    if family == "mdm":
        made = MDM(MDMConfig(**small, **({"diffusion_steps": 4} if tiny else {})))
    elif family == "mld-star":
        steps: dict[str, Any] = {"step_width": 8, "diffusion_steps": 8, "default_steps": 2} if tiny else {}
        vae = MotionVAEConfig(**small, **({"latent_width": 6} if tiny else {}))
        made = MLD(MLDConfig(vae, **small, **steps, text_encoder="sentence-t5-large"))
    else:
        part, rest = TokenTransformerConfig(**small), TokenTransformerConfig(**small, drop_condition=0.2)
        rvq = RVQVAEConfig(width=12, code_dim=6, codes=16, depth=1) if tiny else RVQVAEConfig()
        made = MoMask(MoMaskConfig(rvq, part, rest, default_steps=3 if tiny else 10))
    made.text = CachedEncoder(TextModel(family, made.text.width, tiny))
    return made.eval()


def tmr(tiny: bool = False) -> TMR:
    """TMR as published, likewise."""
    small: dict[str, Any] = {"width": 16, "feedforward": 24, "layers": 1, "heads": 2} if tiny else {}
    made = TMR(replace(PUBLISHED["tmr-humanml3d"], **small))
    made.embedder = CachedEncoder(TextModel("tmr", made.embedder.width, tiny))
    return made.eval()


def humanml3d_lengths(count: int, seed: int) -> np.ndarray:
    """Frames of ``count`` clips, multiples of 4 with a mean of 140: 28% at the cap of 196, the others even from 40."""
    rng = numpy_rng(seed, "lengths")
    return np.where(rng.random(count) < 0.28, LONGEST, 4 * rng.integers(10, 49, count))


def typical_batch(size: int, seed: int) -> Batch:
    """``size`` motions, evenly taken from a batch of BATCH as the loop cuts them from a window of clips.

    Of the batches of a window it is the one whose mean length is nearest to all clips'.
    """
    lengths = np.sort(humanml3d_lengths(WINDOW * BATCH, seed)).reshape(WINDOW, BATCH)
    nearest = lengths[np.abs(lengths.mean(1) - humanml3d_lengths(100_000, seed).mean()).argmin()]
    chosen = np.resize(nearest[((np.arange(min(size, BATCH)) + 0.5) * BATCH / min(size, BATCH)).astype(int)], size)
    rng = numpy_rng(seed, "motions")
    motion = torch.from_numpy(rng.standard_normal((size, int(chosen.max()), FEATURES))).to(torch.get_default_dtype())
    captions = as_captions([TEMPLATES[i % len(TEMPLATES)].format(i) for i in range(size)])
    batch = Batch(motion, torch.from_numpy(chosen.astype(np.int64)), captions, tuple(map(str, range(size))))
    return replace(batch, motion=motion * batch.mask[..., None])


def uncached(encoder: TextEncoder, name: str) -> TextEncoder:
    """The text model behind a cache, called as published code calls it: every time, and padded as there."""
    assert isinstance(encoder, CachedEncoder) and isinstance(encoder.encoder, TextModel)
    plain = copy.copy(encoder.encoder)
    plain.places = TEXT_MODELS[name][-1]
    return plain
