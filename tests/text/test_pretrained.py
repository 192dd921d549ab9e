"""The published text models' face, on tiny random models of the same classes."""

import json
from pathlib import Path

import pytest
import torch

from sopo.errors import UserError
from sopo.text import text_encoder


def test_absent_weights_are_one_clear_line(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    encoder = text_encoder("distilbert", models=tmp_path)
    assert encoder.width == 768
    with pytest.raises(UserError, match="distilbert-base-uncased") as caught:
        encoder.encode(["walk"])
    assert "\n" not in str(caught.value)


def test_absent_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(UserError, match="pip install"):
        text_encoder("sentence-t5-large").encode(["walk"])


def test_distilbert_keeps_both_marks_and_ignores_padding(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "distilbert-base-uncased"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "walks"]))
    transformers.DistilBertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.DistilBertConfig(vocab_size=8, dim=16, hidden_dim=16, n_layers=2, n_heads=2)
    transformers.DistilBertModel(config).save_pretrained(folder)
    out = text_encoder("distilbert", models=tmp_path).encode(["a man walks", "man"])
    assert out.mask.sum(1).tolist() == [5, 3]
    alone = text_encoder("distilbert", models=tmp_path).encode(["man"])
    torch.testing.assert_close(out.tokens[1, :3], alone.tokens[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(out.pooled[1], alone.pooled[0], atol=1e-5, rtol=0)


def test_clip_is_cut_at_its_context(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "clip-vit-base-patch32"
    folder.mkdir()
    words = ["a</w>", "b</w>", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    config = transformers.CLIPTextConfig(
        vocab_size=4, hidden_size=16, intermediate_size=16, projection_dim=16, num_hidden_layers=1,
        num_attention_heads=2, bos_token_id=2, eos_token_id=3, pad_token_id=3,
    )  # fmt: skip
    transformers.CLIPTextModelWithProjection(config).save_pretrained(folder)
    out = text_encoder("clip-vit-b32-22", models=tmp_path).encode(["a " * 40, "a"])
    assert out.mask.sum(1).tolist() == [22, 3]
    alone = text_encoder("clip-vit-b32-22", models=tmp_path).encode(["a"])
    torch.testing.assert_close(out.pooled[1:], alone.pooled, atol=1e-5, rtol=0)
