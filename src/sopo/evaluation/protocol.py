"""The protocol of Guo et al.: repeated, paired draws of captions and crops; every system under one matcher.

docs/protocol.md says what is computed and which quirks of the published code are followed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sopo.batch import Batch, Caption, length_mask
from sopo.data.dataset import MotionDataset
from sopo.device import all_shares, device, own_share
from sopo.errors import DivergenceError, UserError
from sopo.evaluation import metrics
from sopo.evaluation.settings import DRAW_BLOCK, ProtocolConfig
from sopo.evaluation.sources import RealMotions, Source
from sopo.matching.tmr import TMR
from sopo.motion.decode import decode_joints
from sopo.motion.quality import floor_penetration, foot_skating, jitter, limb_speed
from sopo.motion.skeleton import Skeleton
from sopo.randomness import numpy_rng
from sopo.reports.results import REAL, Stat, Table, apart, relative_change

__all__ = [
    "ProtocolConfig",
    "Source",
    "Stat",
    "Table",
    "Witness",
    "apart",
    "default_witnesses",
    "evaluate",
    "relative_change",
]

# (raw motions [N, T, D], length [N], their batch) -> [N]; NaN where it has no verdict on a motion.
Witness = Callable[[Tensor, Tensor, Batch], Tensor | np.ndarray]
Values = dict[str, float]


class Embedder(Protocol):
    """What the protocol asks of a matcher."""

    def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor: ...

    def embed_texts(self, captions: Sequence[Caption]) -> Tensor: ...


def default_witnesses(skeleton: Skeleton) -> dict[str, Witness]:
    """Physics of the decoded joints: ``foot_skate`` (share of steps), ``jitter`` (m/s^3), ``floor_depth`` (mm).

    ``limb_speed`` (m/s) says how much the bodies move: still ones have no jitter.
    """
    return {
        "foot_skate": lambda x, length, _: foot_skating(decode_joints(x, skeleton), length, skeleton),
        "jitter": lambda x, length, _: jitter(decode_joints(x, skeleton), length, skeleton),
        "limb_speed": lambda x, length, _: limb_speed(decode_joints(x, skeleton), length, skeleton),
        "floor_depth": lambda x, length, _: 1000 * floor_penetration(decode_joints(x, skeleton), length, skeleton),
    }


@torch.no_grad()
def evaluate(
    sources: Mapping[str, Source],
    dataset: MotionDataset,
    matcher: Embedder,
    config: ProtocolConfig,
    witnesses: Mapping[str, Witness] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Table:
    """Row -> column -> mean and 95% CI over the runs; the first row, ``real``, is the data's own motions.

    In a run all sources get the same captions, crops, lengths and pools, so rows are compared pair by pair. Several
    processes share the runs, and each of them gets the whole table.
    FID is against the run's real motions of the whole split. witnesses: name -> per-motion value, averaged
    (``default_witnesses`` if None). report: told (motions done, motions in all).
    Raises UserError if the split does not fill a pool or a source gives unusable motions.
    """
    if REAL in sources:
        raise UserError(f"a system cannot be called {REAL!r}: that row is the data's own motions")
    count = len(dataset) // config.pool * config.pool
    if count == 0:
        raise UserError(f"the split has {len(dataset)} motions: they do not fill one pool of {config.pool}")
    shown = default_witnesses(dataset.skeleton) if witnesses is None else witnesses
    rows: dict[str, Source] = {REAL: RealMotions(dataset.normalizer), **sources}
    evaluation = _Evaluation(dataset, matcher, config, shown, rows, count, report or _unheard)
    runs = all_shares([evaluation.run(run) for run in own_share(range(config.runs))])
    return {name: _summary([values[name] for values in runs]) for name in rows}


class _Evaluation:
    """One call of ``evaluate``: what its runs share."""

    def __init__(
        self,
        dataset: MotionDataset,
        matcher: Embedder,
        config: ProtocolConfig,
        witnesses: Mapping[str, Witness],
        rows: Mapping[str, Source],
        count: int,
        report: Callable[[int, int], None],
    ) -> None:
        self.dataset, self.matcher, self.config, self.witnesses = dataset, matcher, config, witnesses
        self.rows, self.count, self.report = rows, count, report
        limit = config.samples // config.pool * config.pool or count
        self.counts = {name: count if name == REAL else min(limit, count) for name in rows}
        self.texts: dict[Caption, Tensor] = {}
        self.motions: dict[tuple[int, bytes], Tensor] = {}
        repeated = [name for name in rows if self._repeats(name)]
        per_run = sum(self.counts.values()) + len(repeated) * min(config.mm_texts, count) * config.mm_repeats
        self.done, self.total = 0, len(own_share(range(config.runs))) * per_run

    def run(self, run: int) -> dict[str, Values]:
        """Row -> column -> value of one run."""
        config = self.config
        texts: list[np.ndarray] = []
        motions: defaultdict[str, list[np.ndarray]] = defaultdict(list)
        seen: defaultdict[str, defaultdict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
        repeated: dict[str, float] = {}
        for start, batch in self._draw(run):
            texts.append(self._embed_texts(batch.captions))
            for name in self.rows:
                rows = batch.rows(0, max(0, min(len(batch), self.counts[name] - start)))
                if len(rows):
                    embedding, witnessed = self._embed_motions(name, rows, run, self.witnesses)
                    motions[name].append(embedding)
                    for witness, values in witnessed.items():
                        seen[name][witness].append(values)
                if start == 0 and self._repeats(name):
                    repeated[name] = self._multimodality(name, batch.rows(0, config.mm_texts), run)
        text, real = np.concatenate(texts), np.concatenate(motions[REAL])
        table: dict[str, Values] = {}
        for name in self.rows:
            made = real if name == REAL else np.concatenate(motions[name])
            table[name] = self._metrics(text, made, real, run)
            if name in repeated:
                table[name]["MultiModality"] = repeated[name]
            table[name] |= {witness: _mean_verdict(parts) for witness, parts in seen[name].items()}
        return table

    def _draw(self, run: int) -> Iterator[tuple[int, Batch]]:
        """(place, batch) of the run's clips in a random order, captions and crops drawn as published."""
        rng = numpy_rng(self.config.seed, "evaluation", run)
        order = rng.permutation(len(self.dataset))[: self.count]  # consecutive clips form the pools
        for start in range(0, self.count, DRAW_BLOCK):
            yield start, self.dataset.batch(order[start : start + DRAW_BLOCK], rng)

    def _metrics(self, text: np.ndarray, motion: np.ndarray, real: np.ndarray, run: int) -> Values:
        distances = metrics.pool_distances(text[: len(motion)], motion, self.config.pool)
        rng = numpy_rng(self.config.seed, "diversity", run)  # anew for each row: equal sizes, equal pairs
        first, second = metrics.draw_pairs(len(motion), self.config.diversity_pairs, rng)
        precision = {f"R@{k}": float(share) for k, share in enumerate(metrics.r_precision(distances), start=1)}
        return {
            **precision,
            "MMDist": metrics.mm_dist(distances),
            "FID": 0.0 if motion is real else metrics.fid(real, motion),  # to itself, exactly
            "Diversity": metrics.diversity(motion, first, second),
        }

    def _repeats(self, name: str) -> bool:
        """Whether MultiModality is asked for and the source has so many motions for one text."""
        repeats = getattr(self.rows[name], "repeats", self.config.mm_repeats)
        return self.config.multimodality and repeats >= self.config.mm_repeats

    def _multimodality(self, name: str, batch: Batch, run: int) -> float:
        repeats = self.config.mm_repeats
        # Run numbers that the plain draws do not use, so that a source draws other noise each time.
        first = self.config.runs + run * repeats
        parts = [self._embed_motions(name, batch, first + r, {})[0] for r in range(repeats)]
        pairs = metrics.draw_pairs(repeats, self.config.mm_pairs, numpy_rng(self.config.seed, "multimodality", run))
        return metrics.multimodality(np.stack(parts, axis=1), *pairs)

    def _embed_texts(self, captions: Sequence[Caption]) -> np.ndarray:
        """[N, E]; a caption is embedded once in all runs."""
        if new := [caption for caption in dict.fromkeys(captions) if caption not in self.texts]:
            self.texts |= dict(zip(new, self._comparable(self.matcher.embed_texts(new)), strict=True))
        return torch.stack([self.texts[caption] for caption in captions]).numpy()

    def _embed_motions(
        self, name: str, batch: Batch, run: int, witnesses: Mapping[str, Witness]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Embeddings [N, E] and witnesses [N] of a source's motions, in the order of the batch.

        Motions go through by length, so that hardly any padding is computed.
        """
        order = torch.argsort(batch.length, stable=True)
        embeddings: list[Tensor] = []
        seen: dict[str, list[np.ndarray]] = {witness: [] for witness in witnesses}
        for rows in order.split(self.config.batch_size):
            chunk = _take(batch, rows)
            motions, length = _checked(name, self.rows[name](chunk, run), chunk)
            embeddings.append(self._embedded(name, motions, length))
            for witness, judge in witnesses.items():
                seen[witness].append(np.asarray(torch.as_tensor(judge(motions, length, chunk)).cpu(), dtype=np.float64))
            self.done += len(chunk)
            self.report(self.done, self.total)
        back = torch.argsort(order)
        values = {witness: np.concatenate(parts)[back.numpy()] for witness, parts in seen.items()}
        return torch.cat(embeddings)[back].numpy(), values

    def _embedded(self, name: str, motions: Tensor, length: Tensor) -> Tensor:
        """[N, E]; where motions come back from run to run, as stored ones do, each distinct one is embedded once."""
        if not hasattr(self.rows[name], "repeats"):
            return self._comparable(self.matcher.embed_motions(motions, length))
        parts = [motion[:frames].cpu().numpy() for motion, frames in zip(motions, length.tolist(), strict=True)]
        keys = [(len(part), hashlib.sha256(part).digest()) for part in parts]
        if new := {key: row for row, key in enumerate(keys) if key not in self.motions}:
            rows = torch.tensor(list(new.values()), device=motions.device)
            embedded = self._comparable(self.matcher.embed_motions(motions[rows], length[rows]))
            self.motions |= dict(zip(new, embedded, strict=True))
        return torch.stack([self.motions[key] for key in keys])

    def _comparable(self, embeddings: Tensor) -> Tensor:
        """TMR compares by angle: at unit length the distance ranks as its cosine does."""
        return (F.normalize(embeddings, dim=-1) if isinstance(self.matcher, TMR) else embeddings).float().cpu()


def _take(batch: Batch, rows: Tensor) -> Batch:
    """Some samples of a batch, padded to the longest of them."""
    length, index = batch.length[rows], rows.tolist()
    motion = batch.motion[rows, : int(length.max())]
    return Batch(motion, length, tuple(batch.captions[i] for i in index), tuple(batch.keys[i] for i in index))


def _checked(name: str, given: Tensor | tuple[Tensor, Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
    """A source's raw motions, zero after their length, and these lengths, on the device; UserError if unusable."""
    motions, length = given if isinstance(given, tuple) else (given, batch.length)
    frames, width = int(length.max()), batch.motion.shape[-1]
    if motions.ndim != 3 or len(motions) != len(batch) or motions.shape[-1] != width or motions.shape[1] < frames:
        expected = f"[{len(batch)}, at least {frames}, {width}]"
        raise UserError(f"{name}: gave motions of shape {list(motions.shape)}, expected {expected}")
    length = length.to(device())
    valid = length_mask(length, frames)
    motions = torch.where(valid[..., None], motions[:, :frames].to(device(), torch.float32), 0.0)
    broken = (~motions.isfinite()).flatten(1).any(1).nonzero()[:, 0].tolist()
    if broken:
        raise DivergenceError(
            f"{name}: the motion for {batch.keys[broken[0]]!r} holds NaN or infinity; has it diverged?"
        )
    return motions, length


def _unheard(done: int, total: int) -> None:
    pass


def _mean_verdict(parts: Sequence[np.ndarray]) -> float:
    values = np.concatenate(parts)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _summary(runs: Sequence[Values]) -> dict[str, Stat]:
    values = {column: tuple(run[column] for run in runs) for column in runs[0]}
    stats = {column: metrics.mean_and_ci(each) for column, each in values.items()}
    return {column: Stat(float(mean), float(ci), values[column]) for column, (mean, ci) in stats.items()}
