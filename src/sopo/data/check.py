"""``sopo data check``: what a motion folder holds, what is off, what to do. Never raises on garbage."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sopo.data.bodies import FAULTS, Bodies
from sopo.data.layout import FEATURES, JOINTS, MEAN, SPLITS, STD, TEXTS, Array, MotionFolder, read_array
from sopo.data.parallel import in_order
from sopo.data.statistics import RunningStatistics, drift
from sopo.errors import UserError
from sopo.motion.decode import decode_joints
from sopo.motion.skeleton import HUMANML3D, Skeleton

MAX_LENGTH = 200  # frames, exclusive
MEAN_DRIFT, STD_DRIFT = 0.1, 1.25  # standard deviations; a factor
JOINT_TOLERANCE_M = 0.01
EXAMPLES = 3
PART, WORTH = 64, 1000  # clips that a process looks at in one go; clips that are worth a second process

# kind: (level, what is off, what to do). An error stops or spoils training, a warning costs data or quality.
KINDS: dict[str, tuple[str, str, str]] = {
    "no-folder": ("error", "the folder does not exist", "check the path"),
    "no-part": ("error", "missing from the folder", "unpack or rebuild the data set"),
    "no-joints": ("note", "no new_joints/ folder", "nothing: training uses new_joint_vecs/ alone"),
    "no-split": ("warning", "no list of this split", "write one id a line"),
    "bad-split": ("error", "split list not readable", "write one id a line, UTF-8"),
    "empty-split": ("error", "split list is empty", "write one id a line"),
    "bad-statistics": ("error", "unusable mean or std", "recompute them with sopo.data.statistics"),
    "absent": (
        "warning",
        "listed but absent from new_joint_vecs/",
        "they are left out; restore or unlist them",
    ),
    "bad-features": ("error", "features not readable or of wrong shape", "restore them or unlist the clip"),
    "not-finite": ("warning", "features with NaN or infinity", "they are left out; encode them again"),
    "too-short": ("warning", "clips below the published minimum", "they are left out"),
    "too-long": ("warning", "clips of 200 frames or more", "they are left out; cut them into windows"),
    "bad-captions": (
        "error",
        "captions missing, empty or malformed",
        "mend the text file or unlist the clip",
    ),
    "untagged": ("warning", "captions without word/POS tokens", "the Guo evaluator will tag them itself"),
    "leak": ("error", "clips, or their mirrored twins, in two splits", "keep each in one split only"),
    "drift": (
        "warning",
        "Mean.npy / Std.npy differ from the clips'",
        "recompute them, or use those of the model",
    ),
    "joints-differ": ("warning", "new_joints/ disagree with the features", "write both from the same motion"),
}
for _kind, _fault in FAULTS.items():
    KINDS |= _fault.rows(_kind)
LEVELS = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One kind of trouble: how often, and where the first few are."""

    kind: str
    level: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        _, what, remedy = KINDS[self.kind]
        more = f" and {self.count - len(self.examples)} more" if self.count > len(self.examples) else ""
        return f"{self.level}: {what}: {'; '.join(self.examples)}{more} -> {remedy}"


@dataclass(frozen=True)
class SplitSummary:
    """Counts of a split. usable: present, of the right shape and length, finite, captioned."""

    listed: int = 0
    present: int = 0
    usable: int = 0
    captions: int = 0
    frames: int = 0

    def __add__(self, other: SplitSummary) -> SplitSummary:
        return SplitSummary(*map(add, dataclasses.astuple(self), dataclasses.astuple(other)))


@dataclass(frozen=True)
class Report:
    """The result of a check. ``ok``: no error among the findings."""

    root: str
    skeleton: str | None
    splits: dict[str, SplitSummary]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return all(finding.level != "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**dataclasses.asdict(self), "ok": self.ok}

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.root}: {self.skeleton or 'unknown skeleton'}"]
        lines += [
            f"{name}: {split.listed} listed, {split.present} present, {split.usable} usable "
            f"({split.frames} frames), {split.captions} captions"
            for name, split in self.splits.items()
        ]
        return [
            *lines,
            *(str(finding) for finding in self.findings),
            "usable" if self.ok else "not usable as it is",
        ]


class _Notes:
    """Findings as they come, grouped by kind."""

    def __init__(self) -> None:
        self._where: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, where: object) -> None:
        self._where[kind].append(" ".join(str(where).split()))

    def join(self, other: _Notes) -> None:
        for kind, where in other._where.items():
            self._where[kind] += where

    def add_bodies(self, bodies: Bodies) -> None:
        for kind, where in bodies.notes():
            self.add(kind, where)

    def findings(self) -> tuple[Finding, ...]:
        found = (
            Finding(kind, KINDS[kind][0], len(where), tuple(where[:EXAMPLES])) for kind, where in self._where.items()
        )
        return tuple(sorted(found, key=lambda finding: LEVELS.index(finding.level)))


def body_findings(bodies: Bodies) -> tuple[Finding, ...]:
    """What is off with the bodies, errors first."""
    notes = _Notes()
    notes.add_bodies(bodies)
    return notes.findings()


def check_folder(
    root: str | Path,
    sample: int = 16,
    report: Callable[[int, int], None] = lambda done, total: None,
    workers: int | None = None,
) -> Report:
    """Read all of a folder in the HumanML3D layout and report; new_joints/ of ``sample`` clips are compared.

    ``report(done, total)`` counts clips. workers: processes, by default one a core; a small folder takes one.
    """
    root, notes = Path(root), _Notes()
    if not root.is_dir():
        notes.add("no-folder", root)
        return Report(str(root), None, {}, notes.findings())
    for name in (FEATURES, TEXTS, MEAN, STD):
        if not (root / name).exists():
            notes.add("no-part", name)
    if not (root / JOINTS).is_dir():
        notes.add("no-joints", JOINTS)
    try:
        folder = MotionFolder(root)
    except UserError:
        return Report(str(root), None, {}, notes.findings())
    skeleton = _skeleton(folder, notes)
    keys = {split: _ids(folder, split, notes) for split in SPLITS}
    if not any(keys.values()):
        notes.add("empty-split", "no split lists any clip")
    _check_leaks(keys, notes)
    running = RunningStatistics(skeleton.num_features) if skeleton else None
    bodies = Bodies(skeleton) if skeleton else None
    jobs = [
        _Job(folder, skeleton, split, listed[start : start + PART])
        for split, listed in keys.items()
        for start in range(0, len(listed), PART)
    ]
    total, done = sum(map(len, keys.values())), 0
    summaries: dict[str, SplitSummary] = {}
    for job, part in zip(jobs, in_order(_check_clips, jobs, workers, worth=WORTH // PART), strict=True):
        summaries[job.split] = summaries.get(job.split, SplitSummary()) + part.summary
        notes.join(part.notes)
        if bodies and part.bodies:
            bodies.join(part.bodies)
        if running and part.running and job.split == "train":
            running.join(part.running)
        for _ in job.keys:
            report(done := done + 1, total)
    if bodies:
        notes.add_bodies(bodies)
    if skeleton and running and running.frames:
        _check_drift(folder, running, skeleton, notes)
    if skeleton and (root / JOINTS).is_dir():
        everything = [key for listed in keys.values() for key in listed]
        _check_joints(folder, everything[:: max(1, len(everything) // max(1, sample))], skeleton, notes)
    return Report(str(root), skeleton.name if skeleton else None, summaries, notes.findings())


def _skeleton(folder: MotionFolder, notes: _Notes) -> Skeleton | None:
    try:
        skeleton = folder.skeleton
        if not np.isfinite(folder.mean).all():
            notes.add("bad-statistics", "Mean.npy has NaN or infinity")
        assert folder.std is not None
        return skeleton
    except UserError as error:
        notes.add("bad-statistics", error)
        return None


def _ids(folder: MotionFolder, split: str, notes: _Notes) -> tuple[str, ...]:
    if split not in folder.splits:
        notes.add("no-split", f"{split}.txt")
        return ()
    try:
        keys = folder.ids(split)
    except (UserError, OSError) as error:
        notes.add("bad-split", error)
        return ()
    if not keys:
        notes.add("empty-split", f"{split}.txt")
    return keys


def _check_leaks(keys: dict[str, tuple[str, ...]], notes: _Notes) -> None:
    seen: dict[str, str] = {}
    listed = {key for split in keys.values() for key in split}
    for split, members in keys.items():
        for key in members:
            twin = key.removeprefix("M")
            source = twin if twin in listed else key
            if seen.setdefault(source, split) != split:
                notes.add("leak", f"{key} in {seen[source]} and {split}")


@dataclass(frozen=True)
class _Job:
    """A part of a split's clips, for one process to look at."""

    folder: MotionFolder
    skeleton: Skeleton | None
    split: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """What was found there."""

    summary: SplitSummary
    notes: _Notes
    bodies: Bodies | None
    running: RunningStatistics | None


def _check_clips(job: _Job) -> _Part:
    folder, skeleton, notes = job.folder, job.skeleton, _Notes()
    bodies = Bodies(skeleton) if skeleton else None
    running = RunningStatistics(skeleton.num_features) if skeleton else None
    present = usable = captions = frames = 0
    for key in job.keys:
        described = _check_captions(folder, key, notes)
        captions += described
        if not folder.features_path(key).exists():
            notes.add("absent", key)
            continue
        present += 1
        features = _check_features(folder, key, skeleton, notes)
        if features is None:
            continue
        if bodies is not None and running is not None:
            bodies.add(key, features)
            running.add(features)
        usable += bool(described)
        frames += len(features) if described else 0
    return _Part(SplitSummary(len(job.keys), present, usable, captions, frames), notes, bodies, running)


def _check_captions(folder: MotionFolder, key: str, notes: _Notes) -> int:
    try:
        lines = folder.captions(key)
    except UserError as error:
        notes.add("bad-captions", error)
        return 0
    if not all(line.caption.tokens for line in lines):
        notes.add("untagged", key)
    return len(lines)


def _check_features(folder: MotionFolder, key: str, skeleton: Skeleton | None, notes: _Notes) -> Array | None:
    """The clip's features if training would use them."""
    try:
        features = folder.features(key) if skeleton else read_array(folder.features_path(key))
    except UserError as error:
        notes.add("bad-features", error)
        return None
    if not np.isfinite(features).all():
        notes.add("not-finite", key)
    elif len(features) < (skeleton or HUMANML3D).shortest:
        notes.add("too-short", f"{key} ({len(features)} frames)")
    elif len(features) >= MAX_LENGTH:
        notes.add("too-long", f"{key} ({len(features)} frames)")
    else:
        return features
    return None


def _check_drift(folder: MotionFolder, running: RunningStatistics, skeleton: Skeleton, notes: _Notes) -> None:
    found = drift(folder, *running.result(skeleton))
    if found.mean > MEAN_DRIFT or found.std > STD_DRIFT:
        notes.add("drift", f"means by up to {found.mean:.2g} std, std by up to a factor {found.std:.2g}")


def _check_joints(folder: MotionFolder, keys: Iterable[str], skeleton: Skeleton, notes: _Notes) -> None:
    for key in keys:
        try:
            features = folder.features(key)
        except UserError:
            continue  # reported already
        try:
            joints = folder.joints(key)
        except UserError as error:
            notes.add("joints-differ", error)
            continue
        if len(joints) != len(features):
            notes.add("joints-differ", f"{key} ({len(joints)} frames of joints, {len(features)} of features)")
            continue
        gap = np.abs(decode_joints(torch.from_numpy(features), skeleton).numpy() - joints).max(initial=0)
        if np.isfinite(features).all() and not gap * skeleton.metres_per_unit <= JOINT_TOLERANCE_M:
            notes.add("joints-differ", f"{key} (by {gap * skeleton.metres_per_unit:.3f} m)")
