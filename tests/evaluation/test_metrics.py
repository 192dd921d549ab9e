"""The metrics: identities and bounds first, then the published numbers."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_table import parity, same_tokens
from recordings import numbered
from scipy.linalg import sqrtm

from sopo.errors import UserError
from sopo.evaluation.metrics import (
    diversity,
    draw_pairs,
    fid,
    mean_and_ci,
    mm_dist,
    multimodality,
    pool_distances,
    r_precision,
    retrieval_ranks,
)

seeds = st.integers(0, 2**31)


def pairs(seed, count, width=6, noise=1.0):
    rng = np.random.default_rng(seed)
    texts = rng.normal(size=(count, width))
    return texts, texts + noise * rng.normal(size=(count, width)), rng


@given(seeds, st.integers(1, 4), st.integers(2, 32))
@settings(max_examples=25, deadline=None)
def test_r_precision_grows_with_k_up_to_one(seed, pools, pool):
    texts, motions, _ = pairs(seed, pools * pool)
    scores = r_precision(pool_distances(texts, motions, pool), top=pool)
    assert (np.diff(scores) >= 0).all() and scores[-1] == 1


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_order_within_a_pool_and_order_of_pools_change_nothing(seed):
    texts, motions, rng = pairs(seed, 48)
    inside = rng.permutation(3)[:, None] * 16 + np.stack([rng.permutation(16) for _ in range(3)])
    plain = pool_distances(texts, motions, 16)
    mixed = pool_distances(texts, motions, 16, order=inside.ravel())
    assert np.array_equal(r_precision(plain), r_precision(mixed))
    assert mm_dist(plain) == pytest.approx(mm_dist(mixed))


def test_perfect_matches_score_one_and_lie_at_distance_zero():
    texts = pairs(0, 64, 512)[0].astype(np.float32)
    distances = pool_distances(texts, texts)
    assert np.array_equal(r_precision(distances), [1, 1, 1])
    assert mm_dist(distances) < 1e-5


def test_noise_scores_chance():
    rng = np.random.default_rng(1)
    scores = r_precision(pool_distances(*rng.normal(size=(2, 32 * 400, 8))))
    assert scores == pytest.approx(np.arange(1, 4) / 32, abs=0.006)


def test_one_motion_for_all_texts_scores_chance_not_one():
    distances = pool_distances(np.random.default_rng(0).normal(size=(64, 4)), np.ones((64, 4)))
    assert np.array_equal(r_precision(distances), np.arange(1, 4) / 32)


def test_the_last_partial_pool_is_left_out():
    texts, motions, _ = pairs(0, 70)
    assert np.array_equal(pool_distances(texts, motions), pool_distances(texts[:64], motions[:64]))


@pytest.mark.parametrize("count, width", [(400, 48), (30, 48), (3, 1), (1000, 512)])
def test_fid_equals_the_published_sqrtm_form(count, width):
    rng = np.random.default_rng(count)
    real = rng.normal(size=(count, width)) @ rng.normal(size=(width, width))
    generated = 0.5 + rng.normal(size=(count + 5, width)) @ rng.normal(size=(width, width))
    a, b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, generated))
    gap = real.mean(0) - generated.mean(0)
    expected = gap @ gap + np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b).real)
    assert fid(real, generated) == pytest.approx(expected, rel=1e-4 if count < width else 1e-6)


@given(seeds, st.integers(2, 60), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_fid_of_a_set_with_itself_is_zero_and_fid_is_symmetric(seed, count, width):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, count, width))
    assert fid(a, a) == pytest.approx(0, abs=1e-5)
    assert fid(a, b) == pytest.approx(fid(b, a), abs=1e-5)
    assert fid(a, a + 1) == pytest.approx(width, abs=1e-5)


def test_twenty_wide_fids_take_seconds_not_minutes():
    sets = np.random.default_rng(0).normal(size=(2, 1000, 512))
    began = time.process_time()
    fid(*sets)
    assert time.process_time() - began < 3


def test_pairs_are_drawn_without_replacement_and_shrink_with_the_set():
    for count, size in [(1000, 300), (300, 300), (120, 120)]:
        first, second = draw_pairs(count, 300, np.random.default_rng(0))
        assert len(set(first)) == len(first) == len(second) == size
        assert not np.array_equal(first, second)


def test_diversity_and_multimodality_of_known_points():
    line = np.arange(4.0)[:, None]
    assert diversity(line, [0, 1], [3, 1]) == 1.5
    assert multimodality(np.stack([line, 10 * line]), [0], [2]) == 11


def test_interval_of_known_values():
    mean, ci = mean_and_ci([1.0, 3.0])
    assert (mean, ci) == (2.0, pytest.approx(1.96 / np.sqrt(2)))
    assert mean_and_ci([5.0]) == (5.0, 0.0)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x: pool_distances(x[:31], x[:31]), "31 motions do not fill one pool of 32"),
        (lambda x: pool_distances(x, x[:, :2]), "not pairs"),
        (lambda x: pool_distances(x, x, order=np.zeros(40, int)), "not a permutation"),
        (lambda x: pool_distances(x, np.where(x > 2, np.nan, x)), "hold NaN or infinity"),
        (lambda x: fid(x, x[:1]), "at least 2"),
        (lambda x: fid(x, x * np.inf), "40 of 40 hold NaN"),
        (lambda x: diversity(x[0], [0], [1]), r"shape \(4,\)"),
        (lambda x: multimodality(x, [0], [1]), "repeats"),
    ],
)
def test_broken_input_is_named(call, words):
    with pytest.raises(UserError, match=words):
        call(np.random.default_rng(0).normal(size=(40, 4)) + np.eye(40, 4) * 9)


def test_parity_of_retrieval(recordings):
    data, name = recordings.arrays("metrics/retrieval_and_mmdist.npz"), "metrics/retrieval_and_mmdist"
    texts, motions = (data[f"{kind}_embeddings"].astype(np.float64) for kind in ("text", "motion"))
    distances, top = pool_distances(texts, motions, int(data["batch_size"])), data["topk_hits_per_sample"].shape[1]
    own = np.diagonal(distances, axis1=1, axis2=2)[..., None]
    others = np.where(np.eye(distances.shape[1], dtype=bool), np.inf, np.abs(distances - own))
    clear = others.min(axis=-1).ravel() > 1e-5 * distances.max()  # no other motion as near as its own
    hits = retrieval_ranks(distances).reshape(-1, 1) < np.arange(1, top + 1)
    same_tokens(f"{name}: hits", hits, data["topk_hits_per_sample"], np.repeat(clear[:, None], top, axis=1))
    shares = r_precision(distances, top) - data["R_precision_top123"]
    assert np.abs(shares).max() <= (~clear).mean() + 1e-12
    parity(f"{name}: distances", distances[0], data["dist_matrix_batch0"], rtol=1e-5)
    parity(f"{name}: MM Dist", mm_dist(distances), data["MM_Dist"], rtol=1e-5)
    traces = np.trace(distances, axis1=1, axis2=2)
    parity(f"{name}: MM Dist", traces, data["dist_trace_per_batch"], rtol=1e-5)


def test_parity_of_fid(recordings):
    data = recordings.arrays("metrics/fid.npz")
    parity("metrics/fid", fid(data["gt"], data["gen"]), data["FID"], rtol=1e-5)
    parity("metrics/fid: with itself", fid(data["gt"], data["gt"]), data["FID_self"], 1e-8, size=float(data["FID"]))
    for key, count in numbered(data, "FID_rank_deficient_{}samples"):  # fewer than dimensions
        value = fid(data["gt"], data["gt"][:count])
        parity("metrics/fid: covariance without full rank", value, data[key], rtol=1e-4)


def test_parity_of_diversity_multimodality_and_interval(recordings):
    data = recordings.arrays("metrics/diversity.npz")
    value = diversity(data["embeddings"], data["first_indices"], data["second_indices"])
    parity("metrics/diversity", value, data["diversity"], rtol=1e-5)
    data = recordings.arrays("metrics/multimodality.npz")
    value = multimodality(data["embeddings"], data["first_indices"], data["second_indices"])
    parity("metrics/multimodality", value, data["multimodality"], rtol=1e-5)
    data = recordings.arrays("metrics/replication_ci.npz")
    parity("metrics/replication_ci", mean_and_ci(data["values"]), [data["mean"], data["conf_interval"]], rtol=1e-10)
    for key, _ in numbered(data, "values_top{}"):
        top = np.stack([data[key.replace("values", part)] for part in ("mean", "conf_interval")])
        parity("metrics/replication_ci", np.stack(mean_and_ci(data[key])), top, rtol=1e-10)


def test_identical_pairs_keep_their_place_where_the_published_distance_is_nan(recordings):
    same = recordings.arrays("metrics/nan_quirk_identical_embeddings.npz")["embeddings"]
    assert np.array_equal(r_precision(pool_distances(same, same, len(same))), [1, 1, 1])
