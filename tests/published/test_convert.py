"""``sopo convert``: a checkpoint in each authors' format goes in, samples and metrics come out."""

from __future__ import annotations

import json
import pickle
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from released import random_weights, write_statistics
from torch import Tensor

from sopo.batch import as_captions
from sopo.cli.main import main
from sopo.diffusion.schedule import Sampling
from sopo.evaluation.metrics import fid, mm_dist, pool_distances, r_precision
from sopo.generators.generator import Generator
from sopo.pretrained import read_config
from sopo.randomness import Draws
from sopo.recipes.build import load_generator, load_matcher
from sopo.recipes.convert import SYSTEMS
from sopo.text.encoder import TextEmbedding

Manifest = Callable[[str], Any]
Refused = Callable[..., str]
SINGLE_FILES = [system for system in SYSTEMS if system != "momask"]
LENGTH = torch.tensor([40, 24])


def words(count: int, width: int) -> TextEmbedding:
    """What a text model of that width could have said about ``count`` captions."""
    return TextEmbedding(
        torch.randn(count, 5, width), torch.ones(count, 5, dtype=torch.bool), torch.randn(count, width)
    )


def draw(generator: Generator, steps: int = 2) -> Tensor:
    """Two raw motions by a few guided steps."""
    condition = words(2, generator.text.width)
    x = generator.sample(condition, LENGTH, 40, Draws(0, 2), Sampling("ddim", steps, 2.5), K=1)
    motions = generator.decode(x, LENGTH)
    assert motions.shape == (2, 40, generator.config.features) and motions.isfinite().all()
    assert not motions[1, 24:].any()
    return motions


def mdm_checkpoint(folder: Path, manifest: Manifest, name: str, **args: Any) -> Path:
    weights = random_weights(manifest("mdm/manifests.json")[name]["state_dict"])
    folder.mkdir()
    (folder / "args.json").write_text(json.dumps({"diffusion_steps": 50, "mask_frames": True} | args))
    averaged = {"model": {key: tensor + 1 for key, tensor in weights.items()}, "model_avg": weights}
    torch.save(averaged if args.get("use_ema") else weights, folder / "model000600000.pt")
    write_statistics(folder / "meta", weights["input_process.poseEmbedding.weight"].shape[1])
    return folder / "model000600000.pt"


@pytest.mark.parametrize(
    ("name", "args", "encoder"),
    [
        ("humanml_trans_enc_512_clip", {}, "clip-vit-b32-22"),
        ("humanml_trans_dec_512_bert", {"use_ema": True}, "distilbert"),
        ("kit_trans_enc_512_clip", {"diffusion_steps": 1000, "mask_frames": False}, "clip-vit-b32-22"),
    ],
)
def test_mdm(tmp_path: Path, manifest: Manifest, name: str, args: dict, encoder: str) -> None:
    path = mdm_checkpoint(tmp_path / "save", manifest, name, **args)
    dataset = name.partition("_")[0].replace("humanml", "humanml3d")
    main(["convert", "mdm", str(path), str(tmp_path / "out"), "--dataset", dataset])
    generator = load_generator(tmp_path / "out")
    assert generator.config.diffusion_steps == args.get("diffusion_steps", 50)
    assert generator.config.mask_frames == args.get("mask_frames", True)
    assert generator.text.name == encoder
    np.testing.assert_array_equal(generator.normalizer.std, np.load(tmp_path / "save" / "meta" / "std.npy"))
    np.testing.assert_array_equal(generator.normalizer.mean, np.load(tmp_path / "out" / "mean.npy"))
    own = torch.load(path, weights_only=True)
    own = own["model_avg"] if args.get("use_ema") else own
    torch.testing.assert_close(generator.state_dict()["predict.weight"], own["output_process.poseFinal.weight"])
    draw(generator)


def test_mdm_without_its_settings_needs_to_be_told(tmp_path: Path, manifest: Manifest, refused: Refused) -> None:
    path = mdm_checkpoint(tmp_path / "save", manifest, "kit_trans_enc_512_clip")
    (path.parent / "args.json").unlink()
    assert "--diffusion_steps" in refused("mdm", path, tmp_path / "out")
    main(["convert", "mdm", str(path), str(tmp_path / "out"), "--diffusion_steps", "1000", "--mask_frames", "false"])
    settings = read_config(tmp_path / "out")
    assert (settings["diffusion_steps"], settings["mask_frames"], settings["features"]) == (1000, False, 251)
    assert "exists" in refused("mdm", path, tmp_path / "out", "--diffusion_steps", "50", "--mask_frames", "true")


@pytest.mark.parametrize(
    ("system", "name", "encoder"),
    [
        ("mld", "mld/manifest_humanml3d", "clip-vit-l14"),
        ("mld", "mld/manifest_kit", "clip-vit-l14"),
        ("mld-star", "mld_star/manifest_humanml3d_v1", "sentence-t5-large"),
        ("mld-star", "mld_star/manifest_humanml3d_v2", "sentence-t5-large"),
    ],
)
def test_mld(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, system: str, name: str, encoder: str
) -> None:
    entries = manifest(f"{name}.json")
    tensors = random_weights(entries["vae"], "vae.") | random_weights(entries["denoiser"], "denoiser.")
    tensors["t2m_textencoder.hidden"] = torch.zeros(2)
    torch.save({"state_dict": tensors, "epoch": 1222}, tmp_path / "mld.ckpt")
    write_statistics(tmp_path, tensors["vae.skel_embedding.weight"].shape[1])
    main(["convert", system, str(tmp_path / "mld.ckpt"), str(tmp_path / "out")])
    generator = load_generator(tmp_path / "out")
    assert generator.text.name == encoder
    monkeypatch.setattr(generator.text, "encode", lambda texts: words(len(texts), 768))
    draw(generator)


def momask_folder(folder: Path, manifest: Manifest, dataset: str) -> Path:
    entries = manifest(f"momask/manifest_{dataset}.json")
    networks = [
        ("rvq_nq6_dc512_nc512", "net_best_fid.tar", "vq_model", "rvqvae"),
        ("t2m_nlayer8_nhead6", "latest.tar", "t2m_transformer", "mask_transformer"),
        ("tres_nlayer8_ld384", "net_best_fid.tar", "res_transformer", "residual_transformer"),
    ]
    for name, file, key, part in networks:
        (folder / name / "model").mkdir(parents=True)
        torch.save({key: random_weights(entries[part]), "ep": 3}, folder / name / "model" / file)
    write_statistics(folder / networks[0][0] / "meta", 263 if dataset == "t2m" else 251)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["t2m", "kit"])
def test_momask(tmp_path: Path, manifest: Manifest, refused: Refused, dataset: str) -> None:
    folder = momask_folder(tmp_path / dataset, manifest, dataset)
    main(["convert", "momask", str(folder), str(tmp_path / "out")])
    generator = load_generator(tmp_path / "out")
    assert generator.text.name == "clip-vit-b32"
    draw(generator)
    if dataset == "kit":
        assert "reads 251" in refused("momask", folder, tmp_path / "other", "--dataset", "humanml3d")
    residual = folder / "tres_nlayer8_ld384" / "model" / "net_best_fid.tar"
    torch.save({"res_transformer": {}, "opt": Trap(tmp_path / "executed")}, residual)
    assert "refused" in refused("momask", folder, tmp_path / "other")
    residual.unlink()
    assert "tres*" in refused("momask", folder, tmp_path / "other")


def glove(folder: Path) -> Path:
    known = ["sos", "eos", "unk", "person", "walk", "jump", "sit", "a"]
    folder.mkdir()
    np.save(folder / "our_vab_data.npy", np.random.default_rng(0).normal(size=(len(known), 300)).astype(np.float32))
    (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(known))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: row for row, word in enumerate(known)}))
    return folder


def finest(folder: Path, manifest: Manifest, dataset: str, legacy: bool = False) -> Path:
    """The evaluator's file with the states of its optimizers, as training leaves it."""
    entries = next(own for name, own in manifest("t2m_evaluator/manifests.json").items() if name.startswith(dataset))
    parts = ("movement_encoder", "text_encoder", "motion_encoder")
    tree: dict[str, Any] = {part: random_weights(entries[part]) for part in parts}
    tree |= {"opt_text_encoder": {"state": {}, "param_groups": [{"lr": 1e-4}]}, "epoch": 9, "iter": 1000}
    path = folder / "text_mot_match" / "model" / "finest.tar"
    path.parent.mkdir(parents=True)
    torch.save(tree, path, _use_new_zipfile_serialization=not legacy)
    write_statistics(folder / "meta", 263 if dataset == "t2m" else 251)
    return path


@pytest.mark.parametrize(("dataset", "legacy"), [("t2m", False), ("kit", True)])
def test_guo_and_the_metrics_by_it(tmp_path: Path, manifest: Manifest, dataset: str, legacy: bool) -> None:
    path = finest(tmp_path / dataset, manifest, dataset, legacy)
    meta = [f"--{name}={tmp_path / dataset / 'meta' / name}.npy" for name in ("mean", "std")]
    main(["convert", "guo", str(path), str(tmp_path / "out"), *meta, "--words", f"glove:{glove(tmp_path / 'glove')}"])
    matcher = load_matcher(tmp_path / "out")
    motions, length = torch.randn(32, 48, matcher.config.features), torch.full((32,), 44)
    real = matcher.embed_motions(motions, length).numpy()
    texts = matcher.embed_texts(as_captions(["a person walks", "a person jumps"] * 16)).numpy()
    distances = pool_distances(texts, real)
    assert real.shape == texts.shape == (32, 512)
    assert np.isfinite([*r_precision(distances), mm_dist(distances), fid(real, real[:16])]).all()


def tmr_run(folder: Path, manifest: Manifest) -> Path:
    entries = manifest("tmr/manifest_humanml3d.json")
    (folder / "last_weights").mkdir(parents=True)
    for part in ("motion_encoder", "text_encoder", "motion_decoder"):
        torch.save(random_weights(entries[part]), folder / "last_weights" / f"{part}.pt")
    return folder


def test_tmr_with_its_own_statistics(tmp_path: Path, shared: Path, manifest: Manifest) -> None:
    run = tmr_run(tmp_path / "run", manifest)
    published = np.load(shared / "parity" / "tmr" / "normalizer_stats.npz")
    for name in ("mean", "std"):  # TMR saves them as tensors
        torch.save(torch.from_numpy(published[f"tmr_humanml3d_{name}"]), tmp_path / f"{name}.pt")
    main(["convert", "tmr", str(run), str(tmp_path / "out")])
    matcher = load_matcher(tmp_path / "out")
    np.testing.assert_array_equal(matcher.normalizer.std, published["tmr_humanml3d_std"])
    motions, length = torch.randn(2, 40, 263), LENGTH
    found = matcher.embed_motions(motions, length)
    texts = matcher.text_gaussian(words(2, 768))[0]
    assert matcher.similarity(texts, found).shape == (2,) and found.isfinite().all()


def test_a_whole_lightning_file(tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of classes that are not here do no harm: they are never looked up."""
    run = tmr_run(tmp_path / "run", manifest)
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


# What must not get in -----------------------------------------------------------------------------------


@pytest.fixture
def evaluator(tmp_path: Path, manifest: Manifest) -> Path:
    return finest(tmp_path / "t2m", manifest, "t2m")


def test_another_data_set_is_named(tmp_path: Path, manifest: Manifest, evaluator: Path, refused: Refused) -> None:
    said = refused("guo", evaluator, tmp_path / "out", "--dataset", "kit")
    assert "reads 263 features, kit has 251" in said
    write_statistics(tmp_path / "other", 251)
    flags = [f"--{name}={tmp_path / 'other' / name}.npy" for name in ("mean", "std")]
    assert "shape [251]" in refused("guo", evaluator, tmp_path / "out", *flags)
    assert "both" in refused("guo", evaluator, tmp_path / "out", flags[0])


def test_statistics_are_needed(tmp_path: Path, evaluator: Path, refused: Refused) -> None:
    assert "--mean" in refused("guo", evaluator, tmp_path / "out")


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "absent", "list", "numbers"])
def test_damaged_files(tmp_path: Path, evaluator: Path, refused: Refused, damage: str) -> None:
    content = evaluator.read_bytes()
    if damage in ("truncated", "empty", "text"):
        evaluator.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "text": b"<html>"}[damage])
    elif damage == "absent":
        evaluator.unlink()
    else:
        torch.save([1, 2] if damage == "list" else {"movement_encoder": {"main": 3}}, evaluator)
    assert str(evaluator) in refused("guo", evaluator, tmp_path / "out")


@pytest.mark.parametrize("system", SINGLE_FILES)
def test_weights_of_another_system(tmp_path: Path, refused: Refused, system: str) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "w.pt")
    (tmp_path / "args.json").write_text("{}")
    assert "w.pt" in refused(system, tmp_path / "w.pt", tmp_path / "out")


def test_a_renamed_key(tmp_path: Path, evaluator: Path, refused: Refused) -> None:
    tree = torch.load(evaluator, weights_only=True)
    tree["motion_encoder"]["gru.bias"] = tree["motion_encoder"].pop("gru.bias_ih_l0")
    torch.save(tree, evaluator)
    flags = [f"--{name}={tmp_path / 't2m' / 'meta' / name}.npy" for name in ("mean", "std")]
    said = refused("guo", evaluator, tmp_path / "out", *flags)
    assert "missing ['motion_encoder.gru.bias_ih_l0']" in said and "unexpected ['motion_encoder.gru.bias']" in said


class Trap:
    """Loading its pickle the trusting way would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


class Hidden(Trap):
    """The same through a builtin that makes it look harmless."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"open({str(self.target)!r}, 'w')",))


@pytest.mark.parametrize("kind", [Trap, Hidden])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("system", SINGLE_FILES)
def test_a_hostile_file_is_never_executed(
    tmp_path: Path, refused: Refused, system: str, legacy: bool, kind: type[Trap]
) -> None:
    """Also not under a name that settings may have."""
    target = tmp_path / "executed"
    tree = {"state_dict": {"w": torch.zeros(1)}, "hyper_parameters": kind(target)}
    torch.save(tree, tmp_path / "bad.ckpt", _use_new_zipfile_serialization=not legacy)
    (tmp_path / "args.json").write_text("{}")
    said = refused(system, tmp_path / "bad.ckpt", tmp_path / "out")
    assert not target.exists()
    assert "bad.ckpt: refused" in said and ("touch" in said or "getattr" in said or "exec" in said)
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(kind(target)))
    assert "raw.pt" in refused(system, tmp_path / "raw.pt", tmp_path / "out")
    assert not target.exists()
