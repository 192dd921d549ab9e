"""The published text models' face, on tiny random models of the same classes; where a model is looked for."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from second_device import NAME, second_device

from sopo.device import choose_device
from sopo.errors import UserError
from sopo.text import TextEncoder, choose_text_places, text_encoder
from sopo.text import hub as places


@pytest.fixture(autouse=True)
def models(tmp_path: Path) -> Iterator[Path]:
    choose_text_places(tmp_path / "models", tmp_path / "cache")
    yield tmp_path / "models"
    choose_text_places()


@pytest.fixture
def nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder is given, the hub's cache is empty, there is no network."""
    choose_text_places(cache=tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def offline(self: object, repo: str) -> list[str]:
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_files", offline)


def distilbert(models: Path, seed: int = 0) -> Path:
    """A tiny one on disk."""
    transformers = pytest.importorskip("transformers")
    folder = models / "distilbert-base-uncased"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "walks"]))
    transformers.DistilBertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.DistilBertConfig(vocab_size=8, dim=768, hidden_dim=16, n_layers=1, n_heads=2)
    torch.manual_seed(seed)
    transformers.DistilBertModel(config).save_pretrained(folder)
    return folder


def anew(name: str, tmp_path: Path) -> TextEncoder:
    """An encoder as another run makes it."""
    choose_text_places(tmp_path / "models", tmp_path / "other cache")
    return text_encoder(name)


@pytest.mark.parametrize("name", ["distilbert", "clip-vit-l14", "sentence-t5-large"])
def test_absent_weights_are_one_line_with_the_command_that_gets_them(models: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"hf download \S+/\S+ --local-dir {models}/\S+$"):
        text_encoder(name).encode(["walk"])


def test_without_folder_cache_and_network_the_command_is_named(nothing_cached: None) -> None:
    with pytest.raises(UserError, match=r"no network.*hf download distilbert/distilbert-base-uncased --local-dir DIR"):
        text_encoder("distilbert").encode(["walk"])


def test_the_hub_s_cache_is_read_without_asking_the_hub(
    nothing_cached: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda hub, local_files_only: str(snapshot))
    with pytest.raises(UserError, match="no network"):  # settings alone are no model
        places.model_folder("org/name")
    (snapshot / "pytorch_model.bin").touch()
    assert places.model_folder("org/name") == snapshot


def test_each_part_s_weights_are_fetched_in_one_form() -> None:
    files = ["model.safetensors", "pytorch_model.bin", "2_Dense/pytorch_model.bin", "onnx/a/pytorch_model.bin", "x.h5"]
    assert places._wanted(files)[3:] == ["model.safetensors", "2_Dense/pytorch_model.bin"]


def test_absent_package_is_named(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    (models / "sentence-t5-large").mkdir(parents=True)
    (models / "sentence-t5-large" / "model.safetensors").touch()
    with pytest.raises(UserError, match="pip install"):
        text_encoder("sentence-t5-large").encode(["walk"])


def test_distilbert_keeps_both_marks_and_ignores_padding(models: Path, tmp_path: Path) -> None:
    distilbert(models)
    out = text_encoder("distilbert").encode(["a man walks", "man"])
    assert out.mask.sum(1).tolist() == [5, 3]
    alone = anew("distilbert", tmp_path).encode(["man"])
    torch.testing.assert_close(out.tokens[1, :3], alone.tokens[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(out.pooled[1], alone.pooled[0], atol=1e-5, rtol=0)


def test_a_text_model_runs_on_the_device_and_its_vectors_come_back(models: Path, tmp_path: Path) -> None:
    distilbert(models)
    here = text_encoder("distilbert").encode(["a man walks", "man"])
    with pytest.MonkeyPatch.context() as patch, second_device(patch) as counting:
        choose_device(NAME)
        there = anew("distilbert", tmp_path).encode(["a man walks", "man"])
    assert counting.work["there"] > 3 and not counting.work["cpu"]
    torch.testing.assert_close(there.tokens, here.tokens, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(there.pooled, here.pooled, atol=1e-5, rtol=1e-5)


def test_weights_of_a_bin_are_read_and_nothing_in_it_is_run(models: Path, tmp_path: Path) -> None:
    folder = distilbert(models)
    before = text_encoder("distilbert").encode(["a man"])
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    torch.testing.assert_close(anew("distilbert", tmp_path).encode(["a man"]).pooled, before.pooled)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(print))
    choose_text_places(models, tmp_path / "third cache")
    with pytest.raises(UserError, match="not a usable distilbert"):
        text_encoder("distilbert").encode(["a man"])


def test_other_weights_in_the_folder_are_another_version(models: Path, tmp_path: Path) -> None:
    distilbert(models)
    first = text_encoder("distilbert")
    first.prepare(["a man walks"])
    distilbert(models, seed=1)
    choose_text_places(models, tmp_path / "cache" / "")
    from sopo.text.cache import CachedEncoder
    from sopo.text.pretrained import PretrainedEncoder

    second = CachedEncoder(PretrainedEncoder("distilbert", models), tmp_path / "cache")
    assert not torch.allclose(first.encode(["a man walks"]).pooled, second.encode(["a man walks"]).pooled)


def test_clip_is_cut_at_its_context(models: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = models / "clip-vit-base-patch32"
    folder.mkdir(parents=True)
    words = ["a</w>", "b</w>", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    config = transformers.CLIPTextConfig(
        vocab_size=4, hidden_size=512, intermediate_size=16, projection_dim=512, num_hidden_layers=1,
        num_attention_heads=2, bos_token_id=2, eos_token_id=3, pad_token_id=3,
    )  # fmt: skip
    transformers.CLIPTextModelWithProjection(config).save_pretrained(folder)
    out = text_encoder("clip-vit-b32-22").encode(["a " * 40, "a"])
    assert out.mask.sum(1).tolist() == [22, 3]
    alone = anew("clip-vit-b32-22", tmp_path).encode(["a"])
    torch.testing.assert_close(out.pooled[1:], alone.pooled, atol=1e-5, rtol=0)
