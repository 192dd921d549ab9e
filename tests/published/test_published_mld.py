"""Our MLD under released weights gives the numbers of the released code (MLD, MLD* v1 and v2)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from parity_table import parity, same_layout
from safetensors.torch import load_file
from torch import Tensor

from sopo.diffusion.schedule import Diffusion, Prediction, Sampling
from sopo.errors import UserError
from sopo.generators.generator import NoiseDraw
from sopo.generators.mld import MLD
from sopo.motion.normalize import Normalizer
from sopo.published.mld import mld_config_from_published, mld_from_published, rename_published_mld
from sopo.text.encoder import TextEmbedding
from sopo.text.hashed import HashedWords

ATOL = 1e-5
Numbers = dict[str, Tensor]
EACH = pytest.mark.parametrize(
    ("system", "variant"), [("mld", "L1"), ("mld", "L2"), ("mld_star", "v1"), ("mld_star", "v2")]
)


def numbers(shared: Path, system: str, name: str) -> Numbers:
    with np.load(shared / "parity" / system / f"{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files if file[key].dtype.kind != "U"}


@pytest.fixture
def tiny_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny models read text vectors of 24; nothing of the real encoders is needed."""
    monkeypatch.setattr("sopo.generators.mld.text_encoder", lambda name: HashedWords(24))


def tiny(shared: Path, system: str, variant: str) -> MLD:
    tensors: Numbers = {}
    for part in ("vae", "denoiser"):
        file = shared / "parity" / system / f"tiny_{part}_{variant}.safetensors"
        tensors |= {f"{part}.{key}": tensor for key, tensor in load_file(file).items()}
    config = mld_config_from_published(tensors, star=system == "mld_star")
    plain = Normalizer(torch.zeros(config.features), torch.ones(config.features))
    return mld_from_published(tensors, config, plain)


def pooled(vectors: Tensor) -> TextEmbedding:
    """Recorded [B, 1, E] vectors; the tokens play no part, so they are filled with what would show."""
    return TextEmbedding(
        torch.full((len(vectors), 3, 24), 9.0), torch.ones(len(vectors), 3, dtype=torch.bool), vectors[:, 0]
    )


def token_first(z: Tensor) -> Tensor:
    return z.transpose(0, 1)


@EACH
@pytest.mark.usefixtures("tiny_text")
@torch.no_grad()
def test_vae(shared: Path, system: str, variant: str) -> None:
    model, io = tiny(shared, system, variant), numbers(shared, system, f"tiny_vae_{variant}_io")
    name = f"{system}/tiny_vae_{variant}_io"
    mu, std = model.vae.encode(io["features"], io["lengths"])
    parity(name, mu, token_first(io["mu"]), ATOL)
    parity(name, std, token_first(io["std"]), ATOL)
    parity(name, 2 * std.log(), token_first(io["logvar"]), ATOL)
    latent = io["latent"] if system == "mld_star" else token_first(io["latent"])
    parity(name, mu + std * token_first(io["eps"]), latent, ATOL)
    for z, expected in ((mu, io["decoded_from_mu"]), (latent, io["decoded_from_latent"])):
        parity(name, model.vae.decode(z, io["lengths"], 20), expected, ATOL)


@EACH
@pytest.mark.usefixtures("tiny_text")
@torch.no_grad()
def test_denoiser(shared: Path, system: str, variant: str) -> None:
    model, io = tiny(shared, system, variant), numbers(shared, system, f"tiny_denoiser_{variant}_io")
    name = f"{system}/tiny_denoiser_{variant}_io"
    text = model.read(pooled(io["text_emb"]))
    parity(name, text, io["text_proj"].transpose(0, 1), ATOL)
    sines, cosines = model.embed_step.table[io["timesteps"]].unflatten(1, (-1, 2)).unbind(2)
    parity(f"{name}: sinusoid", torch.cat([cosines, sines], dim=1), io["time_proj"], ATOL)
    parity(name, model.embed_step(io["timesteps"]), io["time_embedding"], ATOL)
    parity(name, model.denoise(io["sample"], io["timesteps"], text), io["eps_pred"], ATOL)
    if "text_emb_3tok" in io:  # several vectors for a text: no release has them
        several = model.embed_text(io["text_emb_3tok"].relu())
        parity(name, model.denoise(io["sample"], io["timesteps"], several), io["eps_pred_3tok"], ATOL)
    step = io["cfg_timestep"].expand(2)
    without, with_text = (
        model.denoise(io["cfg_sample"], step, model.read(pooled(io[f"cfg_{side}_emb"]))) for side in ("uncond", "text")
    )
    parity(name, without, io["cfg_pred_uncond"], ATOL)
    parity(name, with_text, io["cfg_pred_text"], ATOL)
    guided = without + io["cfg_scale"] * (with_text - without)
    parity(f"{name}: guided", guided, io["cfg_pred_guided"], 2e-5)


@EACH
@pytest.mark.usefixtures("tiny_text")
def test_error_is_the_published_loss_of_each_sample(shared: Path, system: str, variant: str) -> None:
    if variant == "L2":
        pytest.skip("no training step was recorded for two tokens")
    model, io = tiny(shared, system, variant), numbers(shared, system, f"train_step_{variant}")
    name, step, text = f"{system}/train_step_{variant}", io["timesteps"].long(), model.read(pooled(io["text_emb"]))
    latent = io["latent"] if system == "mld_star" else token_first(io["latent_seq_first"])
    noisy = model.diffusion.add_noise(latent, io["noise"], step)
    said = model.denoise(noisy, step, text)
    level = model.diffusion.alpha_bar[step].float()[:, None, None]
    ours = {"noisy": noisy, "noise_pred": said, "x0_pred": (noisy - (1 - level).sqrt() * said) / level.sqrt()}
    for key in ours.keys() & io.keys():
        parity(name, ours[key], io[key], ATOL)
    error = model.error(latent, NoiseDraw(step, io["noise"]), text)
    parity(f"{name}: loss", error, io["mse_per_sample"], ATOL)
    parity(f"{name}: loss", error.mean(), io["mse"], ATOL)


class Recorded:
    """Draws that give the recorded start."""

    def __init__(self, noise: Tensor) -> None:
        self.noise = noise

    def normal(self, *shape: int) -> Tensor:
        return self.noise[:, None]


@EACH
@pytest.mark.parametrize("steps", [50, 10])
@pytest.mark.usefixtures("tiny_text")
@torch.no_grad()
def test_guided_sampling(shared: Path, system: str, variant: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, io = tiny(shared, system, variant), numbers(shared, system, f"sample_tiny_{variant}")
    name = f"{system}/sample_tiny_{variant}"
    empty = model.read(pooled(io["uncond_emb"]))
    monkeypatch.setattr(model, "nothing", lambda count: empty)
    draws = Recorded(io["noise"])
    visited: list[Tensor] = []
    denoise = model.denoise
    monkeypatch.setattr(model, "denoise", lambda x, *rest: (visited.append(x[:2]), denoise(x, *rest))[1])

    def drawn(sampling: Sampling) -> tuple[Tensor, Tensor]:
        """The last latents, and all on the way to them."""
        visited.clear()
        z = model.sample(pooled(io["text_emb"]), io["lengths"], 20, draws, sampling, K=1)  # type: ignore[arg-type]
        return z, torch.stack([*visited, z])

    z, latents = drawn(Sampling("ddim", steps, float(io["cfg_scale"])))
    parity(name, latents, io["latents_cfg" if steps == 50 else "latents_cfg_10"], 1e-3, 1e-4)
    if steps == 50:
        parity(name, model.decode(z, io["lengths"]), io["decoded_cfg"], 1e-3, 1e-4)
        parity(name, drawn(Sampling("ddim", 50, 1.0))[1], io["latents_nocfg"], 1e-3, 1e-4)


def test_schedule(shared: Path) -> None:
    io = numbers(shared, "mld", "scheduler")
    diffusion = Diffusion(1000, "epsilon", "scaled-linear")
    parity("mld/scheduler: betas, alpha-bar", diffusion.betas, io["betas"])
    parity("mld/scheduler: betas, alpha-bar", diffusion.alpha_bar, io["alphas_cumprod"])
    parity("mld/scheduler: betas, alpha-bar", diffusion.alpha_bar[0], io["final_alpha_cumprod"])
    noisy = diffusion.add_noise(io["addnoise_x0"], io["addnoise_noise"], io["addnoise_t"])
    parity("mld/scheduler: noise", noisy, io["addnoise_xt"], 1e-6, 1e-6)
    for steps in (5, 10, 20, 50, 100):
        visited: list[int] = []

        def denoiser(x: Tensor, step: Tensor, visited: list[int] = visited) -> Tensor:
            visited.append(int(step[0]))
            return x

        diffusion.sample(denoiser, lambda: torch.zeros(1, 1), Sampling("ddim", steps, 1.0))
        assert visited == io[f"timesteps_{steps}"].tolist()


@pytest.mark.parametrize(("prediction", "key"), [("epsilon", "eps"), ("sample", "sample")])
@pytest.mark.parametrize("step", [981, 501, 21, 1])
def test_single_steps(shared: Path, prediction: Prediction, key: str, step: int) -> None:
    io, diffusion = numbers(shared, "mld", "scheduler"), Diffusion(1000, prediction, "scaled-linear")

    def to(last: float) -> Tensor:
        return diffusion.walk(lambda *_: io["step_model_output"], lambda: io["step_sample"], [step], last)

    after = float(diffusion.alpha_bar[max(0, step - 20)])
    parity("mld/scheduler: steps", to(after), io[f"ddim_{key}_prev_t{step}"], ATOL)
    if prediction == "epsilon":
        parity("mld/scheduler: steps", to(1.0), io[f"ddim_eps_x0_t{step}"], ATOL)


def test_guided_trajectory_without_a_network(shared: Path) -> None:
    io = numbers(shared, "mld", "sample_toy")

    def epsilon(x: Tensor, step: Tensor, text: Tensor) -> Tensor:
        return 0.3 * x + 0.1 * torch.cos(step[0] / 100) + 0.05 * text.mean()

    visited: list[Tensor] = []

    def denoiser(x: Tensor, step: Tensor) -> Tensor:
        visited.append(x)
        sides = [
            torch.cat([epsilon(x[i : i + 1], step, io[f"{side}_emb"][i]) for i in range(2)])
            for side in ("uncond", "text")
        ]
        return sides[0] + io["cfg_scale"] * (sides[1] - sides[0])

    diffusion = Diffusion(1000, "epsilon", "scaled-linear")
    z = diffusion.sample(denoiser, lambda: io["noise"], Sampling("ddim", 50, 7.5))
    parity("mld/sample_toy", torch.stack([*visited, z]), io["latents"], 1e-4, 1e-4)


@pytest.mark.parametrize(
    ("system", "manifest"),
    [
        ("mld", "manifest_humanml3d"),
        ("mld", "manifest_kit"),
        ("mld_star", "manifest_humanml3d_v1"),
        ("mld_star", "manifest_humanml3d_v2"),
    ],
)
def test_manifests_load_without_a_missing_or_unexpected_key(shared: Path, system: str, manifest: str) -> None:
    facts = json.loads((shared / "parity" / system / f"{manifest}.json").read_text())
    with torch.device("meta"):
        tensors = {
            f"{part}.{key}": torch.empty(entry["shape"])
            for part in ("vae", "denoiser")
            for key, entry in facts[part].items()
        }
    model = MLD(mld_config_from_published(tensors, star=system == "mld_star"))
    renamed = rename_published_mld(tensors)
    counts = {part: sum(p.numel() for p in own.parameters()) for part, own in (("vae", model.vae), ("all", model))}
    assert counts == {"vae": facts["n_params"]["vae"], "all": sum(facts["n_params"].values()) - unused(facts)}
    own = {
        name: t.shape for name, t in model.state_dict().items() if "normalizer." not in name and "latents." not in name
    }
    theirs = {name: {"shape": list(t.shape)} for name, t in renamed.items()}
    same_layout(f"{system}/{manifest}", own, theirs)


def unused(facts: dict[str, Any]) -> int:
    """Numbers of a release that its own layout never reads: positions of a memory."""
    return math.prod(facts["denoiser"].get("mem_pos.pe", {"shape": [0]})["shape"])


def test_other_weights_are_refused() -> None:
    with pytest.raises(UserError, match="has no vae"):
        mld_config_from_published({"a": torch.zeros(1)})
    with pytest.raises(UserError, match="not a key"):
        rename_published_mld({"vae.strange": torch.zeros(1)})
