"""Checkpoints as their authors write them: every key and shape of the manifests, random weights, full size."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sopo.text.encoder import TextEmbedding

Entries = dict[str, dict[str, Any]]
Manifest = Callable[[str], Any]
WIDTH = {"humanml3d": 263, "t2m": 263, "kit": 251}


def words(count: int, width: int) -> TextEmbedding:
    """What a text model of that width could have said about ``count`` captions."""
    return TextEmbedding(
        torch.randn(count, 5, width), torch.ones(count, 5, dtype=torch.bool), torch.randn(count, width)
    )


def random_weights(entries: Entries, prefix: str = "") -> dict[str, Tensor]:
    """A tensor for each entry of a manifest, small enough for a deep network to stay finite."""
    return {prefix + key: torch.randn(entry["shape"]) * 0.02 for key, entry in entries.items()}


def write_statistics(folder: Path, features: int) -> None:
    """mean.npy and std.npy of a data set that does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "mean.npy", np.linspace(-1, 1, features, dtype=np.float32))
    np.save(folder / "std.npy", np.linspace(0.5, 2, features, dtype=np.float32))


def write_mdm(folder: Path, manifest: Manifest, name: str, **args: Any) -> Path:
    """MDM's run: the weights, with their average if it was trained so, and args.json."""
    weights = random_weights(manifest("mdm/manifests.json")[name]["state_dict"])
    folder.mkdir()
    (folder / "args.json").write_text(json.dumps({"diffusion_steps": 50, "mask_frames": True} | args))
    averaged = {"model": {key: tensor + 1 for key, tensor in weights.items()}, "model_avg": weights}
    torch.save(averaged if args.get("use_ema") else weights, folder / "model000600000.pt")
    write_statistics(folder / "meta", weights["input_process.poseEmbedding.weight"].shape[1])
    return folder / "model000600000.pt"


def write_mld(folder: Path, manifest: Manifest, name: str) -> Path:
    """A Lightning file of MLD or MLD*, with a part of the evaluator that it keeps inside."""
    entries = manifest(f"{name}.json")
    tensors = random_weights(entries["vae"], "vae.") | random_weights(entries["denoiser"], "denoiser.")
    tensors["t2m_textencoder.hidden"] = torch.zeros(2)
    write_statistics(folder, tensors["vae.skel_embedding.weight"].shape[1])
    torch.save({"state_dict": tensors, "epoch": 1222}, folder / "mld.ckpt")
    return folder / "mld.ckpt"


def write_momask(folder: Path, manifest: Manifest, dataset: str, heads: int = 6) -> Path:
    """MoMask's folder of a data set: three networks, their settings, and the length estimator."""
    entries = manifest(f"momask/manifest_{dataset}.json")
    networks = [
        ("rvq_nq6_dc512_nc512", "net_best_fid.tar", "vq_model", "rvqvae"),
        ("t2m_nlayer8_nhead6", "latest.tar", "t2m_transformer", "mask_transformer"),
        ("tres_nlayer8_ld384", "net_best_fid.tar", "res_transformer", "residual_transformer"),
        ("length_estimator", "finest.tar", "estimator", "length_estimator"),
    ]
    for name, file, key, part in networks:
        (folder / name / "model").mkdir(parents=True)
        torch.save({key: random_weights(entries[part]), "ep": 3}, folder / name / "model" / file)
        (folder / name / "opt.txt").write_text(f"------------ Options -------------\nn_heads: {heads}\nname: {name}\n")
    write_statistics(folder / networks[0][0] / "meta", WIDTH[dataset])
    return folder


def write_guo(folder: Path, manifest: Manifest, dataset: str, legacy: bool = False) -> Path:
    """The evaluator's file with the states of its optimizers, as training leaves it."""
    entries = next(own for name, own in manifest("t2m_evaluator/manifests.json").items() if name.startswith(dataset))
    parts = ("movement_encoder", "text_encoder", "motion_encoder")
    tree: dict[str, Any] = {part: random_weights(entries[part]) for part in parts}
    tree |= {"opt_text_encoder": {"state": {}, "param_groups": [{"lr": 1e-4}]}, "epoch": 9, "iter": 1000}
    path = folder / "text_mot_match" / "model" / "finest.tar"
    path.parent.mkdir(parents=True)
    torch.save(tree, path, _use_new_zipfile_serialization=not legacy)
    write_statistics(folder / "meta", WIDTH[dataset])
    return path


def write_glove(folder: Path) -> Path:
    """The evaluator's word vectors, a few of them."""
    known = ["sos", "eos", "unk", "person", "walk", "jump", "sit", "a"]
    folder.mkdir()
    np.save(folder / "our_vab_data.npy", np.random.default_rng(0).normal(size=(len(known), 300)).astype(np.float32))
    (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(known))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: row for row, word in enumerate(known)}))
    return folder


def write_tmr(folder: Path, manifest: Manifest) -> Path:
    """TMR's run: three files of weights."""
    entries = manifest("tmr/manifest_humanml3d.json")
    (folder / "last_weights").mkdir(parents=True)
    for part in ("motion_encoder", "text_encoder", "motion_decoder"):
        torch.save(random_weights(entries[part]), folder / "last_weights" / f"{part}.pt")
    return folder
