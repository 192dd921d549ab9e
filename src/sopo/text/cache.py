"""Embed once, keep: captions recur every epoch, and the encoder is frozen."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from sopo.errors import UserError
from sopo.text.encoder import TextEmbedding, TextEncoder, pad_tokens
from sopo.weights import read_weights

log = logging.getLogger(__name__)
CHUNK = 64  # texts per call of the wrapped encoder
Entry = tuple[Tensor, Tensor]  # tokens [L, E], pooled [E]


class CachedEncoder(TextEncoder):
    """A text encoder that computes each distinct text once, in memory and, given a folder, on disk.

    The file ``NAME.safetensors`` holds tokens of all texts in a row, their lengths, pooled vectors and the
    SHA-256 of each text. It is replaced as a whole, so a reader never sees half of it.
    """

    def __init__(self, encoder: TextEncoder, folder: Path | None = None) -> None:
        self.encoder, self.name, self.width = encoder, encoder.name, encoder.width
        self.path = folder / f"{encoder.name}.safetensors" if folder else None
        self._entries: dict[bytes, Entry] = _read(self.path, self.width)
        self._saved = len(self._entries)

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        keys = self._ensure(texts)
        # Rewriting the file whenever it grew by a quarter keeps the total cost of writing linear.
        if len(self._entries) > max(self._saved * 5 // 4, self._saved + CHUNK):
            self.save()
        entries = [self._entries[key] for key in keys]
        length = torch.tensor([len(tokens) for tokens, _ in entries])
        tokens, mask = pad_tokens(torch.cat([tokens for tokens, _ in entries]), length)
        return TextEmbedding(tokens, mask, torch.stack([pooled for _, pooled in entries]))

    def prepare(self, texts: Sequence[str]) -> None:
        """Embed a whole corpus ahead of training and save it."""
        self._ensure(texts)
        self.save()

    def save(self) -> None:
        """Write what is known to disk, joined with what other processes have written meanwhile."""
        if self.path is None or len(self._entries) == self._saved:
            return
        self._entries = _read(self.path, self.width) | self._entries
        _write(self.path, self._entries)
        self._saved = len(self._entries)

    def _ensure(self, texts: Sequence[str]) -> list[bytes]:
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._entries}
        for start in range(0, len(missing), CHUNK):
            part = dict(list(missing.items())[start : start + CHUNK])
            with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):  # it outlives what asks
                out = self.encoder.encode(list(part.values()))
            for row, key in enumerate(part):
                self._entries[key] = (out.tokens[row][out.mask[row]].cpu(), out.pooled[row].cpu())
        return keys


def _read(path: Path | None, width: int) -> dict[bytes, Entry]:
    """The entries of a cache file; none if it is absent, and none with a warning if it is damaged."""
    if path is None or not path.is_file():
        return {}
    try:
        stored = read_weights(path)
        length = stored["length"].tolist()
        tokens = stored["tokens"].reshape(sum(length), width).split(length)
        pooled = stored["pooled"].reshape(len(length), width)
        keys = [bytes(row) for row in stored["sha256"].reshape(len(length), 32).tolist()]
    except (UserError, KeyError, RuntimeError) as error:
        log.warning("%s: damaged cache of text embeddings, computed anew (%s)", path, error)
        return {}
    return dict(zip(keys, zip(tokens, pooled, strict=True), strict=True))


def _write(path: Path, entries: dict[bytes, Entry]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        "tokens": torch.cat([tokens for tokens, _ in entries.values()]),
        "pooled": torch.stack([pooled for _, pooled in entries.values()]),
        "length": torch.tensor([len(tokens) for tokens, _ in entries.values()]),
        "sha256": torch.tensor([list(key) for key in entries], dtype=torch.uint8),
    }
    handle, staging = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    save_file(tensors, staging)
    Path(staging).replace(path)
