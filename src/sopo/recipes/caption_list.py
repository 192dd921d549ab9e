"""A file of captions as a training split: for the methods that need no motion of anyone's."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sopo.batch import as_captions
from sopo.data.captions import read_captions
from sopo.data.dataset import UNIT, Clips, Item, MotionDataset
from sopo.data.layout import Array
from sopo.errors import UserError
from sopo.generators.generator import Generator
from sopo.motion.skeleton import Skeleton
from sopo.randomness import Draws, derive_seed, numpy_rng
from sopo.recipes.build import GeneratorSource
from sopo.recipes.sample import LIMITS_S, length_estimator


class _Still(Clips):
    """Motions of zeros."""

    def __init__(self, skeleton: Skeleton, frames: int) -> None:
        self.zeros = np.zeros((frames, skeleton.num_features), dtype=np.float32)

    def __call__(self, key: str) -> Array:
        return self.zeros


class CaptionList(MotionDataset):
    """Captions, each with a length; their motions are zeros, which none of these methods looks at."""

    def __init__(self, path: Path, texts: list[str], lengths: NDArray[np.int64], generator: Generator) -> None:
        self.root, self.split, self.skeleton = path, "captions", generator.skeleton
        self.normalizer = copy.deepcopy(generator.normalizer).cpu()  # where batches are made
        self.skipped = {}
        still = _Still(self.skeleton, int(lengths.max()))
        rows = sorted(range(len(texts)), key=lambda row: int(lengths[row]))
        captions = as_captions(texts)
        self.items = tuple(Item(str(row), (captions[row],), "", 0, int(lengths[row]), still) for row in rows)
        self.lengths = lengths[rows]


def load_captions(path: Path, source: GeneratorSource, generator: Generator, data: MotionDataset | None) -> CaptionList:
    """The captions of ``path``, one a line, as long as a line says (``caption#0#3.2``, in seconds).

    Where it does not, the generator's length estimator draws a length, or they are drawn from those of ``data``.
    Raises UserError if none of the three is there, or a length is none that the generator was trained on.
    """
    lines = read_captions(path)
    texts = [line.caption.text for line in lines]
    lengths = np.array([_frames(line.end_s - line.start_s, generator.skeleton) for line in lines])
    least, most = (_frames(limit, generator.skeleton) for limit in LIMITS_S)
    unknown = np.flatnonzero(lengths == 0)
    if len(unknown):
        lengths[unknown] = np.clip(_drawn(path, [texts[i] for i in unknown], source, generator, data), least, most)
    if (strange := np.flatnonzero((lengths < least) | (lengths > most))).size:
        row = int(strange[0])
        seconds = lines[row].end_s - lines[row].start_s
        raise UserError(
            f"{path}: {texts[row]!r} is to last {seconds:g} s; motions last from {LIMITS_S[0]} to {LIMITS_S[1]} s"
        )
    return CaptionList(path, texts, lengths, generator)


def _frames(seconds: float, skeleton: Skeleton) -> int:
    return round(seconds * skeleton.fps / UNIT) * UNIT


def _drawn(
    path: Path, texts: list[str], source: GeneratorSource, generator: Generator, data: MotionDataset | None
) -> NDArray[np.int64]:
    if estimator := length_estimator(source):
        draws = Draws(derive_seed(0, "caption lengths"), len(texts))
        return estimator.sample(generator.embed(as_captions(texts)), draws).cpu().numpy()
    if data is None:
        raise UserError(
            f"{path}: does not say how long the motions are, and the generator has no length estimator: give --data"
            " FOLDER, whose lengths are drawn from, or write seconds behind each caption, as in 'a person waves#0#3.2'"
        )
    chosen = numpy_rng(0, "caption lengths").choice(data.lengths, len(texts))
    return chosen // UNIT * UNIT
