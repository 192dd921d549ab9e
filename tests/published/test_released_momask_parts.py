"""Our RVQ-VAE, length estimator and filters under released weights; every key of a full-size MoMask finds its place."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from parity_table import parity, same_layout, same_tokens
from recordings import Recordings, numbered
from tiny_momask import Build, clear, weights
from torch import Tensor

from sopo.errors import UserError
from sopo.generators.masked_transformer import masked_ratio
from sopo.generators.settings import MoMaskConfig
from sopo.generators.token_transformer import TOP_SHARE
from sopo.motion.normalize import Normalizer
from sopo.nn.gumbel import keep_top
from sopo.published.momask import (
    config_from_published,
    length_estimator_from_published,
    momask_from_published,
    rename_rvq,
    rename_transformer,
)

pytestmark = pytest.mark.usefixtures("float64")


def clear_codes(rvq: Any, codes: Tensor, ids: Tensor) -> Tensor:
    """Codes [B, n, W] and recorded ids [B, n, Q]: where each id so far was the nearest by more than roundings are."""
    sure = []
    for q, layer in enumerate(rvq.quantizer.layers):
        sure.append(clear(-layer.distance(codes - rvq.quantizer.decode(ids[..., :q]))))
    return torch.stack(sure, -1).cumprod(-1).bool()


def test_rvq_vae(recordings: Recordings, tiny: Build) -> None:
    rvq, io, name = tiny().rvq, recordings.numbers("momask/tiny_rvqvae_io.npz"), "momask/tiny_rvqvae_io"
    everywhere = torch.ones(io["motion"].shape[:2], dtype=torch.bool)
    codes, ids = rvq.encoder(io["motion"], everywhere), io["code_idx"]
    parity(name, codes.transpose(1, 2), io["encoder_out"], 1e-5)
    same_tokens(f"{name}: ids", rvq.encode(io["motion"]), ids, clear_codes(rvq, codes, ids))
    sums = torch.stack([rvq.quantizer.decode(ids[..., :q]) for q in range(1, ids.shape[-1] + 1)])
    layers = torch.cat([sums[:1], sums.diff(dim=0)])
    parity(name, layers.transpose(2, 3), io["layer_codes"], 1e-5)
    parity(name, (codes - sums).square().mean(), io["commit_loss"], 1e-5)
    shares = torch.nn.functional.one_hot(ids, rvq.config.codes).double().mean((0, 1))  # [Q, V]
    perplexity = (-(shares * (shares + 1e-7).log()).sum(1)).exp().mean()
    parity(f"{name}: perplexity", perplexity, io["perplexity"], 1e-5)
    codebooks = torch.stack([layer.codes for layer in rvq.quantizer.layers])  # type: ignore[misc]
    parity(f"{name}: codebooks", codebooks, io["codebooks"])
    parity(name, rvq.decode(ids), io["decoded"], 1e-5)
    parity(name, rvq.decode(ids), io["forward_out"], 1e-5)
    for key, count in numbered(io, "decoded_first_{}"):
        parity(name, rvq.decode(ids[..., :count]), io[key], 1e-5)
    parity(name, rvq.decode(io["code_idx_with_minus1"]), io["decoded_with_minus1"], 1e-5)


def test_frames_beyond_the_last_token_are_dropped(recordings: Recordings, tiny: Build) -> None:
    rvq, io = tiny().rvq, recordings.numbers("momask/tiny_rvqvae_io.npz")
    for key, frames in numbered(io, "motion_T{}"):
        motion, recorded = io[key], io[f"code_idx_T{frames}"]
        assert motion.shape[1] == frames
        codes = rvq.encoder(motion, torch.ones(motion.shape[:2], dtype=torch.bool))
        sure = clear_codes(rvq, codes, recorded)
        same_tokens("momask/tiny_rvqvae_io: ids", rvq.encode(motion), recorded, sure)
        parity("momask/tiny_rvqvae_io", rvq.decode(recorded), io[f"decoded_T{frames}"], 1e-5)


def test_filter_and_schedule(recordings: Recordings) -> None:
    io = recordings.numbers("momask/helpers.npz")
    parity("momask/helpers", masked_ratio(io["t"]), io["cosine_schedule"], 1e-6)
    share = 1 - float(io.get("topk_filter_thres", 1 - TOP_SHARE))
    parity("momask/helpers", keep_top(io["topk_in"], share), io["topk_filtered"])
    for classes, kept in io["topk_k_for"].tolist():
        assert keep_top(torch.arange(classes).double(), share).isfinite().sum() == kept


def test_length_estimator(recordings: Recordings) -> None:
    model = length_estimator_from_published(recordings.weights("momask/tiny_length_estimator.safetensors"))
    io = recordings.numbers("momask/tiny_length_estimator_io.npz")
    parity("momask/tiny_length_estimator_io", model(io["text_emb"]), io["logits"], 1e-5)


@pytest.mark.parametrize("name", ["t2m", "kit"])
def test_every_key_of_a_full_size_release_finds_its_place(recordings: Recordings, name: str) -> None:
    manifest = recordings.json(f"momask/manifest_{name}.json")
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


def test_weights_of_something_else_are_refused(recordings: Recordings) -> None:
    rvq, masked, residual = weights(recordings, "*")
    with pytest.raises(UserError, match="not a key of a released MoMask"):
        rename_transformer(masked | {"other": torch.zeros(1)})
    with pytest.raises(UserError, match="has no encoder"):
        config_from_published({}, masked, residual)
    with pytest.raises(UserError, match="not a key of a released MoMask"):
        rename_rvq(rvq | {"quantizer.project_in.weight": torch.zeros(1)})
