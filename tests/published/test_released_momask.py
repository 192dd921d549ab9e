"""Our MoMask under released weights gives the numbers of the released code: floats closely, tokens exactly.

Which token is drawn is compared wherever the recorded numbers tell the first from the second by more than roundings do.
Each draw of a whole generation then goes on from the recorded one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from parity_table import parity, same_tokens
from recordings import Numbers, Recordings, each, numbered
from tiny_momask import NEAR, Build, clear
from torch import Tensor

from sopo.batch import length_mask
from sopo.diffusion.settings import Sampling
from sopo.generators import token_transformer
from sopo.generators.masked_transformer import masking_schedule
from sopo.generators.token_transformer import extrapolate
from sopo.nn.gumbel import gumbel, keep_top
from sopo.text.encoder import TextEmbedding

GUIDED = 5e-5  # of the largest logit: what the guidance scale makes of roundings
pytestmark = pytest.mark.usefixtures("float64")
each_sharing = each(
    "network",
    "momask/tiny_residual_transformer_*.safetensors",
    "momask/tiny_residual_transformer_sw",
    "momask/tiny_residual_transformer_nosw",
)
each_base = each(
    "name", "momask/generate_mask_*.npz", "momask/generate_mask_gumbel", "momask/generate_mask_categorical"
)


def sharing_of(network: str) -> str:
    return network.rpartition("_")[2]


def text_of(io: Numbers) -> TextEmbedding:
    rows, width = io["cond"].shape
    # The tokens play no part: fill them so that reading them would show.
    return TextEmbedding(torch.full((rows, 4, width), 9.0), torch.ones(rows, 4, dtype=torch.bool), io["cond"])


def valid_of(io: Numbers, tokens: int) -> Tensor:
    return length_mask(io["lengths"], tokens)


class Recorded:
    """Stands for Draws: hands out recorded random numbers in the order of the calls."""

    def __init__(self, *values: Tensor) -> None:
        self.pending = iter(values)

    def uniform(self, *shape: int) -> Tensor:
        values = next(self.pending)
        return values.reshape(len(values), *shape)

    def integers(self, high: int, *shape: int) -> Tensor:
        return self.uniform(*shape)


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


def compare_picks(
    monkeypatch: pytest.MonkeyPatch, name: str, valid: Tensor, recorded: Iterator[tuple[Tensor, Tensor]]
) -> None:
    """Each draw from now on must be the next recorded one, given with its noisy logits, and is replaced by it."""

    def picking(logits: Tensor, uniform: Tensor) -> Tensor:
        noisy, drawn = next(recorded)
        ours = (logits + gumbel(uniform)).argmax(-1)
        same_tokens(name, ours[valid], drawn[valid], clear(noisy)[valid])
        return drawn

    monkeypatch.setattr(token_transformer, "pick", picking)


def choice(io: Numbers) -> tuple[float, float]:
    """The temperature of a recorded generation, and its share of ids that a draw chooses from."""
    return max(float(io["temperature"]), 1e-10), 1 - float(io["topk_filter_thres"])


# The masked transformer ----------------------------------------------------------------------------------


def test_masked_transformer(recordings: Recordings, tiny: Build) -> None:
    model, io = tiny().masked, recordings.numbers("momask/tiny_mask_transformer_io.npz")
    ids, valid = io["ids"], valid_of(io, io["ids"].shape[1])
    assert (model.mask_id, model.pad_id) == (io["mask_id"], io["pad_id"])
    both = model.logits(ids.repeat(2, 1), valid.repeat(2, 1), model.read_guided(text_of(io), 2))
    for ours, theirs in zip(both.chunk(2), ("cond", "uncond"), strict=True):
        parity("momask/tiny_mask_transformer_io", ours.transpose(1, 2), io[f"logits_{theirs}"], 1e-5)
    for key, scale in numbered(io, "logits_scale{}"):
        guided = extrapolate(both, scale).transpose(1, 2)
        parity("momask/tiny_mask_transformer_io: guided", guided, io[key], GUIDED)


def test_masked_transformer_learns_by_the_same_loss(
    recordings: Recordings, tiny: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, io = tiny().masked, recordings.numbers("momask/tiny_mask_train_io.npz")
    ids = io["ids"].masked_fill(~valid_of(io, io["ids"].shape[1]), -1)
    replaced, hidden = ((~io[name]).double() for name in ("mask_rid", "mask_mid"))
    draws = Recorded(io["rand_time"], io["rand_perm_values"], replaced, io["rand_id"], hidden)
    calls = watched(monkeypatch, model, "logits")
    loss = model.training_loss(ids, text_of(io), draws)  # type: ignore[arg-type]
    parity("momask/tiny_mask_train_io", loss, io["ce_loss"], 1e-5)
    valid, logits = ids >= 0, calls[0][1]
    guessed = logits.argmax(-1)
    same_tokens("momask/tiny_mask_train_io: ids", guessed[valid], io["pred_id"][valid], clear(logits)[valid])


def same_filter(name: str, ours: Tensor, recorded: Tensor, unfiltered: Tensor) -> None:
    """Filtered logits [N, V], but for rows where the last to be kept and the next lie closer than roundings."""
    kept = recorded.isfinite().sum(-1, keepdim=True)
    padded = torch.nn.functional.pad(unfiltered.sort(-1, descending=True).values, (0, 1), value=-torch.inf)
    gap = (padded.gather(-1, kept - 1) - padded.gather(-1, kept))[:, 0]
    sure = gap > NEAR * unfiltered.abs().max()
    assert sure.double().mean() >= 0.75
    parity(name, ours[sure], recorded[sure], GUIDED)


def base_picks(io: Numbers) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each step of a recorded generation, the noisy logits and what was drawn from them."""
    for filtered, noise, drawn in zip(io["filtered_logits"], io["noise_u"], io["pred"], strict=True):
        yield filtered / choice(io)[0] + gumbel(noise), drawn


@each_base
def test_masked_generation(recordings: Recordings, tiny: Build, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, io = tiny().masked, recordings.numbers(f"{name}.npz")
    steps, valid = int(io["timesteps"]), valid_of(io, io["final_ids"].shape[1])
    parity(f"{name}: schedule", masking_schedule(steps), io["schedule"], 1e-7)
    if "noise_u" in io:
        compare_picks(monkeypatch, f"{name}: ids", valid, base_picks(io))
    else:  # drawn by other means there: the draws are recorded
        pending = iter(io["pred"])
        monkeypatch.setattr(token_transformer, "pick", lambda logits, noise: next(pending))
    noise = iter(io.get("noise_u", torch.zeros(steps, 1)))
    networks = watched(monkeypatch, model, "logits")
    filters = watched(monkeypatch, token_transformer, "keep_top")
    ids = model.generate(valid, text_of(io), lambda: next(noise), steps, float(io["cond_scale"]), *choice(io))
    parity(f"{name}: ids", ids, io["final_ids"])
    for step in range(steps):
        seen = networks[step][0][: len(valid)]
        parity(f"{name}: ids", seen[valid], io["ids_masked_in"][step][valid])
        parity(f"{name}: ids", ((seen == model.mask_id) & valid).sum(1), io["num_masked"][step])
        logits, recorded = filters[step][0][valid], io["logits"][step][valid]
        parity(f"{name}: logits", logits, recorded, GUIDED)
        same_filter(f"{name}: logits", filters[step][1][valid], io["filtered_logits"][step][valid], recorded)


# The residual transformer --------------------------------------------------------------------------------


@each_sharing
def test_residual_transformer(recordings: Recordings, tiny: Build, network: str) -> None:
    model, io, name = tiny(sharing_of(network)).residual, recordings.numbers(f"{network}_io.npz"), f"{network}_io"
    parity(name, model.embeddings, io["token_embed_weight"], 1e-7)
    parity(name, model.projections, io["output_proj_weight"], 1e-7)
    hidden: list[Tensor] = []
    model.register_forward_hook(lambda _, __, out: hidden.append(out))
    rows, tokens, _ = io["history_sum"].shape
    valid, history = valid_of(io, tokens).repeat(2, 1), io["history_sum"].repeat(2, 1, 1)

    def both(layer: int) -> Tensor:
        return model.logits(history, torch.full((2 * rows,), layer), valid, model.read_guided(text_of(io), 2))

    for side, part in (("cond", slice(rows)), ("uncond", slice(rows, None))):
        for key, layer in numbered(io, f"logits_{side}_q{{}}"):
            parity(name, both(layer)[part].transpose(1, 2), io[key], 1e-5)
    for key, scale, layer in numbered(io, "logits_scale{}_q{}"):
        parity(f"{name}: guided", extrapolate(both(layer), scale).transpose(1, 2), io[key], GUIDED)
    for key, layer in numbered(io, "hidden_before_projection_q{}"):
        both(layer)
        parity(name, hidden[-1][:rows].transpose(1, 2), io[key], 1e-5)


@each_sharing
def test_residual_transformer_learns_by_the_same_loss(
    recordings: Recordings, tiny: Build, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, name = tiny(sharing_of(network)).residual, f"momask/tiny_residual_train_{sharing_of(network)}_io"
    io = recordings.numbers(f"{name}.npz")
    ids = io["all_indices"].masked_fill(~valid_of(io, io["all_indices"].shape[1])[..., None], -1)
    # The uniform number whose codebook, 1 + round((Q - 2) (1 - cos(pi u / 2))), is the recorded one.
    time = torch.acos(1 - (io["active_q_layers"] - 1) / max(1, model.quantizers - 2)) * 2 / torch.pi
    calls = watched(monkeypatch, model, "logits")
    loss = model.training_loss(ids, text_of(io), Recorded(time))  # type: ignore[arg-type]
    parity(name, loss, io["ce_loss"], 1e-5)
    valid, logits = ids[..., 0] >= 0, calls[0][1]
    guessed = logits.argmax(-1)
    same_tokens(f"{name}: ids", guessed[valid], io["pred_id"][valid], clear(logits)[valid])


def residual_picks(io: Numbers, padding: int) -> Iterator[tuple[Tensor, Tensor]]:
    """As ``base_picks``, of each codebook; padding is recorded as -1."""
    temperature, share = choice(io)
    for layer, (logits, noise) in enumerate(zip(io["logits_scaled"], io["noise_u"], strict=True), 1):
        drawn = io["all_indices"][..., layer]
        yield keep_top(logits, share) / temperature + gumbel(noise), torch.where(drawn < 0, padding, drawn)


@each_sharing
def test_residual_generation(
    recordings: Recordings, tiny: Build, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, sharing = tiny(sharing_of(network)), sharing_of(network)
    name = f"momask/generate_residual_{sharing}"
    io, full = recordings.numbers(f"{name}.npz"), recordings.numbers(f"momask/generate_full_{sharing}.npz")
    noise, valid = iter(io["noise_u"]), valid_of(io, io["base_ids"].shape[1])
    compare_picks(monkeypatch, f"{name}: ids", valid, residual_picks(io, model.residual.pad_id))
    networks = watched(monkeypatch, model.residual, "logits")
    filters = watched(monkeypatch, token_transformer, "keep_top")
    text, guidance = text_of(io), float(io["cond_scale"])
    ids = model.residual.generate(io["base_ids"], text, lambda: next(noise), guidance, *choice(io))
    parity(f"{name}: ids", ids, io["all_indices"])
    for layer, recorded in enumerate(io["logits_scaled"]):
        parity(f"{name}: history", networks[layer][0][: len(valid)][valid], io["history_sum"][layer][valid], 1e-5)
        parity(f"{name}: logits", filters[layer][0][valid], recorded[valid], GUIDED)
    parity(f"momask/generate_full_{sharing}", model.rvq.decode(full["all_indices"]), full["motion"], 1e-5)


@each_sharing
def test_whole_generation(recordings: Recordings, tiny: Build, network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, sharing = tiny(sharing_of(network)), sharing_of(network)
    base, rest, full = (
        recordings.numbers(f"momask/generate_{name}.npz")
        for name in ("mask_gumbel", f"residual_{sharing}", f"full_{sharing}")
    )
    name, frames, tokens = f"momask/generate_full_{sharing}", full["lengths_frames"], full["all_indices"].shape[1]
    both = itertools.chain(base_picks(base), residual_picks(rest, model.residual.pad_id))
    compare_picks(monkeypatch, f"{name}: ids", valid_of(base, tokens), both)
    (temperature, share), (residual_temperature, residual_share) = choice(base), choice(rest)
    sampling = Sampling(
        steps=int(base["timesteps"]),
        guidance=float(base["cond_scale"]),
        temperature=temperature,
        top_share=share,
        residual_guidance=float(rest["cond_scale"]),
        residual_temperature=residual_temperature,
        residual_top_share=residual_share,
    )
    draws, longest = Recorded(*base["noise_u"], *rest["noise_u"]), tokens * model.config.rvq.frames_per_token
    x = model.sample(text_of(base), frames, longest, draws, sampling, K=1)  # type: ignore[arg-type]
    parity(f"{name}: ids", x, full["all_indices"])
    row = int(frames.argmax())  # no padding to be seen by the others
    parity(name, model.decode(x, frames)[row], full["motion"][row], 1e-5)
