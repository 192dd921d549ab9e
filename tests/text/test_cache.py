"""Embeddings are computed once, and a damaged cache only costs time."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from sopo.text.cache import CachedEncoder
from sopo.text.encoder import TextEmbedding, TextEncoder
from sopo.text.hashed import HashedWords


class Counting(TextEncoder):
    """Hashed words that remember what they were asked for."""

    name, width = "counting", 8

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.inner = HashedWords(8)

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        self.asked += texts
        return self.inner.encode(texts)


TEXTS = ["a person walks", "a person walks", "she jumps over a box", "é’"]


def same(a: TextEmbedding, b: TextEmbedding) -> bool:
    return torch.equal(a.tokens, b.tokens) and torch.equal(a.mask, b.mask) and torch.equal(a.pooled, b.pooled)


def test_each_distinct_text_is_embedded_once() -> None:
    encoder = Counting()
    cached = CachedEncoder(encoder)
    plain = encoder.inner.encode(TEXTS)
    assert same(cached.encode(TEXTS), plain) and same(cached.encode(TEXTS), plain)
    assert encoder.asked == list(dict.fromkeys(TEXTS))


def test_the_next_process_reads_the_disk(tmp_path: Path) -> None:
    CachedEncoder(Counting(), tmp_path).prepare(TEXTS)
    encoder = Counting()
    assert same(CachedEncoder(encoder, tmp_path).encode(TEXTS), encoder.inner.encode(TEXTS))
    assert encoder.asked == []
    assert [path.name for path in tmp_path.iterdir()] == ["counting.safetensors"]


def test_two_writers_join_their_entries(tmp_path: Path) -> None:
    first, second = CachedEncoder(Counting(), tmp_path), CachedEncoder(Counting(), tmp_path)
    first.prepare(["walk"])
    second.prepare(["run"])
    encoder = Counting()
    CachedEncoder(encoder, tmp_path).encode(["walk", "run"])
    assert encoder.asked == []


def test_many_new_texts_are_saved_without_being_told(tmp_path: Path) -> None:
    CachedEncoder(Counting(), tmp_path).encode([f"step {i}" for i in range(100)])
    assert (tmp_path / "counting.safetensors").is_file()


@pytest.mark.parametrize("keep", [0, 4, 60, 0.5, 0.99])
def test_a_truncated_file_is_computed_anew(tmp_path: Path, keep: float, caplog: pytest.LogCaptureFixture) -> None:
    CachedEncoder(Counting(), tmp_path).prepare(TEXTS)
    path = tmp_path / "counting.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    encoder = Counting()
    cached = CachedEncoder(encoder, tmp_path)
    assert "damaged cache" in caplog.text
    cached.prepare(TEXTS)
    assert len(encoder.asked) == 3
    assert same(CachedEncoder(Counting(), tmp_path).encode(TEXTS), encoder.inner.encode(TEXTS))


def test_what_is_kept_is_never_of_a_lower_precision() -> None:
    class Layer(Counting):
        def encode(self, texts: Sequence[str]) -> TextEmbedding:
            out = super().encode(texts)
            return TextEmbedding(out.tokens @ torch.eye(8) / 3, out.mask, out.pooled @ torch.eye(8) / 3)

    exact = CachedEncoder(Layer()).encode(TEXTS)
    with torch.autocast("cpu", torch.bfloat16):
        assert same(CachedEncoder(Layer()).encode(TEXTS), exact)
