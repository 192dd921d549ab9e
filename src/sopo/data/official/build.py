"""``sopo data humanml3d`` and ``sopo data kit``: a plan and AMASS -> the layout, whatever interrupts it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sopo.data.index import write_index
from sopo.data.layout import TEXTS
from sopo.data.official.amass import Load, Motions, subset_of_key
from sopo.data.official.clips import Cut, Maker, by_motion
from sopo.data.official.compare import Comparison, compare
from sopo.data.official.plan import Plan
from sopo.data.official.settings import BuildConfig
from sopo.data.official.unfinished import FAILED_FILE, Unfinished
from sopo.data.official.workers import outcomes
from sopo.data.statistics import write_folder_statistics
from sopo.errors import UserError
from sopo.formats.body_model import BodyModel, find_body_model, read_body_model

REPORT_FILE = "build.json"
GENDERS = ("male", "female")
Report = Callable[[int, int, str], None]
Missing = dict[str, str]  # clip -> why it is not there


@dataclass(frozen=True)
class Built:
    """What came of it: the ids that are there, why others are not, what to tell, whether all is as published."""

    ids: tuple[str, ...]
    missing: Mapping[str, str]
    lines: tuple[str, ...]
    as_published: bool


def build(
    plan: Plan,
    sources: Sequence[Motions],
    body_model: Path,
    out: Path,
    config: BuildConfig,
    report: Report = lambda done, total, note: None,
) -> Built:
    """Write the data set of ``plan`` to ``out``, going on where an earlier call was interrupted.

    Until it is complete it lies in ``OUT.unfinished``; every interruption ends in the same bytes. ``report(done,
    total, note)`` counts clips. Raises UserError if something is missing and ``config.partial`` is not set.
    """
    files = _find_bodies(body_model)
    bodies = {gender: _read_body(path) for gender, path in files.items()}
    folder = Unfinished(out)
    folder.begin({**plan.fingerprint, **{f"{gender} body": _digest(path) for gender, path in files.items()}})
    missing = _make(plan, sources, Maker(folder, plan.skeleton, bodies, plan.joints_of, {}), config, report)
    made = {cut.name for cut in plan.cuts}.difference(missing)
    ids = tuple(key for key in plan.lists["all"] if key.removeprefix("M") in made and key in plan.captions)
    missing |= {key: "has no captions" for key in plan.lists["all"] if key not in plan.captions}
    if missing and not config.partial:
        name, reason = min(missing.items())
        raise UserError(
            f"{_by_subset(plan, missing)} are missing, such as {name}: {reason}; mend that and run the same command "
            "again, or build without them: --partial true"
        )
    report(len(plan.cuts), len(plan.cuts), "captions, lists, Mean.npy and Std.npy")
    return _finish(plan, folder, ids, dict(sorted(missing.items())))


def _make(plan: Plan, sources: Sequence[Motions], maker: Maker, config: BuildConfig, report: Report) -> Missing:
    """Make the clips that are not there yet; of those that cannot be made, why."""
    pending = [cut for cut in plan.cuts if not _is_there(maker, cut)]
    maker = replace(maker, cuts=by_motion(pending))
    loads, missing = _find(plan, sources, maker, config.partial)
    loads, known = _without_known_failures(loads, maker)
    missing |= known
    failed = maker.folder.read(FAILED_FILE)
    done = len(plan.cuts) - len(pending) + len(missing)
    report(done, len(plan.cuts), "")
    for load, outcome in outcomes(maker, loads, config.processes):
        if outcome is None:
            clips = {cut.name: missing[cut.name] for cut in maker.of(load) if cut.name in missing}
            if load.archives:
                failed[load.label] = {"archives": _stamps(load), "clips": clips}
                maker.folder.write_json(FAILED_FILE, failed)
            continue
        name, reason = outcome
        if reason:
            missing[name] = reason
        done += 1
        report(done, len(plan.cuts), "")
    return missing


def _is_there(maker: Maker, cut: Cut) -> bool:
    return all(maker.folder.has_clip(f"{side}{cut.name}", maker.skeleton) for side in ("", "M"))


def _find(plan: Plan, sources: Sequence[Motions], maker: Maker, partial: bool) -> tuple[list[Load], Missing]:
    """How to read what is to be made, and the clips that no source can hold; UserError if those must not be."""
    keys: Iterable[str] = maker.cuts
    loads: list[Load] = []
    for source in sources:
        more, keys = source.loads(keys)
        loads += more
    absent = {cut.name: f"no archive and no folder of {subset_of_key(key)}" for key in keys for cut in maker.cuts[key]}
    if absent and not partial:
        raise UserError(
            f"no archive and no folder for {_by_subset(plan, absent)}; add them (AMASS, SMPL+H G), "
            "or build without them: --partial true"
        )
    return loads, absent


def _without_known_failures(loads: Sequence[Load], maker: Maker) -> tuple[list[Load], Missing]:
    """Archives need not be read again for clips that they did not yield when they were read to their end."""
    failed = maker.folder.read(FAILED_FILE)
    left: list[Load] = []
    missing: Missing = {}
    for load in loads:
        record = failed.get(load.label, {})
        reasons = {cut.name: record.get("clips", {}).get(cut.name) for cut in maker.of(load)}
        if load.archives and record.get("archives") == _stamps(load) and all(reasons.values()):
            missing |= reasons
        else:
            left.append(load)
    return left, missing


def _stamps(load: Load) -> list[list[str | int]]:
    """What changes when an archive is downloaded again."""
    stats = [(path.name, path.stat()) for path in load.archives]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]


def _finish(plan: Plan, folder: Unfinished, ids: Sequence[str], missing: Missing) -> Built:
    """All that is no clip; then the folder is the data set."""
    for key in ids:
        folder.write(f"{TEXTS}/{key}.txt", plan.captions[key])
    there = set(ids)
    lists = {name: [key for key in listed if key in there] for name, listed in plan.lists.items()}
    for name, keys in lists.items():
        folder.write(f"{name}.txt", "".join(f"{key}\n" for key in keys).encode())
    counted = [key for key in ids if key not in plan.outside_statistics]
    write_folder_statistics(folder.root, counted, plan.skeleton)
    write_index(folder.root, ids)
    compared = compare(folder.root, plan.reference, not missing) if plan.reference else Comparison()
    counts = ", ".join(f"{len(keys)} {name}" for name, keys in lists.items() if name != "all")
    lines = [f"{len(ids)} of {len(plan.lists['all'])} motions ({counts})"]
    if missing:
        lines.append(
            f"missing: {_by_subset(plan, missing)} (reasons: {REPORT_FILE}); Mean and Std are of what is there"
        )
    lines += compared.lines
    told = {"data set": plan.name, "made of": dict(plan.fingerprint), "missing": missing, "said": lines}
    folder.write_json(REPORT_FILE, told)
    folder.finish()
    return Built(tuple(ids), missing, tuple(lines), compared.as_published)


def _by_subset(plan: Plan, missing: Missing) -> str:
    """ "3 clips of KIT, 1 of CMU", the most first."""
    keys = {cut.name: cut.key for cut in plan.cuts}
    counts = Counter(subset_of_key(keys.get(name.removeprefix("M"), "nowhere")) for name in missing)
    (first, most), *others = counts.most_common()
    return ", ".join((f"{most} clips of {first}", *(f"{count} of {subset}" for subset, count in others)))


def _find_bodies(root: Path) -> dict[str, Path]:
    """The files of the male and the female SMPL-H body; UserError if another would have to stand in."""
    found = {gender: find_body_model(root, ("smplh",), gender) for gender in GENDERS}
    if any(note or path == root for path, note in found.values()):
        raise UserError(f"{root}: expected a folder with SMPL-H's male and female model (smplh/male/model.npz ...)")
    return {gender: path for gender, (path, _) in found.items()}


def _read_body(path: Path) -> BodyModel:
    body = read_body_model(path)
    if body.family != "smplh":
        raise UserError(f"{path}: a {body.family} body; the official data sets are made with SMPL-H")
    return body


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
