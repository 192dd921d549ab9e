"""The protocol: what is paired, what is independent of what, and what is refused."""

import dataclasses

import numpy as np
import pytest
import torch

from sopo.errors import UserError
from sopo.evaluation import metrics
from sopo.evaluation.protocol import default_witnesses, evaluate
from sopo.evaluation.settings import ProtocolConfig
from sopo.evaluation.sources import RealMotions
from sopo.matching.tmr import TMR
from sopo.randomness import derive_seed

CONFIG = ProtocolConfig(runs=3, batch_size=7)
COLUMNS = ["R@1", "R@2", "R@3", "MMDist", "FID", "Diversity"]


class Noisy:
    """The real motions plus a constant offset of each, drawn from (run, key) as a generator's noise is."""

    def __init__(self, dataset, amount):
        self.real, self.amount, self.calls = RealMotions(dataset.normalizer), amount, []

    def __call__(self, batch, run):
        self.calls.append((run, batch))
        noise = [np.random.default_rng(derive_seed(run, key)).normal(size=(1, 263)) for key in batch.keys]
        return self.real(batch, run) + self.amount * torch.from_numpy(np.stack(noise)).float()


def same(a, b):
    for row in a:
        for column in a[row]:
            assert a[row][column].mean == pytest.approx(b[row][column].mean, rel=1e-5, abs=1e-8), (
                row,
                column,
            )
    return True


def test_the_real_row_matches_itself_perfectly(dataset, matcher):
    real = evaluate({}, dataset, matcher, CONFIG)["real"]
    assert list(real) == [*COLUMNS, "foot_skate", "jitter", "limb_speed", "floor_depth"]
    assert [real[f"R@{k}"].mean for k in (1, 2, 3)] == [1, 1, 1]
    assert real["FID"].mean == pytest.approx(0, abs=1e-5)
    assert real["MMDist"].mean == pytest.approx(0, abs=1e-3)
    assert real["Diversity"].ci > 0, "each run draws anew"


def test_values_are_those_of_the_metrics_on_the_drawn_batches(dataset, matcher):
    source = Noisy(dataset, 0.2)
    row = evaluate({"x": source}, dataset, matcher, ProtocolConfig(runs=1, batch_size=999))["x"]
    (_, batch), count = source.calls[0], 64
    assert len(batch) == count and len(set(batch.keys)) == count, "no partial pool"
    motion = matcher.embed_motions(source(batch, 0) * batch.mask[..., None], batch.length).numpy()
    real = matcher.embed_motions(RealMotions(dataset.normalizer)(batch, 0) * batch.mask[..., None], batch.length)
    assert row["FID"].mean == pytest.approx(metrics.fid(real.numpy(), motion), rel=1e-4)
    text = matcher.embed_texts(batch.captions).numpy()
    gaps = np.linalg.norm(text - motion, axis=1)
    assert row["MMDist"].mean == pytest.approx(gaps.mean(), rel=1e-5)
    assert row["FID"].ci == 0, "one run has no spread"


def test_worse_motions_score_worse(dataset, matcher):
    table = evaluate({"near": Noisy(dataset, 0.05), "far": Noisy(dataset, 0.4)}, dataset, matcher, CONFIG)
    assert table["near"]["R@1"].mean > table["far"]["R@1"].mean
    assert 0 < table["near"]["FID"].mean < table["far"]["FID"].mean
    assert list(table) == ["real", "near", "far"]


def test_results_depend_neither_on_batch_size_nor_on_company(dataset, matcher):
    config = ProtocolConfig(runs=2, multimodality=True, mm_texts=5, mm_repeats=4, mm_pairs=2)
    alone = evaluate({"x": Noisy(dataset, 0.1)}, dataset, matcher, config)
    other = {"other": Noisy(dataset, 0.3), "x": Noisy(dataset, 0.1)}
    joined = evaluate(other, dataset, matcher, dataclasses.replace(config, batch_size=3))
    assert same(alone, joined)


def test_draws_are_repeated_by_a_seed_and_changed_by_another(dataset, matcher):
    def table(seed):
        return evaluate({"x": Noisy(dataset, 0.1)}, dataset, matcher, dataclasses.replace(CONFIG, seed=seed))

    assert table(3) == table(3)
    assert table(3)["x"]["Diversity"] != table(4)["x"]["Diversity"]


def test_all_sources_see_the_same_draw_and_runs_differ(dataset, matcher):
    a, b = Noisy(dataset, 0.1), Noisy(dataset, 0.1)
    table = evaluate({"a": a, "b": b}, dataset, matcher, CONFIG)
    assert table["a"] == table["b"]
    for (run_a, batch_a), (run_b, batch_b) in zip(a.calls, b.calls, strict=True):
        assert (run_a, batch_a.keys, batch_a.captions) == (run_b, batch_b.keys, batch_b.captions)
        assert torch.equal(batch_a.motion, batch_b.motion)
    captions = [{c for r, batch in a.calls if r == run for c in batch.captions} for run in range(3)]
    assert captions[0] != captions[1] != captions[2]


def test_chunks_hold_like_lengths_without_spare_frames(dataset, matcher):
    source = Noisy(dataset, 0.1)
    evaluate({"x": source}, dataset, matcher, dataclasses.replace(CONFIG, runs=1))
    lengths = torch.cat([batch.length for _, batch in source.calls])
    assert torch.equal(lengths, lengths.sort().values)
    assert all(batch.motion.shape[1] == batch.length.max() for _, batch in source.calls)


def test_a_caption_is_embedded_once(dataset, matcher):
    evaluate({"x": Noisy(dataset, 0.1)}, dataset, matcher, ProtocolConfig(runs=4))
    assert len(matcher.asked) == len(set(matcher.asked)) <= 148


def test_fewer_samples_for_systems_leave_the_real_motions_whole(dataset, matcher):
    source, config = Noisy(dataset, 0.1), ProtocolConfig(runs=1, pool=16, samples=40)
    counts = []
    witness = {"n": lambda motions, length, batch: counts.append(len(batch)) or torch.zeros(len(batch))}
    evaluate({"x": source}, dataset, matcher, config, witness)
    assert sum(len(batch) for _, batch in source.calls) == 32
    assert sum(counts) == 32 + 64


def test_multimodality_repeats_texts_with_new_noise(dataset, matcher):
    source = Noisy(dataset, 0.5)
    config = ProtocolConfig(runs=2, multimodality=True, mm_texts=6, mm_repeats=5, mm_pairs=2)
    seen = []
    table = evaluate({"x": source}, dataset, matcher, config, {}, lambda *at: seen.append(at))
    assert "MultiModality" not in table["real"], "there is one real motion for a text"
    # Two offsets of 263 normal numbers are 0.5 sqrt(2 * 263) apart; a motion may also meet itself.
    assert 0.2 * 11.5 < table["x"]["MultiModality"].mean < 11.6
    assert len({run for run, _ in source.calls}) == 2 + 2 * 5
    assert seen[-1] == (2 * (64 + 64 + 6 * 5),) * 2


def test_witnesses_get_raw_motions_and_may_abstain(dataset, matcher):
    def root_height(motions, length, batch):
        assert (motions[~(torch.arange(motions.shape[1]) < length[:, None])] == 0).all()
        return motions[:, 0, 3]

    def even_only(motions, length, batch):
        numbers = np.array([int(key) for key in batch.keys])
        return np.where(numbers % 2 == 0, 1.0, np.nan)

    witnesses = {
        "height": root_height,
        "even": even_only,
        "never": lambda m, n, b: torch.full((len(b),), np.nan),
    }
    row = evaluate({}, dataset, matcher, CONFIG, witnesses)["real"]
    heights = [item.features[0, 3] for item in dataset.items]
    assert row["height"].mean == pytest.approx(np.mean(heights), abs=0.02)
    assert row["even"].mean == 1 and np.isnan(row["never"].mean)


def test_default_witnesses_find_faults(dataset):
    motions = torch.zeros(1, 40, 263)
    motions[:, :, 1] = 0.1  # a body at floor height that glides at 2 m/s
    motions[:, :, 3] = -0.02
    values = {name: w(motions, torch.tensor([40]), None) for name, w in default_witnesses(dataset.skeleton).items()}
    assert values["foot_skate"] == 1 and values["jitter"] == pytest.approx(0, abs=1e-2)
    assert values["floor_depth"] == pytest.approx(20, rel=1e-4)


def test_tmr_embeddings_are_compared_by_angle(dataset, matcher):
    class Angles(TMR):
        def __init__(self):
            torch.nn.Module.__init__(self)

        def embed_motions(self, motions, length):
            return matcher.embed_motions(motions, length) * length[:, None]

        def embed_texts(self, captions):
            return matcher.embed_texts(captions)

    row = evaluate({}, dataset, Angles(), CONFIG, {})["real"]
    assert row["R@1"].mean == 1 and row["MMDist"].mean < 1e-3


def test_a_system_may_choose_its_lengths(dataset, matcher):
    real = RealMotions(dataset.normalizer)

    def half(batch, run):
        return real(batch, run), batch.length // 2

    table = evaluate({"half": half}, dataset, matcher, CONFIG, {})
    assert table["half"]["MMDist"].mean == pytest.approx(0, abs=1e-3), "frames after the length must not count"


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda batch: torch.zeros(len(batch), 4, 263), "gave motions of shape"),
        (lambda batch: torch.zeros(len(batch), 99, 251), "gave motions of shape"),
        (lambda batch: torch.zeros(1, 99, 263), "gave motions of shape"),
        (lambda batch: torch.full((len(batch), 99, 263), torch.nan), "bad: the motion for '0000.*NaN"),
    ],
)
def test_unusable_motions_are_named(dataset, matcher, make, words):
    with pytest.raises(UserError, match=words):
        evaluate({"bad": lambda batch, run: make(batch)}, dataset, matcher, CONFIG)


def test_a_broken_matcher_is_named(dataset, matcher):
    matcher.embed_motions = lambda motions, length: torch.full((len(motions), 263), torch.nan)
    with pytest.raises(UserError, match="motion embeddings: 64 of 64 hold NaN"):
        evaluate({}, dataset, matcher, CONFIG)


def test_bad_requests_are_refused(dataset, matcher):
    with pytest.raises(UserError, match="74 motions: they do not fill one pool of 100"):
        evaluate({}, dataset, matcher, ProtocolConfig(pool=100))
    with pytest.raises(UserError, match="cannot be called 'real'"):
        evaluate({"real": Noisy(dataset, 0)}, dataset, matcher, CONFIG)
    for wrong in ({"runs": 0}, {"pool": 1}, {"samples": 31}, {"mm_pairs": 31}, {"mm_texts": 2000}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            ProtocolConfig(**wrong)


def test_a_motion_that_comes_back_is_embedded_once(dataset, matcher, monkeypatch):
    seen = []
    embed = matcher.embed_motions

    def counted(motions, length):
        seen.append(len(motions))
        return embed(motions, length)

    monkeypatch.setattr(matcher, "embed_motions", counted)
    drawn = 12 * 64
    real = evaluate({}, dataset, matcher, dataclasses.replace(CONFIG, runs=12), witnesses={})["real"]
    crops = {len(item) % 4 for item in dataset.items}
    assert crops and sum(seen) < 0.7 * drawn  # a clip has 9 crops at the most, and 12 runs draw them
    seen.clear()
    evaluate({"made": Noisy(dataset, 0.1)}, dataset, matcher, CONFIG, witnesses={})
    assert sum(seen) >= 3 * 64  # another motion in every run, which nobody remembers
    assert real["Diversity"].ci > 0
