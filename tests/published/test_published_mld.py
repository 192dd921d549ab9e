"""Our MLD under released weights gives the numbers of the released code (MLD, MLD* v1 and v2)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_table import parity
from safetensors.torch import load_file
from torch import Tensor

from sopo.diffusion.schedule import Diffusion, Sampling
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
    parity(name, std, token_first(io["std"]), ATOL, 1e-5)
    latent = io["latent"] if system == "mld_star" else token_first(io["latent"])
    for z, expected in ((mu, io["decoded_from_mu"]), (latent, io["decoded_from_latent"])):
        parity(name, model.vae.decode(z, io["lengths"], 20), expected, 2e-5)


@EACH
@pytest.mark.usefixtures("tiny_text")
@torch.no_grad()
def test_denoiser(shared: Path, system: str, variant: str) -> None:
    model, io = tiny(shared, system, variant), numbers(shared, system, f"tiny_denoiser_{variant}_io")
    name = f"{system}/tiny_denoiser_{variant}_io"
    text = model.read(pooled(io["text_emb"]))
    parity(name, text, io["text_proj"].transpose(0, 1), ATOL)
    parity(
        f"{system}/tiny_denoiser_{variant}_io",
        model.embed_step(io["timesteps"]),
        io["time_embedding"],
        atol=ATOL,
        rtol=0,
    )
    out = model.denoise(io["sample"], io["timesteps"], text)
    parity(name, out, io["eps_pred"], ATOL)
    step = io["cfg_timestep"].expand(2)
    sides = [
        model.denoise(io["cfg_sample"], step, model.read(pooled(io[f"cfg_{side}_emb"]))) for side in ("uncond", "text")
    ]
    guided = sides[0] + io["cfg_scale"] * (sides[1] - sides[0])
    parity(name, guided, io["cfg_pred_guided"], 1e-4)


@EACH
@pytest.mark.usefixtures("tiny_text")
def test_error_is_the_published_loss_of_each_sample(shared: Path, system: str, variant: str) -> None:
    if variant == "L2":
        pytest.skip("no training step was recorded for two tokens")
    model, io = tiny(shared, system, variant), numbers(shared, system, f"train_step_{variant}")
    latent = io["latent"] if system == "mld_star" else token_first(io["latent_seq_first"])
    error = model.error(latent, NoiseDraw(io["timesteps"].long(), io["noise"]), model.read(pooled(io["text_emb"])))
    parity(f"{system}/train_step_{variant}", error, io["mse_per_sample"], ATOL, 1e-5)


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
    sampling = Sampling("ddim", steps, float(io["cfg_scale"]))
    draws = Recorded(io["noise"])
    z = model.sample(pooled(io["text_emb"]), io["lengths"], 20, draws, sampling, K=1)  # type: ignore[arg-type]
    expected = io["latents_cfg" if steps == 50 else "latents_cfg_10"][-1]
    parity(name, z, expected, 1e-3, 1e-4)
    if steps == 50:
        parity(name, model.decode(z, io["lengths"]), io["decoded_cfg"], atol=1e-3, rtol=1e-4)
        plain = model.sample(pooled(io["text_emb"]), io["lengths"], 20, draws, Sampling("ddim", 50, 1.0), K=1)  # type: ignore[arg-type]
        parity(name, plain, io["latents_nocfg"][-1], 1e-3, 1e-4)


def test_schedule(shared: Path) -> None:
    io = numbers(shared, "mld", "scheduler")
    diffusion = Diffusion(1000, "epsilon", "scaled-linear")
    parity("mld/scheduler", diffusion.alpha_bar.float(), io["alphas_cumprod"], 1e-6, 1e-6)
    noisy = diffusion.add_noise(io["addnoise_x0"], io["addnoise_noise"], io["addnoise_t"])
    parity("mld/scheduler", noisy, io["addnoise_xt"], 1e-6, 1e-6)
    for steps in (5, 10, 20, 50, 100):
        visited: list[int] = []

        def denoiser(x: Tensor, step: Tensor, visited: list[int] = visited) -> Tensor:
            visited.append(int(step[0]))
            return torch.zeros_like(x)

        diffusion.sample(denoiser, lambda: torch.zeros(1, 1), Sampling("ddim", steps, 1.0))
        assert visited == io[f"timesteps_{steps}"].tolist()


def test_guided_trajectory_without_a_network(shared: Path) -> None:
    io = numbers(shared, "mld", "sample_toy")

    def epsilon(x: Tensor, step: Tensor, text: Tensor) -> Tensor:
        return 0.3 * x + 0.1 * torch.cos(step[0] / 100) + 0.05 * text.mean()

    def denoiser(x: Tensor, step: Tensor) -> Tensor:
        sides = [
            torch.cat([epsilon(x[i : i + 1], step, io[f"{side}_emb"][i]) for i in range(2)])
            for side in ("uncond", "text")
        ]
        return sides[0] + io["cfg_scale"] * (sides[1] - sides[0])

    diffusion = Diffusion(1000, "epsilon", "scaled-linear")
    z = diffusion.sample(denoiser, lambda: io["noise"], Sampling("ddim", 50, 7.5))
    parity("mld/sample_toy", z, io["latents"][-1], 1e-4, 1e-4)


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
    config = mld_config_from_published(tensors, star=system == "mld_star")
    with torch.device("cpu"):
        model = MLD(config)
    renamed = rename_published_mld(tensors)
    own = {
        name: list(t.shape)
        for name, t in model.state_dict().items()
        if "normalizer." not in name and "latents." not in name
    }
    assert {name: list(t.shape) for name, t in renamed.items()} == own


def test_other_weights_are_refused() -> None:
    with pytest.raises(UserError, match="has no vae"):
        mld_config_from_published({"a": torch.zeros(1)})
    with pytest.raises(UserError, match="not a key"):
        rename_published_mld({"vae.strange": torch.zeros(1)})
