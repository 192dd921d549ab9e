"""Properties of MoMask that hold for any weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sopo.batch import Batch, as_captions, length_mask
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.length_estimator import LengthEstimator
from sopo.generators.masked_transformer import masking_schedule
from sopo.generators.momask import MoMask, TokenDraw
from sopo.generators.settings import LengthEstimatorConfig, MoMaskConfig, RVQVAEConfig, TokenTransformerConfig
from sopo.preference.objective import PreferenceObjective
from sopo.preference.ratio import log_ratio
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws
from sopo.recipes.build import load_generator
from sopo.rewards.reward import Reward

TEXTS = as_captions(["a person walks", "someone waves the left hand twice", "jump", "a man kicks with the right foot"])
LENGTH = torch.tensor([24, 12, 4, 16])
each_shape = pytest.mark.parametrize(
    "shape", [{}, {"text_layers": 1}, {"share_weight": False}], ids=["pooled", "tokens", "own-weights"]
)


def model_of(share_weight: bool = True, **sizes: Any) -> MoMask:
    tiny = TokenTransformerConfig(**{"width": 16, "feedforward": 24, "layers": 2, "heads": 2, **sizes})
    rvq = RVQVAEConfig(features=251, width=12, code_dim=6, codes=16, quantizers=4, depth=1)
    model = MoMask(MoMaskConfig(rvq, tiny, tiny, text_encoder="hashed-16", share_weight=share_weight)).eval()
    with torch.no_grad():  # as if trained: the published start is so small that the text hardly matters
        for parameter in (*model.masked.parameters(), *model.residual.parameters()):
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def batch_of() -> Batch:
    motion = torch.randn(4, 24, 251) * length_mask(LENGTH, 24)[..., None]
    return Batch(motion, LENGTH, TEXTS, ("a", "b", "c", "d"))


@each_shape
@pytest.mark.usefixtures("float64")
def test_padding_changes_nothing(shape: dict[str, Any]) -> None:
    model, batch = model_of(**shape), batch_of()
    x = model.encode(batch)
    assert x.shape == (4, 6, 4) and ((x[..., 0] >= 0).sum(1) == LENGTH // 4).all()
    draw = model.draw(x, Draws(1, 4))
    expected = model.nll(x, LENGTH, model.embed(TEXTS), draw)
    assert expected.shape == (4,)
    for i, n in enumerate((LENGTH // 4).tolist()):  # alone, without any padding
        one = TokenDraw(draw.mask[i : i + 1, :n], draw.layer[i : i + 1])
        alone = model.nll(x[i : i + 1, :n], LENGTH[i : i + 1], model.embed(TEXTS[i : i + 1]), one)
        torch.testing.assert_close(alone, expected[i : i + 1])
    motion = model.decode(x, LENGTH)
    assert (motion[~batch.mask] == 0).all()


def test_a_half_of_an_odd_number_of_tokens_is_the_same_number_on_every_cpu() -> None:
    assert (masking_schedule(10) * 9).round().tolist() == [9, 9, 8, 8, 7, 6, 4, 3, 2, 0]  # published: 4, not 5
    assert masking_schedule(1).tolist() == [1]


def test_a_mask_covers_valid_tokens_only_and_at_least_one() -> None:
    model = model_of()
    x = model.encode(batch_of()).repeat(200, 1, 1)
    draw = model.draw(x, Draws(1, len(x)))
    valid = x[..., 0] >= 0
    assert not (draw.mask & ~valid).any()
    assert (draw.mask.sum(1) >= 1).all()
    share = (draw.mask.sum(1) / valid.sum(1))[0::4]
    assert share.mean() == pytest.approx(2 / torch.pi, abs=0.08)  # of the cosine
    assert draw.layer.unique().tolist() == [1, 2, 3]


def test_the_noisiest_draws_mask_the_most() -> None:
    model = model_of()
    x = model.encode(batch_of())
    x, valid = x.repeat(64, 1, 1), (x[..., 0] >= 0).repeat(64, 1)
    share = model.draw(x, Draws(1, len(x)), noisiest=0.5).mask.sum(1) / valid.sum(1)
    assert share.min() > 0.5 and share.mean() == pytest.approx(2 * 2**0.5 / torch.pi, abs=0.08)  # cosine's first half


def test_a_pair_shares_mask_and_codebook() -> None:
    model = model_of()
    x = model.encode(batch_of())
    draws = Draws(1, 4)
    first, second = model.draw(x, draws), model.draw(x, draws)
    assert not torch.equal(first.mask, second.mask)
    paired = second.paired_with(first)
    assert torch.equal(paired.mask, first.mask) and torch.equal(paired.layer, first.layer)
    rows = paired.rows(torch.tensor([2, 0]))
    assert torch.equal(rows.mask, first.mask[[2, 0]]) and torch.equal(rows.layer, first.layer[[2, 0]])


@pytest.mark.usefixtures("float64")
def test_nll_is_the_mean_of_what_the_transformers_give_the_tokens() -> None:
    model = model_of()
    x, text = model.encode(batch_of()), model.embed(TEXTS)
    draw = model.draw(x, Draws(1, 4))
    valid = x[..., 0] >= 0
    hidden = x[..., 0].masked_fill(draw.mask, model.masked.mask_id)
    p = model.masked.logits(hidden, valid, model.masked.read(text)).softmax(-1)
    ids = torch.where(valid[..., None], x, 16)
    q = model.residual.logits(
        model.residual.history(ids, draw.layer), draw.layer, valid, model.residual.read(text)
    ).softmax(-1)
    for i, expected in enumerate(model.nll(x, LENGTH, text, draw)):
        tokens = draw.mask[i].nonzero()[:, 0]
        base = -p[i, tokens, x[i, tokens, 0]].log().mean()
        every = torch.arange(int(valid[i].sum()))
        rest = -q[i, every, x[i, every, draw.layer[i]]].log().mean()
        torch.testing.assert_close(base + rest, expected)


def test_history_is_the_sum_of_the_layers_before() -> None:
    model = model_of().residual
    ids = torch.randint(17, (2, 5, 4))
    first, third = model.history(ids, torch.tensor([1, 3]))
    tables = model.embeddings
    torch.testing.assert_close(first, tables[0][ids[0, :, 0]])
    torch.testing.assert_close(third, sum(tables[q][ids[1, :, q]] for q in range(3)))


@each_shape
@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.usefixtures("float64")
def test_a_shard_samples_its_rows_of_the_whole(shape: dict[str, Any], guidance: float) -> None:
    model, sampling = model_of(**shape), Sampling(steps=4, guidance=guidance)
    draws, part = Draws(3, 4), Draws(3, 4, 2, 4)
    whole = model.sample(model.embed(TEXTS), LENGTH, 24, draws, sampling, K=3)
    shard = model.sample(model.embed(TEXTS[2:]), LENGTH[2:], 24, part, sampling, K=3)
    assert whole.shape == (12, 6, 4) and whole.dtype == torch.int64
    assert torch.equal(shard, whole[6:])
    assert torch.equal(draws.normal(5)[2:], part.normal(5))
    base = whole[..., 0]
    assert ((base >= 0) == length_mask(LENGTH // 4, 6).repeat_interleave(3, 0)).all() and base.max() < 16


def test_samples_differ_and_the_seed_repeats_them() -> None:
    model, text, sampling = model_of(), None, Sampling(guidance=2.0)
    text = model.embed(TEXTS)
    first, again, other = (model.sample(text, LENGTH, 24, Draws(seed, 4), sampling, K=2) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_ancestral_samples_follow_the_models_own_distribution() -> None:
    """Two tokens in two steps: either is revealed first, from all ids, and the other given it."""
    model, count = model_of(), 100_000
    length = torch.tensor([8])
    condition = model.embed(TEXTS[:1])
    V, mask = model.masked.codes, model.masked.mask_id

    def conditional(ids: list[list[int]]) -> Tensor:  # [rows, 2, V]
        rows = torch.tensor(ids)
        memory = model.masked.read(condition).expand(len(rows), -1, -1)
        return model.masked.logits(rows, torch.ones_like(rows, dtype=torch.bool), memory).softmax(-1)

    with torch.no_grad():
        first = conditional([[mask, mask]])[0]
        after_first = conditional([[i, mask] for i in range(V)])[:, 1]
        after_second = conditional([[mask, i] for i in range(V)])[:, 0]
    expected = 0.5 * first[0][:, None] * after_first + 0.5 * (first[1][:, None] * after_second).T
    distances, residuals = [], []
    for sampler in ("ddpm", "ddim"):
        x = model.sample(condition, length, 8, Draws(0, 1), Sampling(sampler, 2, 1.0), count)
        seen = torch.bincount(x[:, 0, 0] * V + x[:, 1, 0], minlength=V * V).view(V, V) / count
        distances.append(float(0.5 * (seen - expected).abs().sum()))
        common = int(seen.argmax())
        same = (x[:, 0, 0] == common // V) & (x[:, 1, 0] == common % V)
        residuals.append(len(x[same, 0, 1].unique()))
    assert distances[0] < 0.03 < 0.2 < distances[1]  # the published sampler draws from the likeliest tenth
    assert residuals[0] > 2 >= residuals[1]


def test_without_guidance_neither_transformer_is_guided() -> None:
    model, text = model_of(), None
    text = model.embed(TEXTS)
    samples = []
    for scale in (5.0, 9.0):
        object.__setattr__(model.config, "residual_guidance", scale)
        samples.append([model.sample(text, LENGTH, 24, Draws(0, 4), Sampling(guidance=g), K=1) for g in (1.0, 2.0)])
    assert torch.equal(samples[0][0], samples[1][0])
    assert torch.equal(samples[0][1][..., 0], samples[1][1][..., 0])
    assert not torch.equal(samples[0][1], samples[1][1])


def test_at_temperature_0_or_from_the_best_id_alone_nothing_is_left_to_chance() -> None:
    model = model_of()
    text = model.embed(TEXTS)

    def drawn(seed: int, **how: float) -> Tensor:
        return model.sample(text, LENGTH, 24, Draws(seed, 4), Sampling(steps=4, guidance=2.0, **how), K=1)  # type: ignore[arg-type]

    best = drawn(0, temperature=0, residual_temperature=0)
    assert torch.equal(best, drawn(1, temperature=0, residual_temperature=0))
    assert torch.equal(best, drawn(1, top_share=1 / 17, residual_top_share=1 / 17))  # of 16 ids, and of 17
    other = drawn(1, temperature=0)
    assert torch.equal(best[..., 0], other[..., 0]) and not torch.equal(best, other)
    assert not torch.equal(best[..., 0], drawn(1, residual_temperature=0)[..., 0])


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_a_share_of_ids_is_drawn_from(sampler: str) -> None:
    model, text = model_of(), None
    text = model.embed(TEXTS[:1])

    def ids(**how: float) -> list[int]:
        """How many different ids one step draws of the first token, and of its first residual."""
        sampling = Sampling(sampler, 1, 1.0, temperature=50.0, residual_temperature=50.0, **how)  # type: ignore[arg-type]
        x = model.sample(text, torch.tensor([4]), 4, Draws(0, 1), sampling, 500)
        first = x[:, 0, 0] == x[0, 0, 0]
        return [len(x[:, 0, 0].unique()), len(x[first, 0, 1].unique())]

    assert ids(top_share=0.25, residual_top_share=0.1) == [4, 2]
    assert ids(top_share=1.0, residual_top_share=1.0)[0] == 16
    assert ids()[0] == (2 if sampler == "ddim" else 16)  # published: a tenth; ddpm: the model's own distribution


def test_residual_tokens_have_their_own_guidance() -> None:
    model, text = model_of(), None
    text = model.embed(TEXTS)
    plain, own, other = (
        model.sample(text, LENGTH, 24, Draws(0, 4), Sampling(guidance=g, residual_guidance=r), K=1)
        for g, r in ((2.0, None), (2.0, 5.0), (2.0, 40.0))
    )
    assert torch.equal(plain, own)  # the model's, published: 5
    assert torch.equal(plain[..., 0], other[..., 0]) and not torch.equal(plain, other)
    unguided, guided = (
        model.sample(text, LENGTH, 24, Draws(0, 4), Sampling(guidance=1.0, residual_guidance=r), K=1)
        for r in (None, 40.0)
    )
    assert torch.equal(unguided[..., 0], guided[..., 0]) and not torch.equal(unguided, guided)


@each_shape
def test_equal_models_have_no_ratio_and_the_policy_alone_a_gradient(shape: dict[str, Any], tmp_path: Path) -> None:
    model = model_of(**shape)
    reference = load_generator(model.save_pretrained(tmp_path / "momask")).requires_grad_(False)
    assert isinstance(reference, MoMask)
    x, text = model.sample(model.embed(TEXTS), LENGTH, 24, Draws(0, 4), Sampling(), K=1), model.embed(TEXTS)
    h, _ = log_ratio(model, reference, x, LENGTH, text, model.draw(x, Draws(1, 4)))
    assert torch.equal(h, torch.zeros(4))
    h.sum().backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert any(name.startswith("masked.") for name in moved) and any(name.startswith("residual.") for name in moved)
    assert not any(name.startswith("rvq.") for name in moved)
    with torch.no_grad():
        for parameter in model.masked.parameters():
            parameter.mul_(1.05)
    assert (log_ratio(model, reference, x, LENGTH, text, model.draw(x, Draws(1, 4)))[0] != 0).all()


def test_the_rvq_vae_stays_as_it_is() -> None:
    model = model_of().train()
    before = {name: value.clone() for name, value in model.rvq.state_dict().items()}
    assert not model.rvq.training and not any(p.requires_grad for p in model.rvq.parameters())
    model.training_loss(batch_of(), Draws(0, 4)).backward()
    assert all(torch.equal(value, before[name]) for name, value in model.rvq.state_dict().items())


def test_conditions_are_dropped_in_training_only() -> None:
    model, batch = model_of(drop_condition=1.0, dropout=0.0), batch_of()
    other = Batch(batch.motion, LENGTH, TEXTS[::-1], batch.keys)

    def loss(batch: Batch) -> Tensor:
        return model.training_loss(batch, Draws(0, 4))

    assert loss(batch) != loss(other)
    model.train()
    assert loss(batch) == loss(other)


def test_training_reduces_the_loss_and_samples_obey_the_text() -> None:
    torch.manual_seed(0)
    model = model_of(text_layers=1, dropout=0.0).train()
    batch = batch_of()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    losses = []
    for step in range(120):
        loss = model.training_loss(batch, Draws(step, 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    model.eval()
    x = model.encode(batch)
    sampled = model.sample(model.embed(TEXTS), LENGTH, 24, Draws(0, 4), Sampling(guidance=2.0), K=1)
    valid = x[..., 0] >= 0
    assert (sampled == x)[valid].float().mean() > 0.5  # 1/16 by chance


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="multiple of heads"):
        TokenTransformerConfig(width=30, heads=4)
    with pytest.raises(UserError, match="quantizers is 1"):
        MoMaskConfig(RVQVAEConfig(quantizers=1))
    model = model_of()
    with pytest.raises(UserError, match="multiple of 4 frames"):
        model.sample(model.embed(TEXTS), LENGTH + 1, 25, Draws(0, 4), Sampling(), K=1)


def test_lengths_are_drawn_in_whole_tokens() -> None:
    model = LengthEstimator(LengthEstimatorConfig(text_width=16, classes=10)).eval()
    text = model_of().embed(TEXTS)
    length = model.sample(text, Draws(0, 4))
    assert length.shape == (4,) and (length % 4 == 0).all() and length.max() < 40
    assert torch.equal(length[1:3], model.sample(text.rows(slice(1, 3)), Draws(0, 4, 1, 3)))
    with pytest.raises(UserError, match="reads texts of 8 numbers, not of 16"):
        LengthEstimator(LengthEstimatorConfig(text_width=8)).sample(text, Draws(0, 4))


@pytest.mark.parametrize("method", ["sopo", "online-dpo"])
def test_every_objective_finds_a_gradient(method: str) -> None:
    class FirstFeature(Reward):
        range = (-1.0, 1.0)

        def score(self, motions: Tensor, length: Tensor, captions: Any) -> Tensor:
            return torch.tanh(self.embed_motions(motions, length)[:, 0])

        def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor:
            return motions.sum(1) / length[:, None]

        def describe(self) -> str:
            return "the mean of the first feature"

    model = model_of()
    config = PreferenceConfig(method, K=2, rollout=Sampling(steps=2, guidance=1.0))
    objective = PreferenceObjective(model, FirstFeature(), config, tau=1.0)
    loss, values = objective(batch_of(), Draws(0, 4))
    loss.backward()
    assert values["h_w"] == 0  # the reference is the model itself
    for part in (model.masked, model.residual):
        assert any(p.grad is not None and p.grad.any() for p in part.parameters())
