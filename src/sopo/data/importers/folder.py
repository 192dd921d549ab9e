"""``sopo data import``: a folder of motion files with captions -> the HumanML3D or the KIT-ML layout."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import torch

from sopo.data.importers.convert import Converted, convert
from sopo.data.importers.mapping import Given, read_mapping
from sopo.data.importers.report import ImportSummary, finish, keep_beside, mapping_of
from sopo.data.importers.rigs import Look, Rig, Unread, look_at, settle
from sopo.data.importers.settings import ImportConfig
from sopo.data.importers.source import Source, SourceClip, read_source
from sopo.data.layout import staged_folder
from sopo.errors import UserError
from sopo.formats.reading import read_clip
from sopo.motion.skeleton import skeleton_by_name

WORTH_A_PROCESS = 12  # clips; for fewer a process is not worth its start

Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


def import_folder(
    source: str | Path,
    out: str | Path,
    config: ImportConfig | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> ImportSummary:
    """Write ``source`` as a new folder ``out``, all or nothing; import.json says what became of each file.

    Each file is read twice: first to see how the clips of its skeleton are to be read (``rigs``), then to bring it
    to the body and the rate of the layout (``convert``). Mean and std are of the training split.
    ``report(done, total)`` counts readings. Raises UserError.
    """
    config = config or ImportConfig()
    given = read_mapping(Path(config.mapping)) if config.mapping else []
    offered = read_source(Path(source), config.seed)
    with staged_folder(out) as staging, _workers(config.processes, len(offered.clips)) as run:
        steps = _Steps(report, 2 * len(offered.clips))
        rigs, unread = _look_at_all(offered, given, config, run, steps)
        skipped = offered.skipped | {name: each.reason for name, each in unread.items()}
        for rig in rigs:
            skipped |= dict.fromkeys(rig.looks, rig.refused) if rig.refused else rig.strays
        rig_of = {name: rig for rig in rigs for name in rig.looks if name not in skipped}
        clips = [(clip, rig_of[clip.name]) for clip in offered.clips if clip.name in rig_of]
        steps.done = steps.total - len(clips)
        skeleton = skeleton_by_name(config.skeleton)
        converting = partial(convert, staging, offered.splits, skeleton, config)
        converted: list[Converted] = list(steps.count(run(converting, clips)))
        skipped |= {each.name: each.reason for each in converted if each.reason}
        summary = ImportSummary.of(converted, skipped, offered.notes, rigs, skeleton)
        mapping = mapping_of(rigs, unread)
        try:
            finish(staging, Path(source), summary, rigs, mapping, skeleton)
        except UserError as error:
            raise UserError(f"{error}{keep_beside(Path(out), mapping)}") from error
    return summary


def _look_at_all(
    offered: Source, given: Sequence[Given], config: ImportConfig, run: Run, steps: _Steps
) -> tuple[list[Rig], dict[str, Unread]]:
    """How the clips are read, and why some are not."""
    looks: dict[str, Look] = {}
    unread: dict[str, Unread] = {}
    for name, look in steps.count(run(partial(_look, given, config), offered.clips)):
        if isinstance(look, Unread):
            unread[name] = look
        else:
            looks[name] = look
    return settle(looks, config.up, config.unit), unread


def _look(given: Sequence[Given], config: ImportConfig, clip: SourceClip) -> tuple[str, Look | Unread]:
    try:
        return clip.name, look_at(clip.name, read_clip(clip.path, config.fps, config.body_model), given)
    except UserError as error:
        return clip.name, Unread(str(error))


@dataclass
class _Steps:
    """Reports progress over several passes."""

    report: Callable[[int, int], None]
    total: int
    done: int = 0

    def count(self, results: Iterable[Any]) -> Iterator[Any]:
        for result in results:
            yield result
            self.done += 1
            self.report(self.done, self.total)


@contextmanager
def _workers(processes: int, clips: int) -> Iterator[Run]:
    """Something like ``map`` that runs in so many processes, results as they come."""
    processes = min(processes, ceil(clips / WORTH_A_PROCESS))
    if processes < 2:
        yield map
        return
    # Forked where that exists: a spawned process would first import torch, for seconds. One thread each, for
    # the parent's pool of threads does not survive the fork.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    context = multiprocessing.get_context(method)
    pool = ProcessPoolExecutor(processes, context, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield lambda function, items: (
            future.result() for future in as_completed([pool.submit(function, item) for item in items])
        )
    finally:
        pool.shutdown(cancel_futures=True)
