"""The evaluator of Guo et al. (CVPR 2022): movements, then two BiGRUs into one Euclidean space."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from sopo.batch import Caption
from sopo.errors import UserError
from sopo.matching.matcher import Matcher
from sopo.matching.settings import CONTACTS, GuoConfig
from sopo.matching.words import CLASSES, WordVectors, read_words, word_vectors
from sopo.motion.normalize import Normalizer

UNIT = 4  # frames per movement


PUBLISHED = {  # replace ``words`` by "glove:FOLDER" of the user's copy
    "guo-humanml3d": GuoConfig(263, "glove:glove", 300, 20, 196, 512, 512, 1024, 512, 512),
    "guo-kit": GuoConfig(251, "glove:glove", 300, 20, 196, 512, 512, 1024, 512, 512),
}


class GuoMatcher(Matcher):
    """Motions and captions as points whose Euclidean distance tells how badly they match.

    State-dict names are the published ones (``movement_``, ``motion_``, ``text_encoder.*``).
    The word vectors are read on first use.
    """

    Config, kind, loader = GuoConfig, "guo", "load_evaluator"
    config: GuoConfig

    def __init__(self, config: GuoConfig) -> None:
        super().__init__()
        self.config = config
        self.movement_encoder = MovementEncoder(config)
        self.motion_encoder = BiGRU(config.movement, config.motion_hidden, config.width)
        self.text_encoder = WordBiGRU(config.word_width, config.text_hidden, config.width)
        self.normalizer = Normalizer(torch.zeros(config.features), torch.ones(config.features))

    @cached_property
    def words(self) -> WordVectors:
        words = word_vectors(self.config.words)
        if words.width != self.config.word_width:
            raise UserError(f"{self.config.words} has {words.width} columns, the model reads {self.config.word_width}")
        return words

    def frames_for(self, longest: int) -> int:
        """The last movement looks past the clip's end, onto zeros up to ``max_frames``, as published."""
        if longest > self.config.max_frames:
            raise UserError(f"a motion of {longest} frames: this matcher reads at most {self.config.max_frames}")
        return min(-(-longest // UNIT) * UNIT + UNIT, self.config.max_frames)

    def encode_motions(self, motion: Tensor, length: Tensor) -> Tensor:
        if int(length.min()) < UNIT:
            raise UserError(f"a motion of {int(length.min())} frames: this matcher needs at least {UNIT}")
        return self.motion_encoder(self.movement_encoder(motion), length // UNIT)

    def encode_captions(self, captions: Sequence[Caption]) -> Tensor:
        rows = [read_words(caption, self.words.known, self.config.max_words) for caption in captions]
        vectors = self.words.vectors([word for words, _, _ in rows for word in words])
        classes = torch.tensor([indices for _, indices, _ in rows], device=self.device)
        length = torch.tensor([count for _, _, count in rows])
        vectors = vectors.to(self.device).unflatten(0, classes.shape)
        return self.text_encoder(vectors, F.one_hot(classes, len(CLASSES)).to(vectors.dtype), length)

    def similarity(self, text: Tensor, motion: Tensor) -> Tensor:
        """Negative Euclidean distance, -inf..0."""
        return -(text - motion).norm(dim=-1)


class MovementEncoder(nn.Module):
    """Two strided convolutions: [B, T, D] -> [B, T // 4, movement]; the contacts are dropped."""

    def __init__(self, config: GuoConfig) -> None:
        super().__init__()
        hidden, out = config.movement_hidden, config.movement
        self.main = nn.Sequential(
            nn.Conv1d(config.features - CONTACTS, hidden, 4, 2, 1), nn.Dropout(0.2), nn.LeakyReLU(0.2),
            nn.Conv1d(hidden, out, 4, 2, 1), nn.Dropout(0.2), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.out_net = nn.Linear(out, out)

    def forward(self, motion: Tensor) -> Tensor:
        return self.out_net(self.main(motion[..., :-CONTACTS].transpose(1, 2)).transpose(1, 2))


class MovementDecoder(nn.Module):
    """The way back, for stage 1 of the training only: [B, T // 4, movement] -> [B, T, D]."""

    def __init__(self, config: GuoConfig) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose1d(config.movement, config.movement_hidden, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.ConvTranspose1d(config.movement_hidden, config.features, 4, 2, 1), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.out_net = nn.Linear(config.features, config.features)

    def forward(self, movement: Tensor) -> Tensor:
        return self.out_net(self.main(movement.transpose(1, 2)).transpose(1, 2))


class BiGRU(nn.Module):
    """A sequence's two last states -> one vector: x [B, L, features], length [B] -> [B, width]."""

    def __init__(self, features: int, hidden: int, width: int) -> None:
        super().__init__()
        self.input_emb = nn.Linear(features, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output_net = nn.Sequential(
            nn.Linear(2 * hidden, hidden), nn.LayerNorm(hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, width)
        )
        self.hidden = nn.Parameter(torch.randn(2, 1, hidden))

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.input_emb(x), length.cpu(), batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed, self.hidden.expand(-1, len(x), -1).contiguous())
        return self.output_net(torch.cat([last[0], last[1]], dim=-1))


class WordBiGRU(BiGRU):
    """The same on word vectors plus an embedding of their classes."""

    def __init__(self, features: int, hidden: int, width: int) -> None:
        super().__init__(features, hidden, width)
        self.pos_emb = nn.Linear(len(CLASSES), features)

    def forward(self, x: Tensor, classes: Tensor, length: Tensor) -> Tensor:  # type: ignore[override]
        """x [B, L, features], classes one-hot [B, L, 15], length [B] -> [B, width]."""
        return super().forward(x + self.pos_emb(classes), length)
