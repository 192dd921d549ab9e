"""``sopo data import``: a folder of BVH files with captions -> the HumanML3D or the KIT-ML layout."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sopo.data.bodies import Bodies, feature_faults
from sopo.data.captions import CaptionLine, mirror_caption, within
from sopo.data.check import Finding, body_findings
from sopo.data.importers.mapping import Given, read_mapping
from sopo.data.importers.names import listed
from sopo.data.importers.rigs import Look, Rig, look_at, settle
from sopo.data.importers.settings import ImportConfig
from sopo.data.importers.source import SourceClip, read_source
from sopo.data.layout import SPLITS, staged_folder, write_clip, write_split
from sopo.data.statistics import write_folder_statistics
from sopo.data.tagging import tag
from sopo.errors import UserError
from sopo.formats.reading import read_clip
from sopo.motion.clip import Clip
from sopo.motion.encode import encode_joints
from sopo.motion.mirror import mirror_joints
from sopo.motion.posture import upright
from sopo.motion.rest_pose import motion_range
from sopo.motion.retarget import on_body, on_skeleton, resample
from sopo.motion.skeleton import Skeleton, skeleton_by_name

REPORT_FILE = "import.json"
LONGEST = 196  # frames: what training takes
WORTH_A_PROCESS = 12  # clips; for fewer a process is not worth its start


@dataclass(frozen=True)
class Taken:
    """A clip of the layout: ``frames`` of it from ``start_s`` of the source."""

    id: str
    source: str
    split: str
    start_s: float
    frames: int
    mirrored: bool
    joint_names: str
    warnings: dict[str, str]  # fault of the body (sopo.data.bodies) -> what was measured


@dataclass(frozen=True)
class ImportSummary:
    """What was taken, and why the rest was not (source name -> reason). Printed, it is one line.

    findings: what is off with the bodies that were taken, as ``sopo data check`` says it.
    """

    taken: tuple[Taken, ...]
    skipped: dict[str, str]
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        splits = Counter(clip.split for clip in self.taken)
        counts = ", ".join(f"{splits[split]} {split}" for split in SPLITS)
        sources = len({clip.source for clip in self.taken})
        line = f"{sources} sources became {len(self.taken)} motions ({counts}); {len(self.skipped)} skipped"
        return f"{line} (reasons: {REPORT_FILE})" if self.skipped else line


Outcome = tuple[SourceClip, list[Taken], str]  # what came of a clip, or the reason why nothing did


def import_bvh(
    source: str | Path,
    out: str | Path,
    config: ImportConfig | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> ImportSummary:
    """Write ``source`` as a new folder ``out``, all or nothing; import.json says what became of each file.

    Clips are brought to the body and the rate of the layout; those above 196 frames are cut into equal windows
    (ids ``NAME-w0``...), each under all captions of its file; those below its shortest and unreadable files are
    skipped. Mean and std are of the training split. ``report(done, total)`` counts files. Raises UserError.
    """
    config = config or ImportConfig()
    given = read_mapping(Path(config.mapping)) if config.mapping else []
    offered = read_source(Path(source), config.seed)
    skeleton = skeleton_by_name(config.skeleton)
    skipped = dict(offered.skipped)
    taken: list[Taken] = []
    with staged_folder(out) as staging, _workers(config.processes, len(offered.clips)) as run:
        steps = _Steps(report, 2 * len(offered.clips))  # each file is read twice
        looks: dict[str, Look] = {}
        for name, look, reason in steps.count(run(partial(_look, given, config), offered.clips)):
            if look:
                looks[name] = look
            else:
                skipped[name] = reason
        rigs = settle(looks, config.up, config.unit)
        for rig in rigs:
            skipped |= dict.fromkeys(rig.looks, rig.refused) if rig.refused else rig.strays
        rig_of = {name: rig for rig in rigs for name in rig.looks if name not in skipped}
        clips = [(clip, rig_of[clip.name]) for clip in offered.clips if clip.name in rig_of]
        steps.done = steps.total - len(clips)
        convert = partial(_convert, staging, offered.splits, skeleton, config)
        for clip, parts, reason in steps.count(run(convert, clips)):
            taken += parts
            if reason:
                skipped[clip.name] = reason
        taken.sort(key=lambda part: part.id)
        summary = ImportSummary(tuple(taken), dict(sorted(skipped.items())), _findings(taken, skeleton))
        _finish(staging, (*offered.notes, *_notes(looks)), Path(source), summary, skeleton)
    return summary


def _notes(looks: Mapping[str, Look]) -> list[str]:
    """What readers settled, and in which clips."""
    clips: defaultdict[str, list[str]] = defaultdict(list)
    for name, look in looks.items():
        for note in look.notes:
            clips[note].append(name)
    return [f"{note}: {listed(clips[note])}" for note in clips]


@dataclass
class _Steps:
    report: Callable[[int, int], None]
    total: int
    done: int = 0

    def count(self, results: Iterable[Any]) -> Iterator[Any]:
        for result in results:
            yield result
            self.done += 1
            self.report(self.done, self.total)


@contextmanager
def _workers(processes: int, clips: int) -> Iterator[Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]]:
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


def _read(clip: SourceClip, config: ImportConfig) -> Clip:
    return read_clip(clip.path, config.fps, config.body_model)


def _look(given: Sequence[Given], config: ImportConfig, clip: SourceClip) -> tuple[str, Look | None, str]:
    try:
        return clip.name, look_at(clip.name, _read(clip, config), given), ""
    except UserError as error:
        return clip.name, None, str(error)


def _convert(
    root: Path, splits: dict[str, str], skeleton: Skeleton, config: ImportConfig, item: tuple[SourceClip, Rig]
) -> Outcome:
    clip, rig = item
    try:
        captured = _read(clip, config)
        moved = upright(on_body(captured, rig.joints), rig.up, rig.unit, rig.mirrored)
        first, end = motion_range(moved, captured.fps)
        joints = on_skeleton(resample(moved[first:end], captured.fps, skeleton.fps), skeleton)
        frames = len(joints) - 1  # the last frame only ends a velocity
        if frames < skeleton.shortest:
            return clip, [], f"{frames} frames at {skeleton.fps:g} fps, at least {skeleton.shortest} needed"
        sides = (False, True) if config.mirror and not clip.twin else (False,)
        windows = [
            (suffix, start, mirrored, encode_joints(_side(joints[start : stop + 1], skeleton, mirrored), skeleton))
            for suffix, start, stop in _windows(frames, clip.window)
            for mirrored in sides
        ]
    except UserError as error:
        return clip, [], str(error)
    parts: list[Taken] = []
    begin = first / captured.fps
    beyond = [line.caption.text for line in clip.captions if not within([line], begin, begin + frames / skeleton.fps)]
    reasons = {f"beyond the end of the clip: {text!r}": None for text in beyond}
    for suffix, start, mirrored, features in windows:
        key = f"{'M' * mirrored}{clip.name}{suffix}"
        seconds = begin + start / skeleton.fps
        lines = _lines(clip, seconds, seconds + len(features) / skeleton.fps, mirrored)
        if not lines:
            reasons[f"no caption falls into {clip.name}{suffix}"] = None
            continue
        decoded, faults = feature_faults(features, skeleton)  # as HumanML3D's new_joints
        write_clip(root, key, features, lines, decoded)
        told = rig.first.body.told
        parts.append(Taken(key, clip.name, splits[clip.name], seconds, len(features), mirrored, told, faults))
    return clip, parts, "; ".join(reasons)


def _lines(clip: SourceClip, start_s: float, end_s: float, mirrored: bool) -> list[CaptionLine]:
    """Tagged, and mirrored if need be."""
    lines = within(clip.captions, start_s, end_s)
    tagged = [replace(line.caption, tokens=line.caption.tokens or tag(line.caption.text)) for line in lines]
    captions = [mirror_caption(caption) if mirrored else caption for caption in tagged]
    return [replace(line, caption=caption) for line, caption in zip(lines, captions, strict=True)]


def _side(joints: np.ndarray, skeleton: Skeleton, mirrored: bool) -> np.ndarray:
    return mirror_joints(joints, skeleton) if mirrored else joints


def _windows(frames: int, mark: str) -> list[tuple[str, int, int]]:
    """(id suffix, first frame, end) of as few equal windows as it takes."""
    count = ceil(frames / LONGEST)
    edges = np.linspace(0, frames, count + 1).round().astype(int).tolist()
    return [(f"{mark}{index}" if count > 1 else "", start, stop) for index, (start, stop) in enumerate(pairwise(edges))]


def _findings(taken: Iterable[Taken], skeleton: Skeleton) -> tuple[Finding, ...]:
    """Of all clips but mirror images, which have the same faults."""
    bodies = Bodies(skeleton)
    for part in taken:
        if not part.mirrored:
            bodies.note(part.id, part.warnings)
    return body_findings(bodies)


def _finish(root: Path, notes: tuple[str, ...], source: Path, summary: ImportSummary, skeleton: Skeleton) -> None:
    """Splits, statistics and the report."""
    by_split = {split: [part.id for part in summary.taken if part.split == split] for split in SPLITS}
    if not by_split["train"]:
        first = next((f"; {name}: {reason}" for name, reason in summary.skipped.items()), "")
        raise UserError(f"{source}: no clip for training among {len(summary.taken)} taken{first}")
    for split, keys in by_split.items():
        if keys:
            write_split(root, split, keys)
    write_split(root, "all", [part.id for part in summary.taken])
    write_folder_statistics(root, by_split["train"], skeleton)
    entries = {
        "source": str(source),
        "taken": [asdict(part) for part in summary.taken],
        "skipped": summary.skipped,
        "notes": notes,
    }
    (root / REPORT_FILE).write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
