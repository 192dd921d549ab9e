"""Small models in the files of their authors, random weights: the names and layouts that ``sopo convert`` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sopo.generators.length_estimator import LengthEstimator
from sopo.generators.mdm import MDM
from sopo.generators.mld import MLD
from sopo.generators.momask import MoMask
from sopo.generators.settings import (
    LengthEstimatorConfig,
    MDMConfig,
    MLDConfig,
    MoMaskConfig,
    MotionVAEConfig,
    RVQVAEConfig,
    TokenTransformerConfig,
)
from sopo.matching.guo import GuoMatcher
from sopo.matching.settings import GuoConfig, TMRConfig
from sopo.matching.tmr import TMR
from sopo.published import guo, mdm, mld, momask, tmr

Tensors = dict[str, Tensor]
SMALL = {"width": 16, "feedforward": 24, "layers": 1, "heads": 4}


def write_statistics(folder: Path, features: int, suffix: str = ".npy") -> None:
    """mean and std of features that are about a body's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in (("mean", 0.0), ("std", 1.0)):
        if suffix == ".pt":
            torch.save(torch.full((features,), value), folder / f"{name}.pt")
        else:
            np.save(folder / f"{name}.npy", np.full(features, value, dtype=np.float32))


def write_mdm(file: Path, features: int, steps: int) -> None:
    """MDM's weights, with args.json beside them."""
    model = MDM(MDMConfig(features=features, **SMALL, text_encoder="clip-vit-b32-22", diffusion_steps=steps))  # type: ignore[arg-type]
    weights = _renamed(model, {ours: theirs for theirs, ours in mdm.PREFIXES.items() if "Decoder" not in theirs})
    file.parent.mkdir(parents=True)
    torch.save(weights, file)
    (file.parent / "args.json").write_text(json.dumps({"diffusion_steps": steps, "mask_frames": True}))


def write_mld(file: Path, features: int, star: bool) -> None:
    """A Lightning file of MLD, or MLD*."""
    vae = MotionVAEConfig(features=features, **SMALL, latent_tokens=1, latent_width=16, max_positions=256)  # type: ignore[arg-type]
    text = "sentence-t5-large" if star else "clip-vit-l14"
    size = {**SMALL, "layers": 3}
    model = MLD(MLDConfig(vae, **size, text_encoder=text, step_width=8, max_positions=8))  # type: ignore[arg-type]
    renamed = _renamed(model, {ours: theirs for theirs, ours in mld.PREFIXES.items()})
    for key, tensor in renamed.items():
        if key.endswith(".pe"):
            renamed[key] = tensor[:, None]
        elif key == "denoiser.time_embedding.linear_1.weight":  # all cosines, then all sines
            sines, cosines = tensor.unflatten(1, (-1, 2)).unbind(2)
            renamed[key] = torch.cat([cosines, sines], 1)
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": renamed}, file)


def write_momask(folder: Path, features: int) -> None:
    """MoMask's folder of a data set: three networks, their settings, the length estimator."""
    rvq = RVQVAEConfig(features=features, width=12, code_dim=8, codes=16, quantizers=3, depth=1)
    part = TokenTransformerConfig(**SMALL)  # type: ignore[arg-type]
    model = MoMask(MoMaskConfig(rvq, part, part, text_encoder="clip-vit-b32"))
    names = {ours: re.sub(r"\\|\$", "", theirs) for theirs, ours in momask.TRANSFORMER.items()}
    lengths = LengthEstimator(LengthEstimatorConfig(512, 50))
    for name, file, key, weights in (
        ("rvq_small", "net_best_fid.tar", "vq_model", _rvq(model.rvq, rvq.down_t)),
        ("t2m_small", "latest.tar", "t2m_transformer", _renamed(model.masked, names)),
        ("tres_small", "net_best_fid.tar", "res_transformer", _renamed(model.residual, names)),
        ("length_estimator", "finest.tar", "estimator", lengths.state_dict()),
    ):
        (folder / name / "model").mkdir(parents=True)
        torch.save({key: dict(weights)}, folder / name / "model" / file)
        (folder / name / "opt.txt").write_text("n_heads: 4\n")
    write_statistics(folder / "rvq_small" / "meta", features)


def write_tmr(folder: Path) -> None:
    """TMR's run: three files of weights."""
    model = TMR(TMRConfig(text_encoder="distilbert", width=16, feedforward=24, layers=1, heads=4, frames_per_token=1))
    (folder / "last_weights").mkdir(parents=True)
    for part in tmr.PARTS:
        torch.save(getattr(model, part).state_dict(), folder / "last_weights" / f"{part}.pt")


def write_guo(folder: Path, features: int) -> None:
    """The evaluator's folder of a data set, with the statistics of its own."""
    model = GuoMatcher(GuoConfig(features, "hashed-300", 300, 20, 196, 8, 8, 8, 8, 8))
    file = folder / "text_mot_match" / "model" / "finest.tar"
    file.parent.mkdir(parents=True)
    torch.save({part: dict(getattr(model, part).state_dict()) for part in guo.PARTS}, file)
    write_statistics(folder / "Comp_v6_KLD01" / "meta", features)


def _renamed(model: nn.Module, names: Mapping[str, str]) -> Tensors:
    """The weights under the authors' names. names: our prefix -> theirs."""
    found: Tensors = {}
    for key, tensor in model.state_dict().items():
        if prefix := next((prefix for prefix in names if key.startswith(prefix)), None):
            found[names[prefix] + key.removeprefix(prefix)] = tensor.clone()
        else:
            assert "normalizer" in key or key.startswith("latents."), key
    return found


def _rvq(model: nn.Module, stages: int) -> Tensors:
    names = {
        r"(encoder|decoder)\.first\.": r"\1.model.0.",
        r"encoder\.last\.": f"encoder.model.{2 + stages}.",
        r"decoder\.middle\.": f"decoder.model.{2 + stages}.",
        r"decoder\.last\.": f"decoder.model.{4 + stages}.",
        r"(quantizer\.layers\.\d+)\.codes$": r"\1.codebook",
    }
    for i in range(stages):
        names |= {
            rf"encoder\.blocks\.{i}\.resample\.": f"encoder.model.{2 + i}.0.",
            rf"encoder\.blocks\.{i}\.residual\.": f"encoder.model.{2 + i}.1.model.",
            rf"decoder\.blocks\.{i}\.residual\.": f"decoder.model.{2 + i}.0.model.",
            rf"decoder\.blocks\.{i}\.resample\.": f"decoder.model.{2 + i}.2.",
        }
    found: Tensors = {}
    for key, tensor in model.state_dict().items():
        pattern = next((pattern for pattern in names if re.match(pattern, key)), None)
        if pattern:
            found[re.sub(f"^{pattern}", names[pattern], key)] = tensor.clone()
    return found
