"""The corpus on disk, in the HumanML3D layout: same settings, same bytes, however many processes make it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sopo.corpus import grammar
from sopo.corpus.compose import compose
from sopo.corpus.program import Program, sample_program
from sopo.corpus.settings import CorpusConfig
from sopo.data.captions import CaptionLine
from sopo.data.index import write_index
from sopo.data.layout import staged_folder, write_clip, write_metadata, write_split
from sopo.data.parallel import in_order
from sopo.data.statistics import write_folder_statistics
from sopo.motion.encode import features_of_placed, place, uniform_skeleton
from sopo.motion.retarget import on_skeleton, resample
from sopo.motion.skeleton import HUMANML3D, skeleton_by_name
from sopo.randomness import numpy_rng


@dataclass(frozen=True)
class Clip:
    """features [T, 12 J - 1] raw, joints [T, J, 3] as they decode from them, captions, and the clip's metadata."""

    features: NDArray[np.float32]
    joints: NDArray
    captions: tuple[CaptionLine, ...]
    entry: dict[str, Any]


def make_clip(config: CorpusConfig, split: str, index: int, key: str) -> Clip:
    """Clip ``index`` of a split: a pure function of its arguments."""
    rng = numpy_rng("corpus", config.seed, split, index)
    while True:
        program = sample_program(rng)
        if program.held_out(config.held_out) != (split == "test"):
            continue
        if split == "test" and len(program.actions) < config.test_actions:
            continue
        if (joints := compose(program, rng)) is not None:
            break
    skeleton = skeleton_by_name(config.skeleton)
    joints = on_skeleton(resample(joints, HUMANML3D.fps, skeleton.fps), skeleton)
    placed = place(uniform_skeleton(joints, skeleton), skeleton)
    lines: list[CaptionLine] = []
    told: list[dict[str, Any]] = []
    for said, kind in _tellings(program, config, split, rng):
        line = CaptionLine(grammar.caption(said, rng))
        if line.caption.text not in {other.caption.text for other in lines}:
            lines.append(line)
            told.append({"text": line.caption.text, "says": said.to_json(), "kind": kind})
    entry = {"id": key, "split": split, "program": program.to_json(), "captions": told}
    return Clip(features_of_placed(placed, skeleton), placed[:-1], tuple(lines), entry)


def _tellings(
    program: Program, config: CorpusConfig, split: str, rng: np.random.Generator
) -> Iterator[tuple[Program, str]]:
    """What each caption says and whether that is faithful, coarse or wrong."""
    wrong = config.wrong_share if split == "train" else 0.0
    coarse = config.coarse_share if split == "train" else config.test_coarse_share
    for _ in range(int(rng.integers(3, config.captions + 1))):
        full = grammar.faithful(program, rng)
        draw = rng.random()
        if draw < wrong and (said := grammar.wrong(full, rng)):
            yield said, "wrong"
        elif wrong <= draw < wrong + coarse and (said := grammar.coarse(full, rng)):
            yield said, "coarse"
        else:
            yield full, "faithful"


Job = tuple[Path, CorpusConfig, str, int, str]


def _write(job: Job) -> dict[str, Any]:
    root, config, split, index, key = job
    clip = make_clip(config, split, index, key)
    write_clip(root, key, clip.features, clip.captions, clip.joints)
    return clip.entry


def make_corpus(
    root: str | Path,
    config: CorpusConfig,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> None:
    """Write the corpus to ``root``, all of it or nothing; UserError if the folder exists already.

    ``progress(done, total)`` is called after every clip. ``workers``: processes, by default one a core, up to 8.
    """
    with staged_folder(root) as staging:
        jobs: list[Job] = []
        keys: dict[str, list[str]] = {}
        for split, size in (("train", config.train), ("val", config.val), ("test", config.test)):
            keys[split] = [f"{len(jobs) + index:06d}" for index in range(size)]
            jobs += [(staging, config, split, index, key) for index, key in enumerate(keys[split])]
        entries = []
        for entry in in_order(_write, jobs, workers, chunk=16):
            entries.append(entry)
            if progress:
                progress(len(entries), len(jobs))
        for split, names in keys.items():
            if names:
                write_split(staging, split, names)
        write_split(staging, "all", [name for names in keys.values() for name in names])
        write_folder_statistics(
            staging, keys["train"] or keys["test"] or keys["val"], skeleton_by_name(config.skeleton)
        )
        write_metadata(staging, entries)
        settings = json.dumps(dataclasses.asdict(config), indent=1)
        (staging / "corpus_config.json").write_text(settings + "\n", encoding="utf-8")
        write_index(staging, [name for names in keys.values() for name in names])
