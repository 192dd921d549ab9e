"""The measures of Guo et al. (T2M, 72df96e; MDM eval/eval_humanml.py, d4fd88c), on embeddings alone.

N motions, P pools of S pairs, E embedding; arrays of numbers or CPU tensors, computed in float64.
Every function raises UserError on embeddings that are not finite or too few.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sopo.errors import UserError

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def pool_distances(texts: ArrayLike, motions: ArrayLike, pool: int = 32, order: ArrayLike | None = None) -> Array:
    """Euclidean distances [P, S, S] inside pools of S = ``pool`` pairs: rows are texts, columns motions.

    texts, motions: [N, E], row by row a pair. order: a permutation of 0..N-1 that is cut into pools (default:
    as they come); pairs that do not fill a last pool are left out, as the published loaders drop them.
    """
    texts, motions = _embeddings(texts, "text"), _embeddings(motions, "motion")
    if texts.shape != motions.shape:
        raise UserError(f"text embeddings {texts.shape} and motion embeddings {motions.shape} are not pairs")
    pools = len(texts) // pool
    if pools == 0:
        raise UserError(f"{len(texts)} motions do not fill one pool of {pool}: evaluate more, or a smaller pool")
    chosen = np.arange(len(texts)) if order is None else np.asarray(order)
    if not np.array_equal(np.sort(chosen), np.arange(len(texts))):
        raise UserError(f"the order of the pools is not a permutation of the {len(texts)} motions")
    chosen = chosen[: pools * pool].reshape(pools, pool)
    a, b = texts[chosen], motions[chosen]  # [P, S, E]
    squared = (a**2).sum(-1)[:, :, None] + (b**2).sum(-1)[:, None, :] - 2 * a @ b.transpose(0, 2, 1)
    # Rounding may leave less than 0 for equal pairs: the published code gets NaN there, which ranks last.
    return np.sqrt(np.maximum(squared, 0))


def retrieval_ranks(distances: Array) -> Indices:
    """Place [P, S] of each text's own motion among the S of its pool, 0 = nearest.

    Equal distances count in order of column, so motions that are all alike score chance, not 1.
    """
    own = np.diagonal(distances, axis1=1, axis2=2)[:, :, None]  # [P, S, 1]
    earlier = np.tri(distances.shape[1], k=-1, dtype=bool)
    return ((distances < own) | ((distances == own) & earlier)).sum(-1)


def r_precision(distances: Array, top: int = 3) -> Array:
    """R-Precision [top]: share of texts whose own motion is among the k nearest of its pool, k = 1..top."""
    return (retrieval_ranks(distances)[..., None] < np.arange(1, top + 1)).mean((0, 1))


def mm_dist(distances: Array) -> float:
    """MM Dist: mean distance of a text to its own motion (T2M's "Matching Score")."""
    return float(np.diagonal(distances, axis1=1, axis2=2).mean())


def fid(real: ArrayLike, generated: ArrayLike) -> float:
    """Frechet distance |mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two sets [N, E], [M, E].

    (C1 C2)^(1/2) has the trace of the symmetric (C1^(1/2) C2 C1^(1/2))^(1/2), so eigenvalues do what the
    published ``scipy.linalg.sqrtm`` does, an order of magnitude faster and with no imaginary part to drop.
    """
    real, generated = _embeddings(real, "real", least=2), _embeddings(generated, "generated", least=2)
    cov_real, cov_generated = np.atleast_2d(np.cov(real, rowvar=False), np.cov(generated, rowvar=False))
    values, vectors = np.linalg.eigh(cov_real)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ cov_generated @ root)
    gap = real.mean(0) - generated.mean(0)
    trace = np.trace(cov_real) + np.trace(cov_generated) - 2 * np.sqrt(np.maximum(cross, 0)).sum()
    return float(gap @ gap + trace)


def draw_pairs(count: int, pairs: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Two index sets of min(``pairs``, ``count``) each, without replacement within a set (published rule).

    The sets are independent, so a sample may meet itself. The published code fails on sets no larger than
    ``pairs``; here each sample of a small set then occurs once on either side.
    """
    size = min(pairs, count)
    return rng.choice(count, size, replace=False), rng.choice(count, size, replace=False)


def diversity(embeddings: ArrayLike, first: ArrayLike, second: ArrayLike) -> float:
    """Diversity: mean distance of embeddings [N, E] between two index sets (``draw_pairs(N, 300, rng)``)."""
    embeddings = _embeddings(embeddings, "motion", least=2)
    return float(np.linalg.norm(embeddings[np.asarray(first)] - embeddings[np.asarray(second)], axis=-1).mean())


def multimodality(embeddings: ArrayLike, first: ArrayLike, second: ArrayLike) -> float:
    """MultiModality: mean distance among motions of one text, embeddings [texts, repeats, E].

    The index sets over the repeats (``draw_pairs(30, 10, rng)``) are shared by all texts.
    """
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if embeddings.ndim != 3 or embeddings.shape[1] < 2:
        raise UserError(f"MultiModality: expected [texts, 2 or more repeats, E], got {embeddings.shape}")
    _embeddings(embeddings.reshape(-1, embeddings.shape[-1]), "repeated motion")
    gaps = embeddings[:, np.asarray(first)] - embeddings[:, np.asarray(second)]
    return float(np.linalg.norm(gaps, axis=-1).mean())


def mean_and_ci(values: ArrayLike) -> tuple[Array, Array]:
    """Mean over the first axis and half-width of its 95% interval: 1.96 std(ddof 0) / sqrt(runs)."""
    values = np.asarray(values, dtype=np.float64)
    return values.mean(0), 1.96 * values.std(0) / np.sqrt(len(values))


def _embeddings(values: ArrayLike, name: str, least: int = 1) -> Array:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) < least:
        raise UserError(f"{name} embeddings: expected [at least {least}, E], got shape {values.shape}")
    if bad := int((~np.isfinite(values)).any(1).sum()):
        raise UserError(
            f"{name} embeddings: {bad} of {len(values)} hold NaN or infinity: a matcher or motion is broken"
        )
    return values
