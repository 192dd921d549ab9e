"""Embeddings are computed once, and a damaged cache only costs time."""

import subprocess
import sys
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


def test_another_version_of_the_model_is_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CachedEncoder(Counting(), tmp_path).prepare(TEXTS)
    monkeypatch.setattr(Counting, "version", lambda self: "2")
    encoder = Counting()
    CachedEncoder(encoder, tmp_path).prepare(TEXTS)
    assert len(encoder.asked) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["counting-1", "counting-2"]


def test_two_writers_join_their_entries(tmp_path: Path) -> None:
    first, second = CachedEncoder(Counting(), tmp_path), CachedEncoder(Counting(), tmp_path)
    first.prepare(["walk"])
    second.prepare(["run"])
    encoder = Counting()
    CachedEncoder(encoder, tmp_path).encode(["walk", "run"])
    assert encoder.asked == []


def test_many_new_texts_are_saved_without_being_told(tmp_path: Path) -> None:
    cached, texts = CachedEncoder(Counting(), tmp_path), [f"step {i}" for i in range(1100)]
    before = cached.encode(texts)
    assert len(list((tmp_path / "counting-1").iterdir())) == 1
    assert same(cached.encode(texts), before)  # from the file
    cached.encode(["a few more"])
    assert len(list((tmp_path / "counting-1").iterdir())) == 1


def test_what_is_not_saved_yet_is_when_the_program_ends(tmp_path: Path) -> None:
    code = "cached = CachedEncoder(Counting(), Path(sys.argv[1])); cached.encode(TEXTS)"
    command = [sys.executable, "-c", f"from test_cache import *; {code}", str(tmp_path)]
    subprocess.run(command, check=True, cwd=Path(__file__).parent)
    encoder = Counting()
    CachedEncoder(encoder, tmp_path).encode(TEXTS)
    assert encoder.asked == []


@pytest.mark.parametrize("keep", [0, 4, 60, 0.5, 0.99])
def test_a_truncated_file_is_computed_anew(tmp_path: Path, keep: float, caplog: pytest.LogCaptureFixture) -> None:
    CachedEncoder(Counting(), tmp_path).prepare(TEXTS)
    (path,) = (tmp_path / "counting-1").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    encoder = Counting()
    cached = CachedEncoder(encoder, tmp_path)
    cached.prepare(TEXTS)
    assert "damaged cache" in caplog.text
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
