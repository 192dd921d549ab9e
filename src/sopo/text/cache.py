"""Embed once, keep: captions recur every epoch and every run, and the encoder is frozen."""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sopo.errors import UserError
from sopo.text.encoder import TextEmbedding, TextEncoder, pad_tokens
from sopo.weights import read_header

log = logging.getLogger(__name__)
CHUNK = 64  # texts per call of the wrapped encoder
SAVE_EVERY = 1024  # new texts; the rest is saved when the program ends
SUFFIX = ".safetensors"
Entry = tuple[Tensor, Tensor]  # tokens [L, E], pooled [E]


class CachedEncoder(TextEncoder):
    """A text encoder that computes each distinct text once: in memory, or in files that outlive the run.

    ``folder/NAME-VERSION`` holds a file for every so many new texts: their tokens in a row, lengths, pooled vectors and
    the SHA-256 of each text. Files appear whole, are never changed, and are mapped, not read into memory; so runs and
    processes may share the folder.
    """

    def __init__(self, encoder: TextEncoder, folder: Path | None = None) -> None:
        self.encoder, self.name, self.width = encoder, encoder.name, encoder.width
        self._parent, self._folder = folder, folder
        self._fresh: dict[bytes, Entry] = {}
        self._kept: dict[bytes, tuple[_File, int]] | None = None
        _LIVING.add(self)

    def __deepcopy__(self, memo: object) -> CachedEncoder:
        return self  # it never changes but in what it knows

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        keys = self._ensure(texts)
        entries = [self._entry(key) for key in keys]
        if len(self._fresh) >= SAVE_EVERY:
            self.save()
        length = torch.tensor([len(tokens) for tokens, _ in entries])
        tokens, mask = pad_tokens(torch.cat([tokens for tokens, _ in entries]), length)
        return TextEmbedding(tokens, mask, torch.stack([pooled for _, pooled in entries]))

    def prepare(self, texts: Sequence[str]) -> None:
        """Embed a whole corpus ahead of training and save it."""
        self._ensure(texts)
        self.save()

    def save(self) -> None:
        """Write what is not on disk yet."""
        if self._folder is None or not self._fresh:
            return
        path = _write(self._folder, self._fresh)
        self._fresh = {}
        self._known().update(_rows(path, self.width))

    def _known(self) -> dict[bytes, tuple[_File, int]]:
        """Where the texts on disk lie; looked up when a text is first asked for."""
        if self._kept is None:
            self._kept = {}
            if self._parent is not None:
                self._folder = self._parent / f"{self.name}-{self.encoder.version()}"
                for path in sorted(self._folder.glob(f"*{SUFFIX}")):
                    self._kept.update(_rows(path, self.width))
        return self._kept

    def _entry(self, key: bytes) -> Entry:
        if key in self._fresh:
            return self._fresh[key]
        file, row = self._known()[key]
        return file.entry(row)

    def _ensure(self, texts: Sequence[str]) -> list[bytes]:
        known = self._known()
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        pairs = zip(keys, texts, strict=True)
        missing = {key: text for key, text in pairs if key not in known and key not in self._fresh}
        for start in range(0, len(missing), CHUNK):
            part = dict(list(missing.items())[start : start + CHUNK])
            with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):  # it outlives what asks
                out = self.encoder.encode(list(part.values()))
            for row, key in enumerate(part):
                self._fresh[key] = (out.tokens[row][out.mask[row]].cpu(), out.pooled[row].cpu())
        return keys


class _File:
    """The tensors of one file, read row by row."""

    def __init__(self, path: Path, length: list[int]) -> None:
        self.stored = safe_open(path, "pt")
        self.tokens, self.pooled = self.stored.get_slice("tokens"), self.stored.get_slice("pooled")
        self.ends = torch.tensor(length).cumsum(0).tolist()

    def entry(self, row: int) -> Entry:
        return self.tokens[self.ends[row - 1] if row else 0 : self.ends[row]], self.pooled[row : row + 1][0]


def _rows(path: Path, width: int) -> dict[bytes, tuple[_File, int]]:
    """Text -> file and row; none, with a warning, of a damaged file."""
    try:
        shapes = {name: entry.shape for name, entry in read_header(path).items()}
        with safe_open(path, "pt") as stored:
            length: list[int] = stored.get_tensor("length").tolist()
            digests = stored.get_tensor("sha256")
        if shapes["tokens"] != (sum(length), width) or shapes["pooled"] != (len(length), width) or min(length) < 1:
            raise ValueError("its sizes do not fit together")
        keys = [bytes(row) for row in digests.reshape(len(length), 32).tolist()]
        file = _File(path, length)
    except (UserError, KeyError, ValueError, RuntimeError) as error:
        log.warning("%s: damaged cache of text embeddings, computed anew (%s)", path, error)
        return {}
    return {key: (file, row) for row, key in enumerate(keys)}


def _write(folder: Path, entries: dict[bytes, Entry]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        "tokens": torch.cat([tokens for tokens, _ in entries.values()]),
        "pooled": torch.stack([pooled for _, pooled in entries.values()]),
        "length": torch.tensor([len(tokens) for tokens, _ in entries.values()]),
        "sha256": torch.tensor([list(key) for key in entries], dtype=torch.uint8),
    }
    handle, staging = tempfile.mkstemp(prefix=".", dir=folder)
    os.close(handle)
    save_file(tensors, staging)
    whole = Path(staging).with_name(Path(staging).name[1:] + SUFFIX)
    Path(staging).replace(whole)
    return whole


_LIVING: weakref.WeakSet[CachedEncoder] = weakref.WeakSet()


@atexit.register
def _save_all() -> None:
    for cache in _LIVING:
        cache.save()
