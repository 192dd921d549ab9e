"""Our MLD under released weights gives the numbers of the released code (MLD, MLD* v1 and v2)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from parity_table import parity, same_layout
from recordings import Numbers, Recordings, each, numbered
from torch import Tensor

from sopo.diffusion.schedule import Diffusion
from sopo.diffusion.settings import Prediction, Sampling
from sopo.errors import UserError
from sopo.generators.generator import NoiseDraw
from sopo.generators.mld import MLD
from sopo.motion.normalize import Normalizer
from sopo.published.mld import HEADS, mld_config_from_published, mld_from_published, rename_published_mld
from sopo.text.encoder import TextEmbedding
from sopo.text.hashed import HashedWords

FORWARD, LOSS, SAMPLED = 1e-5, 1e-4, 3e-4  # of the largest number: in one pass, its loss, after many steps
pytestmark = pytest.mark.usefixtures("float64")
each_vae = each(
    "vae",
    "mld*/tiny_vae_*.safetensors",
    "mld/tiny_vae_L1",
    "mld/tiny_vae_L2",
    "mld_star/tiny_vae_v1",
    "mld_star/tiny_vae_v2",
)


@pytest.fixture
def tiny(recordings: Recordings, vae: str, monkeypatch: pytest.MonkeyPatch) -> MLD:
    """The tiny released model of a VAE and its denoiser, whose text vectors have a width of none of the encoders."""
    tensors: Numbers = {}
    networks = {"vae": vae, "denoiser": vae.replace("vae", "denoiser")}
    for part, network in networks.items():
        tensors |= {f"{part}.{key}": tensor for key, tensor in recordings.weights(f"{network}.safetensors").items()}
    text = HashedWords(tensors["denoiser.emb_proj.1.weight"].shape[1])
    monkeypatch.setattr("sopo.generators.mld.text_encoder", lambda name: text)
    folder = vae.partition("/")[0]
    own, denoiser = (recordings.setting(network, "num_heads", HEADS) for network in networks.values())
    config = mld_config_from_published(tensors, star=folder == "mld_star", heads=(own, denoiser))
    config = dataclasses.replace(config, diffusion_steps=scheduler(recordings, folder, "num_train_timesteps", 1000))
    plain = Normalizer(torch.zeros(config.features), torch.ones(config.features))
    return mld_from_published(tensors, config, plain)


def scheduler(recordings: Recordings, folder: str, name: str, published: int) -> int:
    """A number of ``configs.json`` about the scheduler of ``mld`` or ``mld_star``, which say it in two ways."""
    old = recordings.setting(f"{folder}/scheduler", "scheduler", {})
    trained = old.get("params", recordings.setting(f"{folder}/scheduler_ddim", "params", {}))
    return {**old, **trained}.get(name, published)


def pooled(vectors: Tensor) -> TextEmbedding:
    """Recorded [B, 1, E] vectors; the tokens play no part, so they are filled with what would show."""
    rows, _, width = vectors.shape
    return TextEmbedding(torch.full((rows, 3, width), 9.0), torch.ones(rows, 3, dtype=torch.bool), vectors[:, 0])


def recording(vae: str, name: str) -> str:
    """Of a VAE its other recordings: "mld/tiny_vae_L1", "sample_tiny" -> "mld/sample_tiny_L1"."""
    folder, _, file = vae.rpartition("/")
    return f"{folder}/{name}_{file.rpartition('_')[2]}"


@each_vae
@torch.no_grad()
def test_vae(recordings: Recordings, tiny: MLD, vae: str) -> None:
    name, star = f"{vae}_io", vae.startswith("mld_star/")
    io = recordings.numbers(f"{name}.npz")
    mu, std = tiny.vae.encode(io["features"], io["lengths"])
    moments = {key: io[key].transpose(0, 1) for key in ("mu", "std", "logvar", "eps")}
    parity(name, mu, moments["mu"], FORWARD)
    parity(name, std, moments["std"], FORWARD)
    parity(name, 2 * std.log(), moments["logvar"], FORWARD)
    latent = io["latent"] if star else io["latent"].transpose(0, 1)
    parity(name, mu + std * moments["eps"], latent, FORWARD)
    for z, expected in ((moments["mu"], io["decoded_from_mu"]), (latent, io["decoded_from_latent"])):
        parity(name, tiny.vae.decode(z, io["lengths"], expected.shape[1]), expected, FORWARD)


@each_vae
@torch.no_grad()
def test_denoiser(recordings: Recordings, tiny: MLD, vae: str) -> None:
    name = f"{vae.replace('vae', 'denoiser')}_io"
    io = recordings.numbers(f"{name}.npz")
    text = tiny.read(pooled(io["text_emb"]))
    parity(name, text, io["text_proj"].transpose(0, 1), FORWARD)
    sines, cosines = tiny.embed_step.table[io["timesteps"]].unflatten(1, (-1, 2)).unbind(2)
    angle = 2.5e-7 * float(io["timesteps"].max())  # by the last bit of its frequency, which CPUs round in two ways
    parity(f"{name}: sinusoid", torch.cat([cosines, sines], dim=1), io["time_proj"], FORWARD + angle)
    parity(name, tiny.embed_step(io["timesteps"]), io["time_embedding"], FORWARD + angle)
    parity(name, tiny.denoise(io["sample"], io["timesteps"], text), io["eps_pred"], FORWARD + angle)
    for key, count in numbered(io, "text_emb_{}tok"):  # several vectors for a text: no release has them
        several = tiny.embed_text(io[key].relu())
        predicted = tiny.denoise(io["sample"], io["timesteps"], several)
        parity(name, predicted, io[f"eps_pred_{count}tok"], FORWARD + angle)
    step = io["cfg_timestep"].expand(len(io["cfg_sample"]))
    without, with_text = (
        tiny.denoise(io["cfg_sample"], step, tiny.read(pooled(io[f"cfg_{side}_emb"]))) for side in ("uncond", "text")
    )
    parity(name, without, io["cfg_pred_uncond"], FORWARD + angle)
    parity(name, with_text, io["cfg_pred_text"], FORWARD + angle)
    guided = without + io["cfg_scale"] * (with_text - without)
    parity(f"{name}: guided", guided, io["cfg_pred_guided"], FORWARD + angle)


@each_vae
def test_error_is_the_published_loss_of_each_sample(recordings: Recordings, tiny: MLD, vae: str) -> None:
    name = recording(vae, "train_step")
    io = recordings.numbers(f"{name}.npz")
    step, text = io["timesteps"], tiny.read(pooled(io["text_emb"]))
    latent = io["latent"] if "latent" in io else io["latent_seq_first"].transpose(0, 1)
    noisy = tiny.diffusion.add_noise(latent, io["noise"], step)
    said = tiny.denoise(noisy, step, text)
    level = tiny.diffusion.alpha_bar[step][:, None, None]
    ours = {"noisy": noisy, "noise_pred": said, "x0_pred": (noisy - (1 - level).sqrt() * said) / level.sqrt()}
    for key in ours.keys() & io.keys():
        parity(name, ours[key], io[key], LOSS)
    error = tiny.error(latent, NoiseDraw(step, io["noise"]), text)
    parity(f"{name}: loss", error, io["mse_per_sample"], LOSS)
    parity(f"{name}: loss", error.mean(), io["mse"], LOSS)


class Recorded:
    """Draws that give the recorded start."""

    def __init__(self, noise: Tensor) -> None:
        self.noise = noise

    def normal(self, *shape: int) -> Tensor:
        return self.noise[:, None]


@each_vae
@torch.no_grad()
def test_guided_sampling(recordings: Recordings, tiny: MLD, vae: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = recording(vae, "sample_tiny")
    io = recordings.numbers(f"{name}.npz")
    rows, frames = len(io["noise"]), io["decoded_cfg"].shape[1]
    empty = tiny.read(pooled(io["uncond_emb"]))
    monkeypatch.setattr(tiny, "nothing", lambda count: empty)
    visited: list[Tensor] = []
    denoise = tiny.denoise
    monkeypatch.setattr(tiny, "denoise", lambda x, *rest: (visited.append(x[:rows]), denoise(x, *rest))[1])

    def latents(steps: int, guidance: float) -> Tensor:
        """All latents from the start to the end."""
        visited.clear()
        sampling = Sampling("ddim", steps, guidance)
        z = tiny.sample(pooled(io["text_emb"]), io["lengths"], frames, Recorded(io["noise"]), sampling, K=1)  # type: ignore[arg-type]
        return torch.stack([*visited, z])

    guidance, steps = float(io["cfg_scale"]), len(io["timesteps"])
    assert steps_visited(tiny.diffusion, steps) == io["timesteps"].tolist()
    parity(name, latents(steps, guidance), io["latents_cfg"], SAMPLED)
    parity(name, tiny.vae.decode(io["latents_cfg"][-1], io["lengths"], frames), io["decoded_cfg"], FORWARD)
    parity(name, latents(steps, 1.0), io["latents_nocfg"], SAMPLED)
    for key, steps in numbered(io, "latents_cfg_{}"):
        parity(name, latents(steps, guidance), io[key], SAMPLED)


# The schedule --------------------------------------------------------------------------------------------


def steps_visited(diffusion: Diffusion, steps: int) -> list[int]:
    visited: list[int] = []

    def denoiser(x: Tensor, step: Tensor) -> Tensor:
        visited.append(int(step[0]))
        return x

    diffusion.sample(denoiser, lambda: torch.zeros(1, 1), Sampling("ddim", steps, 1.0))
    return visited


def test_schedule(recordings: Recordings) -> None:
    io = recordings.numbers("mld/scheduler.npz")
    diffusion = Diffusion(len(io["betas"]), "epsilon", "scaled-linear")
    parity("mld/scheduler: betas, alpha-bar", diffusion.betas, io["betas"], rtol=1e-6)
    parity("mld/scheduler: betas, alpha-bar", diffusion.alpha_bar, io["alphas_cumprod"], rtol=1e-5)
    parity("mld/scheduler: betas, alpha-bar", diffusion.alpha_bar[0], io["final_alpha_cumprod"], rtol=1e-6)
    noisy = diffusion.add_noise(io["addnoise_x0"], io["addnoise_noise"], io["addnoise_t"])
    parity("mld/scheduler: noise", noisy, io["addnoise_xt"], 1e-5)
    for key, steps in numbered(io, "timesteps_{}"):
        assert steps_visited(diffusion, steps) == io[key].tolist()


@pytest.mark.parametrize(("prediction", "key"), [("epsilon", "eps"), ("sample", "sample")])
def test_single_steps(recordings: Recordings, prediction: Prediction, key: str) -> None:
    io = recordings.numbers("mld/scheduler.npz")
    diffusion = Diffusion(len(io["betas"]), prediction, "scaled-linear")
    apart = diffusion.steps // scheduler(recordings, "mld", "num_inference_timesteps", 50)
    for name, step in numbered(io, f"ddim_{key}_prev_t{{}}"):

        def to(last: float, step: int = step) -> Tensor:
            return diffusion.walk(lambda *_: io["step_model_output"], lambda: io["step_sample"], [step], last)

        after = float(diffusion.alpha_bar[max(0, step - apart)])
        parity("mld/scheduler: steps", to(after), io[name], FORWARD)
        if prediction == "epsilon":
            parity("mld/scheduler: steps", to(1.0), io[f"ddim_eps_x0_t{step}"], FORWARD)


def test_guided_trajectory_without_a_network(recordings: Recordings) -> None:
    io = recordings.numbers("mld/sample_toy.npz")

    def epsilon(x: Tensor, step: Tensor, text: Tensor) -> Tensor:
        return 0.3 * x + 0.1 * torch.cos(step[0] / 100) + 0.05 * text.mean()

    visited: list[Tensor] = []

    def denoiser(x: Tensor, step: Tensor) -> Tensor:
        visited.append(x)
        sides = [
            torch.cat([epsilon(x[i : i + 1], step, io[f"{side}_emb"][i]) for i in range(len(x))])
            for side in ("uncond", "text")
        ]
        return sides[0] + io["cfg_scale"] * (sides[1] - sides[0])

    steps = len(io["timesteps"])
    diffusion = Diffusion(scheduler(recordings, "mld", "num_train_timesteps", 1000), "epsilon", "scaled-linear")
    z = diffusion.sample(denoiser, lambda: io["noise"], Sampling("ddim", steps, float(io["cfg_scale"])))
    parity("mld/sample_toy", torch.stack([*visited, z]), io["latents"], SAMPLED)


@pytest.mark.parametrize(
    ("system", "manifest"),
    [
        ("mld", "manifest_humanml3d"),
        ("mld", "manifest_kit"),
        ("mld_star", "manifest_humanml3d_v1"),
        ("mld_star", "manifest_humanml3d_v2"),
    ],
)
def test_manifests_load_without_a_missing_or_unexpected_key(recordings: Recordings, system: str, manifest: str) -> None:
    facts = recordings.json(f"{system}/{manifest}.json")
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
