"""Our MoMask under released weights gives the numbers of the released code: floats closely, tokens exactly."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from parity_table import parity, same_layout
from safetensors.torch import load_file
from torch import Tensor

from sopo.batch import length_mask
from sopo.diffusion.schedule import Sampling
from sopo.errors import UserError
from sopo.generators import masked_transformer, residual_transformer
from sopo.generators.masked_transformer import masked_ratio
from sopo.generators.momask import MoMask, MoMaskConfig
from sopo.generators.token_transformer import KEPT_LOGITS, extrapolate
from sopo.motion.normalize import Normalizer
from sopo.nn.gumbel import keep_top
from sopo.published.momask import (
    config_from_published,
    length_estimator_from_published,
    momask_from_published,
    rename_rvq,
    rename_transformer,
)
from sopo.text.encoder import TextEmbedding

Numbers = dict[str, Tensor]
each_sharing = pytest.mark.parametrize("sharing", ["sw", "nosw"])


def numbers(shared: Path, name: str) -> Numbers:
    with np.load(shared / "parity" / "momask" / f"{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def weights(shared: Path, sharing: str = "sw") -> tuple[Numbers, Numbers, Numbers]:
    folder = shared / "parity" / "momask"
    names = ("tiny_rvqvae", "tiny_mask_transformer", f"tiny_residual_transformer_{sharing}")
    rvq, masked, residual = (load_file(folder / f"{name}.safetensors") for name in names)
    return rvq, masked, residual


class Given:
    """Stands for the text encoder of the tiny weights, whose width is none of a real one's."""

    width = 20


@pytest.fixture
def tiny(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., MoMask]:
    """The tiny released model, its residual transformer with or without shared weights."""
    monkeypatch.setattr("sopo.generators.momask.text_encoder", lambda name: Given())

    def build(sharing: str = "sw") -> MoMask:
        tensors = weights(shared, sharing)
        config = config_from_published(*tensors)
        assert (config.share_weight, config.rvq.down_t, config.rvq.depth) == (sharing == "sw", 2, 3)
        plain = Normalizer(torch.zeros(12), torch.ones(12))
        return momask_from_published(*tensors, config, plain).requires_grad_(False)

    return build


def text_of(io: Numbers) -> TextEmbedding:
    pooled = io["cond"]
    # The tokens play no part: fill them so that reading them would show.
    return TextEmbedding(torch.full((len(pooled), 4, 20), 9.0), torch.ones(len(pooled), 4, dtype=torch.bool), pooled)


class Recorded:
    """Stands for Draws: hands out recorded random numbers in the order of the calls."""

    def __init__(self, *values: Tensor) -> None:
        self.pending = iter(values)

    def uniform(self, *shape: int) -> Tensor:
        values = next(self.pending)
        return values.reshape(len(values), *shape)

    def integers(self, high: int, *shape: int) -> Tensor:
        return self.uniform(*shape)


def test_rvq_vae(shared: Path, tiny: Callable[..., MoMask]) -> None:
    rvq, io = tiny().rvq, numbers(shared, "tiny_rvqvae_io")
    everywhere = torch.ones(3, 24, dtype=torch.bool)
    parity("momask/tiny_rvqvae_io", rvq.encoder(io["motion"], everywhere).transpose(1, 2), io["encoder_out"], 1e-5)
    ids = rvq.encode(io["motion"])
    parity("momask/tiny_rvqvae_io: ids", ids, io["code_idx"])
    codes = rvq.encoder(io["motion"], everywhere)
    each = [rvq.quantizer.decode(ids[..., : q + 1]) - rvq.quantizer.decode(ids[..., :q]) for q in range(1, 6)]
    layers = torch.stack([rvq.quantizer.decode(ids[..., :1]), *each]).transpose(2, 3)
    parity("momask/tiny_rvqvae_io", layers, io["layer_codes"], 1e-5)
    left = [codes - rvq.quantizer.decode(ids[..., :q]) for q in range(1, 7)]
    commitment = torch.stack([part.square().mean() for part in left]).mean()
    parity("momask/tiny_rvqvae_io", commitment, io["commit_loss"], 1e-5)
    shares = torch.nn.functional.one_hot(ids, 32).float().mean((0, 1))  # [Q, V]
    perplexity = (-(shares * (shares + 1e-7).log()).sum(1)).exp().mean()
    parity("momask/tiny_rvqvae_io: perplexity", perplexity, io["perplexity"], rtol=1e-5)
    codebooks = torch.stack([layer.codes for layer in rvq.quantizer.layers])  # type: ignore[misc]
    parity("momask/tiny_rvqvae_io: codebooks", codebooks, io["codebooks"])
    parity("momask/tiny_rvqvae_io", rvq.decode(ids), io["decoded"], 1e-5)
    parity("momask/tiny_rvqvae_io", rvq.decode(ids), io["forward_out"], 1e-5)
    parity("momask/tiny_rvqvae_io", rvq.decode(ids[..., :1]), io["decoded_first_1"], 1e-5)
    parity("momask/tiny_rvqvae_io", rvq.decode(ids[..., :3]), io["decoded_first_3"], 1e-5)
    parity("momask/tiny_rvqvae_io", rvq.decode(io["code_idx_with_minus1"]), io["decoded_with_minus1"], 1e-5)


def test_frames_beyond_the_last_token_are_dropped(shared: Path, tiny: Callable[..., MoMask]) -> None:
    rvq, io = tiny().rvq, numbers(shared, "tiny_rvqvae_io")
    ids = rvq.encode(io["motion_T22"])
    parity("momask/tiny_rvqvae_io: ids", ids, io["code_idx_T22"])
    parity("momask/tiny_rvqvae_io", rvq.decode(ids), io["decoded_T22"], 1e-5)


def test_masked_transformer(shared: Path, tiny: Callable[..., MoMask]) -> None:
    model, io = tiny().masked, numbers(shared, "tiny_mask_transformer_io")
    valid = length_mask(io["lengths"], 9)
    both = model.logits(io["ids"].repeat(2, 1), valid.repeat(2, 1), model.read_guided(text_of(io), 4))
    for ours, theirs in zip(both.chunk(2), ("cond", "uncond"), strict=True):
        parity("momask/tiny_mask_transformer_io", ours.transpose(1, 2), io[f"logits_{theirs}"], 1e-5)
    parity("momask/tiny_mask_transformer_io: guided", extrapolate(both, 4).transpose(1, 2), io["logits_scale4"], 1e-4)


def test_masked_transformer_learns_by_the_same_loss(
    shared: Path, tiny: Callable[..., MoMask], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, io = tiny().masked, numbers(shared, "tiny_mask_train_io")
    ids = io["ids"].masked_fill(~length_mask(io["lengths"], 9), -1)
    replaced, hidden = ((~io[name]).float() for name in ("mask_rid", "mask_mid"))
    draws = Recorded(io["rand_time"], io["rand_perm_values"], replaced, io["rand_id"], hidden)
    calls = watched(monkeypatch, model, "logits")
    loss = model.training_loss(ids, text_of(io), draws)  # type: ignore[arg-type]
    parity("momask/tiny_mask_train_io", loss, io["ce_loss"], 1e-5)
    valid = ids >= 0
    parity("momask/tiny_mask_train_io: ids", calls[0][1].argmax(-1)[valid], io["pred_id"][valid])


def watched(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[tuple[Any, Any]]:
    """The first argument and the result of each call of ``owner.name`` from now on."""
    calls: list[tuple[Any, Any]] = []
    plain = getattr(owner, name)

    def watching(first: Any, *rest: Any) -> Any:
        result = plain(first, *rest)
        calls.append((first, result))
        return result

    monkeypatch.setattr(owner, name, watching)
    return calls


@pytest.mark.parametrize("way", ["gumbel", "categorical"])
def test_masked_generation(
    shared: Path, tiny: Callable[..., MoMask], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, io, name = tiny().masked, numbers(shared, f"generate_mask_{way}"), f"momask/generate_mask_{way}"
    steps, valid = int(io["timesteps"]), length_mask(io["lengths"], 9)
    parity(f"{name}: schedule", masked_ratio(torch.linspace(0, 1, steps)), io["schedule"], 1e-7)
    if way == "categorical":  # drawn by other means there: the draws are recorded
        pending = iter(io["pred"])
        monkeypatch.setattr(masked_transformer, "pick", lambda logits, noise: next(pending))
    noise = iter(io.get("noise_u", torch.zeros(steps, 1)))
    networks, filters, draws = (
        watched(monkeypatch, owner, part)
        for owner, part in ((model, "logits"), (masked_transformer, "keep_top"), (masked_transformer, "pick"))
    )
    ids = model.generate(valid, text_of(io), lambda: next(noise), steps, float(io["cond_scale"]))
    parity(f"{name}: ids", ids, io["final_ids"])
    for step in range(steps):
        seen = networks[step][0][:3]
        parity(f"{name}: ids", seen[valid], io["ids_masked_in"][step][valid])
        parity(f"{name}: ids", ((seen == model.mask_id) & valid).sum(1), io["num_masked"][step])
        parity(f"{name}: ids", draws[step][1][valid], io["pred"][step][valid])
        parity(f"{name}: logits", filters[step][0][valid], io["logits"][step][valid], 1e-4)
        parity(f"{name}: logits", filters[step][1][valid], io["filtered_logits"][step][valid], 1e-4)


@each_sharing
def test_residual_transformer(shared: Path, tiny: Callable[..., MoMask], sharing: str) -> None:
    model, io = tiny(sharing).residual, numbers(shared, f"tiny_residual_transformer_{sharing}_io")
    parity(f"momask/tiny_residual_transformer_{sharing}_io", model.embeddings, io["token_embed_weight"], 1e-5)
    parity(f"momask/tiny_residual_transformer_{sharing}_io", model.projections, io["output_proj_weight"], 1e-5)
    hidden: list[Tensor] = []
    model.register_forward_hook(lambda _, __, out: hidden.append(out[:3]))
    valid, name = length_mask(io["lengths"], 9).repeat(2, 1), f"momask/tiny_residual_transformer_{sharing}_io"
    for q in (1, 3, 5):
        layer = torch.full((6,), q)
        both = model.logits(io["history_sum"].repeat(2, 1, 1), layer, valid, model.read_guided(text_of(io), 5))
        for ours, theirs in zip(both.chunk(2), ("cond", "uncond"), strict=True):
            parity(name, ours.transpose(1, 2), io[f"logits_{theirs}_q{q}"], 1e-5)
        parity(f"{name}: guided", extrapolate(both, 5).transpose(1, 2), io[f"logits_scale5_q{q}"], 1e-4)
    parity(name, hidden[1].transpose(1, 2), io["hidden_before_projection_q3"], 1e-5)


@each_sharing
def test_residual_transformer_learns_by_the_same_loss(
    shared: Path, tiny: Callable[..., MoMask], sharing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, io = tiny(sharing).residual, numbers(shared, f"tiny_residual_train_{sharing}_io")
    ids = io["all_indices"].masked_fill(~length_mask(io["lengths"], 9)[..., None], -1)
    # The uniform number whose codebook, 1 + round(4 (1 - cos(pi u / 2))), is the recorded one.
    time = torch.acos(1 - (io["active_q_layers"] - 1) / 4) * 2 / torch.pi
    calls = watched(monkeypatch, model, "logits")
    loss = model.training_loss(ids, text_of(io), Recorded(time))  # type: ignore[arg-type]
    parity(f"momask/tiny_residual_train_{sharing}_io", loss, io["ce_loss"], 1e-5)
    valid, guessed = ids[..., 0] >= 0, calls[0][1].argmax(-1)
    parity(f"momask/tiny_residual_train_{sharing}_io: ids", guessed[valid], io["pred_id"][valid])


@each_sharing
def test_residual_generation(
    shared: Path, tiny: Callable[..., MoMask], sharing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, io, name = (
        tiny(sharing),
        numbers(shared, f"generate_residual_{sharing}"),
        f"momask/generate_residual_{sharing}",
    )
    noise, valid = iter(io["noise_u"]), length_mask(io["lengths"], 9)
    networks = watched(monkeypatch, model.residual, "logits")
    filters = watched(monkeypatch, residual_transformer, "keep_top")
    ids = model.residual.generate(io["base_ids"], text_of(io), lambda: next(noise), 5)
    parity(f"{name}: ids", ids, io["all_indices"])
    for layer in range(5):
        parity(f"{name}: history", networks[layer][0][:3][valid], io["history_sum"][layer][valid], 1e-5)
        parity(f"{name}: logits", filters[layer][0][valid], io["logits_scaled"][layer][valid], 1e-4)
    full = numbers(shared, f"generate_full_{sharing}")
    parity(f"momask/generate_full_{sharing}", model.rvq.decode(ids), full["motion"], 1e-5)


@each_sharing
def test_whole_generation(shared: Path, tiny: Callable[..., MoMask], sharing: str) -> None:
    base, rest, full = (
        numbers(shared, name)
        for name in ("generate_mask_gumbel", f"generate_residual_{sharing}", f"generate_full_{sharing}")
    )
    draws = Recorded(*base["noise_u"], *rest["noise_u"])
    frames = full["lengths_frames"]
    sampling = Sampling(steps=10, guidance=4.0)
    model = tiny(sharing)
    x = model.sample(text_of(base), frames, 36, draws, sampling, K=1)  # type: ignore[arg-type]
    parity(f"momask/generate_full_{sharing}: ids", x, full["all_indices"])
    longest = model.decode(x, frames)[0]  # no padding to be seen by the others
    parity(f"momask/generate_full_{sharing}", longest, full["motion"][0], 1e-5)


def test_filter_and_schedule(shared: Path) -> None:
    io = numbers(shared, "helpers")
    parity("momask/helpers", masked_ratio(io["t"]), io["cosine_schedule"], 1e-7)
    parity("momask/helpers", keep_top(io["topk_in"], KEPT_LOGITS), io["topk_filtered"])
    for classes, kept in io["topk_k_for"].tolist():
        assert keep_top(torch.arange(classes).float(), KEPT_LOGITS).isfinite().sum() == kept


def test_length_estimator(shared: Path) -> None:
    model = length_estimator_from_published(
        load_file(shared / "parity" / "momask" / "tiny_length_estimator.safetensors")
    )
    io = numbers(shared, "tiny_length_estimator_io")
    parity("momask/tiny_length_estimator_io", model(io["text_emb"]), io["logits"], 1e-5)


@pytest.mark.parametrize("name", ["t2m", "kit"])
def test_every_key_of_a_full_size_release_finds_its_place(shared: Path, name: str) -> None:
    manifest = json.loads((shared / "parity" / "momask" / f"manifest_{name}.json").read_text())
    rvq, masked, residual, length = (
        {key: torch.zeros(1).expand(entry["shape"]) for key, entry in manifest[part].items()}
        for part in ("rvqvae", "mask_transformer", "residual_transformer", "length_estimator")
    )
    config = config_from_published(rvq, masked, residual)
    features = 263 if name == "t2m" else 251
    assert config == MoMaskConfig(rvq=dataclasses.replace(MoMaskConfig().rvq, features=features))
    plain = Normalizer(torch.zeros(features), torch.ones(features))
    model = momask_from_published(rvq, masked, residual, config, plain)  # strict: no key missing, none left
    parts = {
        "rvqvae": model.rvq,
        "mask": model.masked,
        "residual": model.residual,
        "length": length_estimator_from_published(length),
    }
    assert {part: sum(p.numel() for p in net.parameters()) for part, net in parts.items()} == manifest["n_params"]
    renamed = {"rvq": rename_rvq(rvq), "masked": rename_transformer(masked), "residual": rename_transformer(residual)}
    for part, tensors in renamed.items():
        own = {key: t.shape for key, t in getattr(model, part).state_dict().items() if "normalizer." not in key}
        same_layout(f"momask/manifest_{name}", own, {key: {"shape": list(t.shape)} for key, t in tensors.items()})
    own = {key: t.shape for key, t in parts["length"].state_dict().items()}
    same_layout(f"momask/manifest_{name}", own, manifest["length_estimator"])


def test_weights_of_something_else_are_refused(shared: Path) -> None:
    rvq, masked, residual = weights(shared)
    with pytest.raises(UserError, match="not a key of a released MoMask"):
        rename_transformer(masked | {"other": torch.zeros(1)})
    with pytest.raises(UserError, match="has no encoder"):
        config_from_published({}, masked, residual)
    with pytest.raises(UserError, match="not a key of a released MoMask"):
        rename_rvq(rvq | {"quantizer.project_in.weight": torch.zeros(1)})
