"""Our MDM under released weights gives the numbers of the released code."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_table import parity, same_layout
from safetensors.torch import load_file
from torch import Tensor

from sopo.batch import length_mask
from sopo.diffusion.schedule import Diffusion, Sampling
from sopo.errors import UserError
from sopo.generators.generator import NoiseDraw
from sopo.generators.mdm import MDM, frame_error
from sopo.motion.normalize import Normalizer
from sopo.published.mdm import config_from_published, mdm_from_published, rename_published
from sopo.text.encoder import TextEmbedding

ATOL = 2e-5
TOY = "diffusion_training_loss_toy.npz"
Numbers = dict[str, Tensor]


def numbers(shared: Path, name: str) -> Numbers:
    with np.load(shared / "parity" / "mdm" / name, allow_pickle=False) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files if file[key].dtype.kind != "U"}


def tiny(shared: Path, name: str, **settings: bool) -> MDM:
    tensors = load_file(shared / "parity" / "mdm" / f"{name}.safetensors")
    config = config_from_published(tensors, **settings)
    plain = Normalizer(torch.zeros(config.features), torch.ones(config.features))
    return mdm_from_published(tensors, config, plain)


def frames_first(x: Tensor) -> Tensor:
    """Published [B, D, 1, T] -> [B, T, D]."""
    return x[:, :, 0].transpose(1, 2)


def condition(io: Numbers) -> TextEmbedding:
    """The recorded text vectors, as our text encoder would have given them."""
    if "bert_embed" in io:
        tokens, mask = io["bert_embed"].transpose(0, 1), ~io["bert_pad_mask"]
        return TextEmbedding(tokens, mask, tokens.mean(1))
    pooled = io["clip_embed"][0]
    # CLIP's tokens play no part: fill them so that reading them would show.
    return TextEmbedding(torch.full((len(pooled), 4, 512), 9.0), torch.ones(len(pooled), 4, dtype=torch.bool), pooled)


@torch.no_grad()
def both_passes(model: MDM, io: Numbers) -> tuple[Tensor, Tensor]:
    """Conditional and unconditional x_0, [B, T, D]."""
    x = frames_first(io["x"])
    none = torch.zeros(len(x), dtype=torch.bool)
    texts = [model.read(condition(io)), model.read(condition(io), none)]
    with_text, without = (model.denoise(x, io["timesteps"], io["lengths"], *text) for text in texts)
    return with_text, without


CASES = [
    ("tiny_trans_enc_clip", None, False),
    ("tiny_trans_enc_clip", None, True),
    ("tiny_trans_enc_clip_kit", None, False),
    *[
        (name, step, masked)
        for name in ("tiny_trans_dec_clip", "tiny_trans_dec_bert")
        for step in (0, 1)
        for masked in (False, True)
    ],
]


@pytest.mark.parametrize(("name", "step_token", "masked"), CASES)
def test_forward_passes(shared: Path, name: str, step_token: int | None, masked: bool) -> None:
    model = tiny(shared, name, mask_frames=masked, step_token=bool(step_token))
    io = numbers(shared, f"{name}_io.npz")
    suffix = f"maskframes{masked:d}" if step_token is None else f"etd{step_token}_maskframes{masked:d}"
    with_text, without = both_passes(model, io)
    parity(f"mdm/{name}: forward", with_text, frames_first(io[f"cond_{suffix}"]), ATOL)
    parity(f"mdm/{name}: forward", without, frames_first(io[f"uncond_{suffix}"]), ATOL)
    if f"cfg_{suffix}" in io:
        guided = without + io["cfg_scale"][:, None, None] * (with_text - without)
        parity(f"mdm/{name}: guided", guided, frames_first(io[f"cfg_{suffix}"]), ATOL)


@pytest.mark.parametrize("step_token", [False, True])
def test_the_code_before_2025_put_the_text_into_the_step_token(shared: Path, step_token: bool) -> None:
    settings = {"mask_frames": False, "step_token": step_token, "text_in_step_token": step_token}
    model = tiny(shared, "tiny_trans_dec_clip", **settings)
    recorded = numbers(shared, "tiny_trans_dec_clip_legacy_out.npz")[f"legacy_cond_etd{step_token:d}"]
    with_text, _ = both_passes(model, numbers(shared, "tiny_trans_dec_clip_io.npz"))
    parity("mdm/tiny_trans_dec_clip_legacy_out", with_text, frames_first(recorded), ATOL)


@torch.no_grad()
def test_the_step_as_a_token_of_the_text(shared: Path) -> None:
    """No release attends to the step beside the words (emb_policy concat); the same layers do it all the same."""
    model, io = tiny(shared, "tiny_trans_dec_bert"), numbers(shared, "tiny_trans_dec_bert_io.npz")
    time = model.embed_step(io["timesteps"])[:, None]
    for side, keep in (("cond", True), ("uncond", False)):
        memory, padding = model.read(condition(io), torch.full((3,), keep))
        # Our memory gets the step added to every token.
        memory = torch.cat([torch.zeros_like(time), memory - time], dim=1)
        padding = torch.cat([torch.zeros_like(padding[:, :1]), padding], dim=1)
        out = model.denoise(frames_first(io["x"]), io["timesteps"], io["lengths"], memory, padding)
        recorded = frames_first(io[f"{side}_etd0_maskframes1_policyconcat"])
        parity("mdm/tiny_trans_dec_bert: concat", out, recorded, ATOL)


@torch.no_grad()
def test_every_stage_of_the_encoder(shared: Path) -> None:
    model, io = tiny(shared, "tiny_trans_enc_clip", mask_frames=False), numbers(shared, "tiny_trans_enc_clip_io.npz")
    seen: dict[str, Tensor] = {}
    assert isinstance(model.transformer, torch.nn.TransformerEncoder)
    watched = {f"layer{i}_out": layer for i, layer in enumerate(model.transformer.layers)}
    watched |= {"time_emb": model.embed_step, "text_emb": model.embed_text, "input_process": model.embed_frames}
    for stage, module in (watched | {"xseq_after_pe": model.drop}).items():
        module.register_forward_hook(lambda _, __, out, stage=stage: seen.setdefault(stage, out))
    model.denoise(frames_first(io["x"]), io["timesteps"], io["lengths"], *model.read(condition(io)))
    seen["time_emb"] = seen["time_emb"][:, None]
    for stage, out in seen.items():
        parity("mdm/tiny_trans_enc_clip: stages", out.transpose(0, 1), io[f"dbg_{stage}"], ATOL)


class Recorded:
    """Stands for Draws: hands out recorded noise in order."""

    def __init__(self, noise: list[Tensor]) -> None:
        self.pending = iter(noise)

    def normal(self, *shape: int) -> Tensor:
        noise = next(self.pending)
        return noise.reshape(len(noise), *shape)


def test_fifty_guided_ddpm_steps(shared: Path) -> None:
    model = tiny(shared, "tiny_trans_enc_clip", mask_frames=False)
    io = numbers(shared, "diffusion_sampling_tiny_mdm_cfg_T50.npz")
    noise = [frames_first(part.float()) for part in (io["x_T"], *io["noise_in_call_order_fp16"])]
    visited: list[Tensor] = []
    denoise = model.denoise
    model.denoise = lambda x, *rest: (visited.append(x), denoise(x, *rest))[1]  # type: ignore[method-assign]
    length = torch.tensor([8, 8])
    final = model.sample(condition(io), length, 8, Recorded(noise), Sampling("ddpm", 0, 2.5), K=1)  # type: ignore[arg-type]
    for call, key in ((1, "x_after_call_0"), (25, "x_after_call_24")):
        parity("mdm/diffusion_sampling_tiny_mdm_cfg_T50", visited[call][:2], frames_first(io[key]), 1e-3)
    parity("mdm/diffusion_sampling_tiny_mdm_cfg_T50", final, frames_first(io["x_final"]), 1e-3)


@pytest.mark.parametrize("masked", [False, True])
def test_loss_and_its_gradients(shared: Path, masked: bool) -> None:
    model = tiny(shared, "tiny_trans_enc_clip", mask_frames=masked)
    io = numbers(shared, "diffusion_training_loss_tiny_mdm.npz")
    draw = NoiseDraw(io["t"], frames_first(io["noise"]))
    error = model.nll(frames_first(io["x0"]), io["lengths"], condition(io), draw)
    prefix = f"maskframes{masked:d}/"
    parity("mdm/diffusion_training_loss_tiny_mdm: loss", error, io[prefix + "loss_per_sample"], rtol=1e-4)
    error.mean().backward()
    with np.load(shared / "parity" / "mdm" / "diffusion_training_loss_tiny_mdm.npz", allow_pickle=False) as file:
        names = file[prefix + "grad_norm_names"].tolist()
    own = {key: parameter.grad for key, parameter in model.named_parameters()}
    ours = rename_published({name: torch.tensor(i) for i, name in enumerate(names)})
    assert ours.keys() == own.keys()
    for key, index in ours.items():
        recorded = io[prefix + "grad_norms"][index]
        parity("mdm/diffusion_training_loss_tiny_mdm: gradient norms", own[key].norm(), recorded, rtol=1e-4)
    full = {key.removeprefix(prefix + "grad/"): grad for key, grad in io.items() if key.startswith(prefix + "grad/")}
    for key, gradient in rename_published(full).items():
        parity("mdm/diffusion_training_loss_tiny_mdm: gradients", own[key], gradient, 1e-6, 1e-4)


def test_loss_without_a_network(shared: Path) -> None:
    """Also of clips of one frame and of none; the loss of velocities, which no release uses, by the same means."""
    io = {key: frames_first(x) if x.ndim == 4 and x.shape[1] > 1 else x for key, x in numbers(shared, TOY).items()}
    x, length = io["x0"], io["lengths"]
    noisy = Diffusion(50).add_noise(x, io["noise"], io["t"])
    out = io["A"] * noisy + 0.02 * io["t"][:, None, None] + io["C"][:, 0].T
    error = frame_error(out, x, length)
    # Of all features but the last, between frames that are both valid.
    velocity = frame_error(out.diff(dim=1)[..., :-1], x.diff(dim=1)[..., :-1], (length - 1).clamp(min=0))
    found = {
        "lambda_vel0/rot_mse": error,
        "lambda_vel0/loss": error,
        "lambda_vel1/rot_mse": error,
        "lambda_vel1/vel_mse": velocity,
        "lambda_vel1/loss": error + velocity,
        "masked_l2_x0_other": frame_error(x, io["other"], length),
    }
    for name, ours in found.items():
        parity("mdm/diffusion_training_loss_toy", ours, io[name], 1e-8, 1e-4)


def test_table_of_positions_is_the_released_one(shared: Path) -> None:
    tensors = load_file(shared / "parity" / "mdm" / "tiny_trans_enc_clip.safetensors")
    model = tiny(shared, "tiny_trans_enc_clip")
    parity("mdm/tiny_trans_enc_clip: positions", model.positions, tensors["sequence_pos_encoder.pe"][:, 0], 1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "humanml_trans_enc_512_clip",
        "humanml_trans_dec_512_clip",
        "humanml_trans_dec_512_bert",
        "kit_trans_enc_512_clip",
    ],
)
def test_every_key_of_a_full_size_release_finds_its_place(shared: Path, name: str) -> None:
    manifest = json.loads((shared / "parity" / "mdm" / "manifests.json").read_text())[name]
    with torch.device("meta"):
        tensors = {key: torch.empty(entry["shape"]) for key, entry in manifest["state_dict"].items()}
    config = config_from_published(tensors)
    assert (config.width, config.layers, config.heads, config.feedforward) == (512, 8, 4, 1024)
    own = {key: value.shape for key, value in MDM(config).named_parameters()}
    renamed = rename_published(tensors)
    assert sum(tensor.numel() for tensor in renamed.values()) == manifest["num_parameters"]
    same_layout(f"mdm/manifests: {name}", own, {key: {"shape": list(t.shape)} for key, t in renamed.items()})


def test_defaults_are_the_released_sizes(shared: Path) -> None:
    manifest = json.loads((shared / "parity" / "mdm" / "manifests.json").read_text())["humanml_trans_enc_512_clip"]
    with torch.device("meta"):
        tensors = {key: torch.empty(entry["shape"]) for key, entry in manifest["state_dict"].items()}
    default = MDM.Config()
    assert config_from_published(tensors) == dataclasses.replace(default, pooled_text=True)


def test_decoder_by_tokens_ignores_padded_text(shared: Path) -> None:
    model = tiny(shared, "tiny_trans_dec_bert")
    io = numbers(shared, "tiny_trans_dec_bert_io.npz")
    spoilt = io | {"bert_embed": torch.where(io["bert_pad_mask"].T[..., None], 7.0, io["bert_embed"])}
    valid = length_mask(io["lengths"], 20)
    torch.testing.assert_close(both_passes(model, io)[0][valid], both_passes(model, spoilt)[0][valid])


def test_weights_of_something_else_are_refused(shared: Path) -> None:
    tensors = load_file(shared / "parity" / "mdm" / "tiny_trans_enc_clip.safetensors")
    config = config_from_published(tensors)
    plain = Normalizer(torch.zeros(263), torch.ones(263))
    with pytest.raises(UserError, match="no text-to-motion MDM"):
        config_from_published({"weight": torch.zeros(1)})
    with pytest.raises(UserError, match="embed_action"):
        rename_published(tensors | {"embed_action.action_embedding": torch.zeros(1)})
    with pytest.raises(UserError, match="missing"):
        mdm_from_published({k: v for k, v in tensors.items() if "linear1" not in k or ".0." in k}, config, plain)
    with pytest.raises(UserError, match=r"is \[3\], expected \[263\]"):
        mdm_from_published(tensors | {"output_process.poseFinal.bias": torch.zeros(3)}, config, plain)
