"""What an import says and leaves behind: import.json, mapping.json, splits, statistics."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sopo.data.bodies import Bodies
from sopo.data.check import Finding, body_findings
from sopo.data.importers.convert import Converted, Taken
from sopo.data.importers.mapping import MAPPING_FILE, written
from sopo.data.importers.names import Notes, listed
from sopo.data.importers.rigs import Rig, Unread
from sopo.data.layout import IMPORT, SPLITS, write_split
from sopo.data.statistics import write_folder_statistics
from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, Skeleton

_SAID = 12  # notes that are printed; the report has all


@dataclass(frozen=True)
class ImportSummary:
    """What was taken, why the rest was not (source name -> reason), and what the user should know.

    findings: what is off with the bodies that were taken, as ``sopo data check`` says it.
    """

    taken: tuple[Taken, ...]
    skipped: dict[str, str]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    @classmethod
    def of(
        cls,
        converted: Iterable[Converted],
        skipped: Mapping[str, str],
        notes: Sequence[str],
        rigs: Iterable[Rig],
        skeleton: Skeleton,
    ) -> ImportSummary:
        """Put together, in an order that does not depend on who was ready first."""
        found: Notes = defaultdict(list)
        for rig in rigs:
            for doubt in rig.doubts if not rig.refused else ():
                found[doubt] += sorted(rig.looks.keys() - rig.strays.keys())
        done = sorted(converted, key=lambda each: each.name)
        for each in done:
            for note in each.notes:
                found[note].append(each.name)
        said = tuple(f"{what}: {listed(names)}" for what, names in found.items() if names)
        taken = sorted((part for each in done for part in each.taken), key=lambda part: part.id)
        return cls(tuple(taken), dict(sorted(skipped.items())), (*notes, *said), _findings(taken, skeleton))

    def __str__(self) -> str:
        splits = Counter(clip.split for clip in self.taken)
        counts = ", ".join(f"{splits[split]} {split}" for split in SPLITS)
        sources = len({clip.source for clip in self.taken})
        line = f"{sources} sources became {len(self.taken)} motions ({counts}); {len(self.skipped)} skipped"
        return f"{line} (reasons: {IMPORT})" if self.skipped else line

    def lines(self) -> list[str]:
        """Notes and findings as they are printed."""
        more = len(self.notes) - _SAID
        rest = [f"... and {more} more in {IMPORT}"] if more > 0 else []
        return [*self.notes[:_SAID], *rest, *map(str, self.findings)]


def _findings(taken: Iterable[Taken], skeleton: Skeleton) -> tuple[Finding, ...]:
    """Of all clips but mirror images, which have the same faults."""
    bodies = Bodies(skeleton)
    for part in taken:
        if not part.mirrored:
            bodies.note(part.id, part.warnings)
    return body_findings(bodies)


def finish(
    root: Path,
    source: Path,
    summary: ImportSummary,
    rigs: Sequence[Rig],
    mapping: Mapping[str, Any],
    skeleton: Skeleton,
) -> None:
    """Splits, statistics, the report and the mapping. Raises UserError if nothing is left to train on."""
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
        "notes": summary.notes,
        "skeletons": [_decided(rig) for rig in rigs],
    }
    _write_json(root / IMPORT, entries)
    _write_json(root / MAPPING_FILE, mapping)


def keep_beside(out: Path, mapping: Mapping[str, Any]) -> str:
    """Write the mapping beside ``out``, which does not come to be, if a skeleton is not read; says where."""
    if not any("refused" in entry for entry in mapping["skeletons"]):
        return ""
    path = out.with_name(f"{out.name}-{MAPPING_FILE}")
    _write_json(path, mapping)
    return f" ({path} is a mapping to start from)"


def mapping_of(rigs: Iterable[Rig], unread: Mapping[str, Unread]) -> dict[str, Any]:
    """What a mapping file says of the folder; of skeletons that are not recognised, the joints to be filled in."""
    unknown: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, each in sorted(unread.items()):
        if each.names:
            unknown[each.names].append(name)
    empty = dict.fromkeys(HUMANML3D.joints)
    blanks = [
        {"clips": clips, "refused": unread[clips[0]].reason, "names": names, "joints": empty}
        for names, clips in unknown.items()
    ]
    return {"skeletons": [_entry(rig) for rig in rigs] + blanks}


def _entry(rig: Rig) -> dict[str, Any]:
    entry: dict[str, Any] = {"clips": sorted(rig.looks.keys() - rig.strays.keys())}
    entry |= {"refused": rig.refused} if rig.refused else _reading(rig)
    return {**entry, "joints": written(rig.joints)}


def _decided(rig: Rig) -> dict[str, Any]:
    entry = {"clips": sorted(rig.looks), "joints_told_by": rig.first.body.told}
    return {**entry, "refused": rig.refused} if rig.refused else {**entry, **_reading(rig), "doubts": rig.doubts}


def _reading(rig: Rig) -> dict[str, Any]:
    return {"up": rig.up, "unit": rig.unit, "mirrored": rig.mirrored}


def _write_json(path: Path, entries: Any) -> None:
    path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
