"""Programs, motions and one small corpus that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sopo.corpus.compose import compose
from sopo.corpus.program import Program, sample_program
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.randomness import numpy_rng

Perform = Callable[..., np.ndarray]


def _perform(program: Program, seed: int = 0) -> np.ndarray:
    """Joints of the program by the first person who does it in the time of a clip."""
    for attempt in range(20):
        joints = compose(program, numpy_rng("perform", seed, attempt))
        if joints is not None:
            return joints
    raise AssertionError(f"{program.key} does not fit into a clip")


@pytest.fixture(scope="session")
def perform() -> Perform:
    """``perform(program, seed=0)``: joints [T, 22, 3]."""
    return _perform


@pytest.fixture(scope="session")
def performances() -> list[tuple[Program, np.ndarray]]:
    """100 random programs with their joints."""
    pairs = []
    for index in range(100):
        rng = numpy_rng("performances", index)
        while (joints := compose(program := sample_program(rng), rng)) is None:
            pass
        pairs.append((program, joints))
    return pairs


@pytest.fixture(scope="session")
def small() -> CorpusConfig:
    return CorpusConfig(train=120, val=10, test=60, seed=5)


@pytest.fixture(scope="session")
def kit_corpus(tmp_path_factory: pytest.TempPathFactory, small: CorpusConfig) -> Path:
    root = tmp_path_factory.mktemp("corpus") / "kit"
    make_corpus(root, replace(small, skeleton="kit"), workers=2)
    return root


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory, small: CorpusConfig) -> Path:
    root = tmp_path_factory.mktemp("corpus") / "small"
    make_corpus(root, small, workers=2)
    return root
