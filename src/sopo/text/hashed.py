"""The offline default: word vectors by hashing. Nothing to train or download, and no word is unknown."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sopo.text.encoder import TextEmbedding, TextEncoder, masked_mean, pad_tokens

# As fastText: long enough to tell "left" from "lift", short enough to join "walk" and "walks".
GRAMS = (3, 4, 5)
MAX_TOKENS = 40
MAX_WIDTH = 4096
WORD = re.compile(r"\w+(?:'\w+)*")


def hashed_words(name: str) -> HashedWords | None:
    """The vectors called ``hashed-WIDTH``, None for another name."""
    family, _, width = name.rpartition("-")
    fits = family == "hashed" and width.isdecimal() and len(width) <= 4 and 8 <= int(width) <= MAX_WIDTH
    return HashedWords(int(width)) if fits else None


def split_words(text: str) -> list[str]:
    """Lower-case words in order, at most 40; punctuation separates words and is dropped, "don't" stays whole.

    A text without any word gives [""], so that no text is without tokens.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()
    return WORD.findall(plain)[:MAX_TOKENS] or [""]


class HashedWords(TextEncoder):
    """Each word is the sum of fixed pseudo-random unit vectors of itself and of its character 3..5-grams.

    Related forms share n-grams and so lie near each other; unrelated words are nearly orthogonal. Word
    vectors have norm sqrt(E), the scale of a learned embedding. pooled: the mean, blind to word order.
    """

    def __init__(self, width: int = 256) -> None:
        self.width = width
        self.name = f"hashed-{width}"
        self._rows: dict[str, int] = {}
        self._table = torch.zeros(0, width)

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        words = [split_words(text) for text in texts]
        flat = self.vectors([word for line in words for word in line])
        tokens, mask = pad_tokens(flat, torch.tensor([len(line) for line in words], dtype=torch.int64))
        return TextEmbedding(tokens, mask, masked_mean(tokens, mask))

    def vectors(self, words: Sequence[str]) -> Tensor:
        """N lower-case words -> [N, E]."""
        if new := [word for word in dict.fromkeys(words) if word not in self._rows]:
            self._rows.update({word: len(self._rows) + i for i, word in enumerate(new)})
            fresh = torch.from_numpy(np.stack([self._word_vector(word) for word in new]))
            self._table = torch.cat([self._table, fresh])
        return self._table[torch.tensor([self._rows[word] for word in words], dtype=torch.int64)]

    def known(self, word: str) -> bool:
        """Every word has a vector here."""
        return True

    def _word_vector(self, word: str) -> np.ndarray:
        marked = f"<{word}>"
        grams = [marked[i : i + n] for n in GRAMS for i in range(len(marked) - n + 1)]
        # The whole word goes under a prefix of its own, so that it differs from an n-gram spelt alike.
        total = np.sum([_unit_vector(part, self.width) for part in [f"word:{word}", *grams]], axis=0)
        return (total * np.sqrt(self.width) / np.linalg.norm(total)).astype(np.float32)


def _unit_vector(text: str, width: int) -> np.ndarray:
    """A direction that only depends on ``text``: the bytes of an extendable hash, centred. [E] float64"""
    stretched = hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(width)
    centred = np.frombuffer(stretched, np.uint8) - 127.5
    return centred / np.linalg.norm(centred)
