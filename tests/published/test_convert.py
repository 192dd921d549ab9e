"""``sopo convert``: a checkpoint in each authors' format, at its full size, goes in; samples and metrics come out."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from recordings import Recordings
from released import Manifest, write_mdm, write_mld, write_momask, write_statistics, write_tmr

from sopo.batch import as_captions
from sopo.cli.main import main
from sopo.generators.length_estimator import LengthEstimator
from sopo.generators.momask import MoMask
from sopo.published.settings import Given
from sopo.recipes.build import load_generator, load_matcher
from sopo.recipes.convert import convert

Measured = Callable[..., dict[str, Any]]
METRICS = ("R@1", "R@2", "R@3", "MMDist", "FID", "Diversity")


def complete(row: dict[str, Any]) -> bool:
    return all(math.isfinite(row[metric]["mean"]) for metric in METRICS)


@pytest.mark.parametrize(
    ("name", "args", "encoder"),
    [
        ("humanml_trans_enc_512_clip", {}, "clip-vit-b32-22"),
        ("humanml_trans_dec_512_clip", {"emb_trans_dec": True}, "clip-vit-b32-22"),
        ("humanml_trans_dec_512_bert", {"use_ema": True}, "distilbert"),
        ("kit_trans_enc_512_clip", {"diffusion_steps": 1000, "mask_frames": False}, "clip-vit-b32-22"),
    ],
)
@pytest.mark.usefixtures("no_text_model")
def test_mdm(tmp_path: Path, manifest: Manifest, measured: Measured, name: str, args: dict, encoder: str) -> None:
    path = write_mdm(tmp_path / "save", manifest, name, **args)
    dataset = name.partition("_")[0].replace("humanml", "humanml3d")
    main(["convert", "mdm", str(path), str(tmp_path / "out"), "--dataset", dataset])
    generator = load_generator(tmp_path / "out")
    assert generator.config.diffusion_steps == args.get("diffusion_steps", 50)
    assert generator.config.mask_frames == args.get("mask_frames", True)
    assert generator.config.step_token == args.get("emb_trans_dec", False)
    assert generator.text.name == encoder
    for part in ("mean", "std"):
        given = np.load(tmp_path / "save" / "meta" / f"{part}.npy")
        np.testing.assert_array_equal(getattr(generator.normalizer, part), given)
        np.testing.assert_array_equal(np.load(tmp_path / "out" / f"{part}.npy"), given)
    own = torch.load(path, weights_only=True)
    own = own["model_avg"] if args.get("use_ema") else own
    torch.testing.assert_close(generator.state_dict()["predict.weight"], own["output_process.poseFinal.weight"])
    assert complete(measured(dataset, "--generator", str(tmp_path / "out")))


def test_mdm_of_older_code(tmp_path: Path, manifest: Manifest) -> None:
    path = write_mdm(tmp_path / "save", manifest, "humanml_trans_dec_512_clip", emb_trans_dec=True)
    main(["convert", "mdm", str(path), str(tmp_path / "out"), "--text_in_step_token", "true"])
    config = load_generator(tmp_path / "out").config
    assert (config.step_token, config.text_in_step_token) == (True, True)


@pytest.mark.parametrize(
    ("system", "name", "encoder"),
    [
        ("mld", "mld/manifest_humanml3d", "clip-vit-l14"),
        ("mld", "mld/manifest_kit", "clip-vit-l14"),
        ("mld-star", "mld_star/manifest_humanml3d_v1", "sentence-t5-large"),
        ("mld-star", "mld_star/manifest_humanml3d_v2", "sentence-t5-large"),
    ],
)
@pytest.mark.usefixtures("no_text_model")
def test_mld(tmp_path: Path, manifest: Manifest, measured: Measured, system: str, name: str, encoder: str) -> None:
    path = write_mld(tmp_path / "run", manifest, name)
    main(["convert", system, str(path), str(tmp_path / "out")])
    assert load_generator(tmp_path / "out").text.name == encoder
    dataset = "kit" if name.endswith("kit") else "humanml3d"
    assert complete(measured(dataset, "--generator", str(tmp_path / "out")))


@pytest.mark.parametrize(("dataset", "name"), [("humanml3d", "t2m"), ("kit", "kit")])
@pytest.mark.usefixtures("no_text_model")
def test_momask(tmp_path: Path, manifest: Manifest, measured: Measured, dataset: str, name: str) -> None:
    folder = write_momask(tmp_path / name, manifest, name)
    main(["convert", "momask", str(folder), str(tmp_path / "out"), "--dataset", dataset])
    generator = load_generator(tmp_path / "out")
    assert isinstance(generator, MoMask) and generator.text.name == "clip-vit-b32"
    assert complete(measured(dataset, "--generator", str(tmp_path / "out")))


@pytest.mark.usefixtures("no_text_model")
def test_momask_says_how_long_a_motion_is(tmp_path: Path, manifest: Manifest) -> None:
    out = convert("momask", write_momask(tmp_path / "kit", manifest, "kit", heads=4), tmp_path / "out", Given())
    config = load_generator(out).config
    assert (config.masked.heads, config.residual.heads) == (4, 4)
    estimator = LengthEstimator.from_pretrained(out / "lengths")
    with torch.no_grad():  # all but certain of its 12th class, 48 frames
        estimator.output[-1].bias[12] = 99.0
    estimator.save_pretrained(out / "lengths")
    flags = ["--generator", str(out), "--out", str(tmp_path), "--sampling.steps", "1"]
    main(["sample", "a person walks", *flags])
    assert len(np.load(tmp_path / "00_0.npy")) == 48
    main(["sample", "a person walks", *flags, "--seconds", "1.6"])
    assert len(np.load(tmp_path / "00_0.npy")) == 20


def test_momask_without_its_length_estimator(tmp_path: Path, manifest: Manifest) -> None:
    folder = write_momask(tmp_path / "kit", manifest, "kit")
    (folder / "length_estimator" / "model" / "finest.tar").unlink()
    (folder / "t2m_nlayer8_nhead6" / "opt.txt").unlink()
    out = convert("momask", folder, tmp_path / "out", Given())
    assert load_generator(out).config.masked.heads == 6 and not (out / "lengths").exists()


@pytest.mark.parametrize("dataset", ["humanml3d", "kit"])
def test_guo(worlds: dict[str, tuple[Path, Path]], measured: Measured, recordings: Recordings, dataset: str) -> None:
    data, folder = worlds[dataset]
    matcher = load_matcher(folder)
    given = recordings.array(f"t2m_evaluator/evaluator_{dataset.replace('humanml3d', 't2m')}_std.npy")
    np.testing.assert_array_equal(matcher.normalizer.std, given.astype(np.float32))
    texts = matcher.embed_texts(as_captions(["a person walks", "a person jumps"]))
    assert texts.shape == (2, 512) and not torch.equal(texts[0], texts[1])
    how = ["--motions", str(data / "new_joint_vecs"), "--motions_are", "raw"]  # random numbers, no bodies
    assert complete(measured(dataset, *how))


@pytest.mark.usefixtures("no_text_model")
def test_tmr(tmp_path: Path, recordings: Recordings, manifest: Manifest, measured: Measured) -> None:
    run = write_tmr(tmp_path / "run", manifest)
    published = recordings.arrays("tmr/normalizer_stats.npz")
    for name in ("mean", "std"):  # TMR saves them as tensors
        torch.save(torch.from_numpy(published[f"tmr_humanml3d_{name}"]), tmp_path / f"{name}.pt")
    main(["convert", "tmr", str(run), str(tmp_path / "out")])
    matcher = load_matcher(tmp_path / "out")
    np.testing.assert_array_equal(matcher.normalizer.std, published["tmr_humanml3d_std"])
    mdm = write_mdm(tmp_path / "save", manifest, "humanml_trans_enc_512_clip")
    convert("mdm", mdm, tmp_path / "mdm", Given())
    assert complete(measured("humanml3d", "--generator", str(tmp_path / "mdm"), evaluator=tmp_path / "out"))


def test_a_whole_lightning_file(tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of classes that are not here do no harm: they are never looked up."""
    run = write_tmr(tmp_path / "run", manifest)
    tensors = {
        f"{file.stem}.{key}": tensor
        for file in sorted((run / "last_weights").iterdir())
        for key, tensor in torch.load(file, weights_only=True).items()
    }
    as_if_from(monkeypatch, "omegaconf", DictConfig)
    as_if_from(monkeypatch, "pytorch_lightning", AttributeDict)
    settings = AttributeDict(cfg=DictConfig(), lr=1e-4)
    torch.save({"state_dict": tensors, "hyper_parameters": settings, "epoch": 3}, tmp_path / "last.ckpt")
    monkeypatch.undo()
    write_statistics(tmp_path, 263)
    main(["convert", "tmr", str(tmp_path / "last.ckpt"), str(tmp_path / "out")])
    assert load_matcher(tmp_path / "out").config.width == 256


class DictConfig:
    """Saved under the name of a class of omegaconf."""

    def __init__(self) -> None:
        self.content = {"lr": 1e-4, "path": Path("/somewhere"), "kind": dict, "cache": defaultdict(dict)}


class AttributeDict(dict):
    """Saved under the name of a class of Lightning."""


def as_if_from(monkeypatch: pytest.MonkeyPatch, package: str, kind: type) -> None:
    """While saving, ``kind`` passes for a class of ``package``, which is not installed."""
    module = ModuleType(package)
    setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, package, module)
    monkeypatch.setattr(kind, "__module__", package)
