"""Our MDM under released weights gives the numbers of the released code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from parity_table import parity, same_layout
from recordings import Numbers, Recordings, each, numbered
from torch import Tensor

from sopo.batch import length_mask
from sopo.diffusion.schedule import Diffusion
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.generator import NoiseDraw
from sopo.generators.mdm import MDM
from sopo.motion.normalize import Normalizer
from sopo.nn.frames import frame_mean
from sopo.published import mdm as published
from sopo.published.mdm import config_from_published, mdm_from_published, rename_published
from sopo.text.encoder import TextEmbedding
from sopo.text.hashed import HashedWords

FORWARD, LOSS, SAMPLED = 1e-5, 1e-4, 3e-4  # of the largest number: in one pass, its loss, after many steps
BIT = 2.5e-7  # of a sinusoid's angle: the last bit of its frequency, which CPUs round in two ways
Build = Callable[..., MDM]

pytestmark = pytest.mark.usefixtures("float64")
each_network = each(
    "name",
    "mdm/tiny_*.safetensors",
    "mdm/tiny_trans_enc_clip",
    "mdm/tiny_trans_enc_clip_kit",
    "mdm/tiny_trans_dec_clip",
    "mdm/tiny_trans_dec_bert",
)


@pytest.fixture
def tiny(recordings: Recordings, monkeypatch: pytest.MonkeyPatch) -> Build:
    """A tiny released model by its name; its text vectors may have a width of none of the encoders."""

    def build(name: str, **settings: bool | int) -> MDM:
        tensors = recordings.weights(f"{name}.safetensors")
        width = tensors["embed_text.weight"].shape[1]
        encoder = "distilbert" if name.endswith("bert") else "clip-vit-b32-22"
        monkeypatch.setattr(published, "TEXT_ENCODERS", {width: encoder})
        monkeypatch.setattr("sopo.generators.mdm.text_encoder", lambda name: HashedWords(width))
        settings["heads"] = recordings.setting(name, "num_heads", published.HEADS)
        config = config_from_published(tensors, **settings)  # type: ignore[arg-type]
        plain = Normalizer(torch.zeros(config.features), torch.ones(config.features))
        return mdm_from_published(tensors, config, plain)

    return build


def frames_first(x: Tensor) -> Tensor:
    """Published [B, D, 1, T] -> [B, T, D]."""
    return x[:, :, 0].transpose(1, 2)


def condition(io: Numbers) -> TextEmbedding:
    """The recorded text vectors, as our text encoder would have given them."""
    if "bert_embed" in io:
        tokens, mask = io["bert_embed"].transpose(0, 1), ~io["bert_pad_mask"]
        return TextEmbedding(tokens, mask, tokens.mean(1))
    rows, width = io["clip_embed"][0].shape
    # CLIP's tokens play no part: fill them so that reading them would show.
    return TextEmbedding(torch.full((rows, 4, width), 9.0), torch.ones(rows, 4, dtype=torch.bool), io["clip_embed"][0])


@torch.no_grad()
def both_passes(model: MDM, io: Numbers) -> tuple[Tensor, Tensor]:
    """Conditional and unconditional x_0, [B, T, D]."""
    x = frames_first(io["x"])
    none = torch.zeros(len(x), dtype=torch.bool)
    texts = [model.read(condition(io)), model.read(condition(io), none)]
    with_text, without = (model.denoise(x, io["timesteps"], io["lengths"], *text) for text in texts)
    return with_text, without


def one_pass(io: Numbers) -> float:
    """The share that outputs may differ by, of a network that was told the recorded steps."""
    return FORWARD + BIT * float(io["timesteps"].max())


def cases(io: Numbers) -> list[tuple[str, bool, bool]]:
    """What was recorded of a network: the suffix of its keys, is the step a token, are frames masked."""
    plain = [(f"maskframes{masked}", False, bool(masked)) for _, masked in numbered(io, "cond_maskframes{}")]
    found = numbered(io, "cond_etd{}_maskframes{}")
    return plain + [(f"etd{step}_maskframes{masked}", bool(step), bool(masked)) for _, step, masked in found]


@each_network
def test_forward_passes(recordings: Recordings, tiny: Build, name: str) -> None:
    io = recordings.numbers(f"{name}_io.npz")
    assert cases(io)
    for suffix, step_token, masked in cases(io):
        with_text, without = both_passes(tiny(name, mask_frames=masked, step_token=step_token), io)
        parity(f"{name}: forward", with_text, frames_first(io[f"cond_{suffix}"]), one_pass(io))
        parity(f"{name}: forward", without, frames_first(io[f"uncond_{suffix}"]), one_pass(io))
        if f"cfg_{suffix}" in io:
            guided = without + io["cfg_scale"][:, None, None] * (with_text - without)
            parity(f"{name}: guided", guided, frames_first(io[f"cfg_{suffix}"]), one_pass(io))


def test_the_code_before_2025_put_the_text_into_the_step_token(recordings: Recordings, tiny: Build) -> None:
    name = "mdm/tiny_trans_dec_clip"
    legacy, io = recordings.numbers(f"{name}_legacy_out.npz"), recordings.numbers(f"{name}_io.npz")
    for key, step in numbered(legacy, "legacy_cond_etd{}"):
        settings = {"mask_frames": False, "step_token": bool(step), "text_in_step_token": bool(step)}
        with_text, _ = both_passes(tiny(name, **settings), io)
        parity(f"{name}_legacy_out", with_text, frames_first(legacy[key]), one_pass(io))


@torch.no_grad()
def test_the_step_as_a_token_of_the_text(recordings: Recordings, tiny: Build) -> None:
    """No release attends to the step beside the words (emb_policy concat); the same layers do it all the same."""
    name = "mdm/tiny_trans_dec_bert"
    io = recordings.numbers(f"{name}_io.npz")
    found = list(numbered(io, "cond_etd{}_maskframes{}_policyconcat"))
    assert found
    for key, step, masked in found:
        model = tiny(name, mask_frames=bool(masked), step_token=bool(step))
        time = model.embed_step(io["timesteps"])[:, None]
        for side, keep in (("cond", True), ("uncond", False)):
            memory, padding = model.read(condition(io), torch.full((len(time),), keep))
            # Our memory gets the step added to every token.
            memory = torch.cat([torch.zeros_like(time), memory - time], dim=1)
            padding = torch.cat([torch.zeros_like(padding[:, :1]), padding], dim=1)
            out = model.denoise(frames_first(io["x"]), io["timesteps"], io["lengths"], memory, padding)
            parity(f"{name}: concat", out, frames_first(io[key.replace("cond", side, 1)]), one_pass(io))


@torch.no_grad()
def test_every_stage_of_the_encoder(recordings: Recordings, tiny: Build) -> None:
    name = "mdm/tiny_trans_enc_clip"
    model, io = tiny(name, mask_frames=False), recordings.numbers(f"{name}_io.npz")
    seen: dict[str, Tensor] = {}
    assert isinstance(model.transformer, torch.nn.TransformerEncoder)
    watched = {f"layer{i}_out": layer for i, layer in enumerate(model.transformer.layers)}
    watched |= {"time_emb": model.embed_step, "text_emb": model.embed_text, "input_process": model.embed_frames}
    for stage, module in (watched | {"xseq_after_pe": model.drop}).items():
        module.register_forward_hook(lambda _, __, out, stage=stage: seen.setdefault(stage, out))
    model.denoise(frames_first(io["x"]), io["timesteps"], io["lengths"], *model.read(condition(io)))
    seen["time_emb"] = seen["time_emb"][:, None]
    for stage, out in seen.items():
        parity(f"{name}: stages", out.transpose(0, 1), io[f"dbg_{stage}"], one_pass(io))


class Recorded:
    """Stands for Draws: hands out recorded noise in order."""

    def __init__(self, noise: list[Tensor]) -> None:
        self.pending = iter(noise)

    def normal(self, *shape: int) -> Tensor:
        noise = next(self.pending)
        return noise.reshape(len(noise), *shape)


def test_guided_ddpm_steps(recordings: Recordings, tiny: Build) -> None:
    name = "mdm/diffusion_sampling_tiny_mdm_cfg"
    io = recordings.numbers(f"{name}_T*.npz")
    drawn, start = io["noise_in_call_order_fp16"], frames_first(io["x_T"])
    model = tiny("mdm/tiny_trans_enc_clip", mask_frames=False, diffusion_steps=len(drawn))
    draws = Recorded([start, *map(frames_first, drawn)])
    visited: list[Tensor] = []
    denoise = model.denoise
    model.denoise = lambda x, *rest: (visited.append(x[: len(start)]), denoise(x, *rest))[1]  # type: ignore[method-assign]
    (rows, frames, _), how = start.shape, Sampling("ddpm", 0, float(io["scale"]))
    final = model.sample(condition(io), torch.full((rows,), frames), frames, draws, how, K=1)  # type: ignore[arg-type]
    for key, call in numbered(io, "x_after_call_{}"):
        parity(name, [*visited, final][call + 1], frames_first(io[key]), SAMPLED)
    parity(name, final, frames_first(io["x_final"]), SAMPLED)


def trained_steps(drawn: Tensor) -> int:
    """MDM has models of 50 steps and of 1000; a recorded loss shows the steps drawn alone."""
    return 50 if drawn.max() < 50 else 1000


@pytest.mark.parametrize("masked", [0, 1])
def test_loss_and_its_gradients(recordings: Recordings, tiny: Build, masked: int) -> None:
    name, prefix = "mdm/diffusion_training_loss_tiny_mdm", f"maskframes{masked}/"
    io = recordings.numbers(f"{name}.npz")
    model = tiny("mdm/tiny_trans_enc_clip", mask_frames=bool(masked), diffusion_steps=trained_steps(io["t"]))
    draw = NoiseDraw(io["t"], frames_first(io["noise"]))
    error = model.nll(frames_first(io["x0"]), io["lengths"], condition(io), draw)
    parity(f"{name}: loss", error, io[prefix + "loss_per_sample"], LOSS)
    error.mean().backward()
    names = recordings.arrays(f"{name}.npz")[prefix + "grad_norm_names"].tolist()
    own = {key: parameter.grad for key, parameter in model.named_parameters()}
    ours = rename_published({name: torch.tensor(i) for i, name in enumerate(names)})
    assert ours.keys() == own.keys()
    norms = torch.stack([own[key].norm() for key in ours])  # type: ignore[union-attr]
    parity(f"{name}: gradient norms", norms, io[prefix + "grad_norms"], LOSS)
    full = {key.removeprefix(prefix + "grad/"): grad for key, grad in io.items() if key.startswith(prefix + "grad/")}
    for key, gradient in rename_published(full).items():
        parity(f"{name}: gradients", own[key], gradient, LOSS)


def test_loss_without_a_network(recordings: Recordings) -> None:
    """Also of clips of one frame and of none; the loss of velocities, which no release uses, by the same means."""
    toy = recordings.numbers("mdm/diffusion_training_loss_toy.npz")
    io = {key: frames_first(x) if x.ndim == 4 and x.shape[1] > 1 else x for key, x in toy.items()}
    x, length = io["x0"], io["lengths"]
    noisy = Diffusion(trained_steps(io["t"])).add_noise(x, io["noise"], io["t"])
    out = io["A"] * noisy + 0.02 * io["t"][:, None, None] + io["C"][:, 0].T
    error = frame_mean((out - x).square(), length)
    # Of all features but the last, between frames that are both valid.
    velocity = frame_mean((out - x).diff(dim=1)[..., :-1].square(), (length - 1).clamp(min=0))
    found = {
        "lambda_vel0/rot_mse": error,
        "lambda_vel0/loss": error,
        "lambda_vel1/rot_mse": error,
        "lambda_vel1/vel_mse": velocity,
        "lambda_vel1/loss": error + velocity,
        "masked_l2_x0_other": frame_mean((x - io["other"]).square(), length),
    }
    for name, ours in found.items():
        parity("mdm/diffusion_training_loss_toy", ours, io[name], FORWARD)


@each_network
def test_table_of_positions_is_the_released_one(recordings: Recordings, tiny: Build, name: str) -> None:
    released = recordings.weights(f"{name}.safetensors")["sequence_pos_encoder.pe"][:, 0]
    angle = torch.arange(1.0, len(released) + 1)[:, None]
    parity(f"{name}: positions", tiny(name).positions / angle, released / angle, BIT)


@pytest.mark.parametrize(
    "name",
    [
        "humanml_trans_enc_512_clip",
        "humanml_trans_dec_512_clip",
        "humanml_trans_dec_512_bert",
        "kit_trans_enc_512_clip",
    ],
)
def test_every_key_of_a_full_size_release_finds_its_place(recordings: Recordings, name: str) -> None:
    manifest = recordings.json("mdm/manifests.json")[name]
    with torch.device("meta"):
        tensors = {key: torch.empty(entry["shape"]) for key, entry in manifest["state_dict"].items()}
    config = config_from_published(tensors)
    assert (config.width, config.layers, config.heads, config.feedforward) == (512, 8, 4, 1024)
    own = {key: value.shape for key, value in MDM(config).named_parameters()}
    renamed = rename_published(tensors)
    assert sum(tensor.numel() for tensor in renamed.values()) == manifest["num_parameters"]
    same_layout(f"mdm/manifests: {name}", own, {key: {"shape": list(t.shape)} for key, t in renamed.items()})


def test_defaults_are_the_released_sizes(recordings: Recordings) -> None:
    manifest = recordings.json("mdm/manifests.json")["humanml_trans_enc_512_clip"]
    with torch.device("meta"):
        tensors = {key: torch.empty(entry["shape"]) for key, entry in manifest["state_dict"].items()}
    default = MDM.Config()
    assert config_from_published(tensors) == dataclasses.replace(default, pooled_text=True)


@each("name", "mdm/tiny_*_bert.safetensors", "mdm/tiny_trans_dec_bert")
def test_padded_text_is_ignored(recordings: Recordings, tiny: Build, name: str) -> None:
    model, io = tiny(name), recordings.numbers(f"{name}_io.npz")
    spoilt = io | {"bert_embed": torch.where(io["bert_pad_mask"].T[..., None], 7.0, io["bert_embed"])}
    valid = length_mask(io["lengths"], io["x"].shape[-1])
    torch.testing.assert_close(both_passes(model, io)[0][valid], both_passes(model, spoilt)[0][valid])


def test_weights_of_something_else_are_refused(recordings: Recordings, tiny: Build) -> None:
    tensors = recordings.weights("mdm/tiny_trans_enc_clip.safetensors")
    config = tiny("mdm/tiny_trans_enc_clip").config
    plain = Normalizer(torch.zeros(config.features), torch.ones(config.features))
    with pytest.raises(UserError, match="no text-to-motion MDM"):
        config_from_published({"weight": torch.zeros(1)})
    with pytest.raises(UserError, match="embed_action"):
        rename_published(tensors | {"embed_action.action_embedding": torch.zeros(1)})
    with pytest.raises(UserError, match="missing"):
        mdm_from_published({k: v for k, v in tensors.items() if "linear1" not in k or ".0." in k}, config, plain)
    with pytest.raises(UserError, match=rf"is \[3\], expected \[{config.features}\]"):
        mdm_from_published(tensors | {"output_process.poseFinal.bias": torch.zeros(3)}, config, plain)
