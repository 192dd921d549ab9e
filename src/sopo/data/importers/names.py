"""Motion files of a source folder: the id each gets, and which of them a name in captions or lists means."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path, PurePosixPath

from sopo.errors import UserError
from sopo.formats.reading import REFUSED, SUFFIXES

LONGEST_ID = 200  # bytes: file systems take 255, and an M, a window and .npy are added
_UNSAFE = frozenset('<>:"/\\|?*#')

Parts = tuple[str, ...]  # of a path below the source, without the suffix
Notes = defaultdict[str, list[str]]  # what the user should know -> where


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first few of them, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def files_below(root: Path) -> list[Path]:
    """Sorted; hidden files are left out, and the resource forks that macOS adds to archives."""
    found = (path for path in root.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(_hidden(part) for part in path.relative_to(root).parts))


def _hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def parts_of(written: str) -> Parts:
    """Of a name as people write it: either slash, ``./`` in front, a motion suffix or none."""
    path = PurePosixPath(written.strip().replace("\\", "/"))
    name = path.stem if path.suffix.lower() in SUFFIXES else path.name
    return (*path.parent.parts, name) if name else ()


def refused(root: Path, files: Iterable[Path]) -> dict[str, str]:
    """Files of motion in formats that are not read, with the reason of each."""
    kinds = {path: path.suffix.lower() for path in files}
    return {
        str(path.relative_to(root)): f"a {kind} file: {REFUSED[kind]}"
        for path, kind in kinds.items()
        if kind in REFUSED
    }


class Names:
    """Ids of motion files: the file's name, led by its folder where several share it, made safe as a file name.

    files: id -> path; parts: id -> where it lies below the source. Of one name in several formats the first of
    ``SUFFIXES`` is taken. What was decided goes to ``notes``. Raises UserError where a name is too long.
    """

    def __init__(self, root: Path, files: Sequence[Path], notes: Notes) -> None:
        self.files: dict[str, Path] = {}
        self.parts: dict[str, Parts] = {}
        self._by_stem: defaultdict[str, list[str]] = defaultdict(list)
        placed = _one_format(root, [path for path in files if path.suffix.lower() in SUFFIXES], notes)
        if not placed:
            reason = next((f"; {name} is {why}" for name, why in refused(root, files).items()), "")
            raise UserError(f"{root}: no motion file ({', '.join(SUFFIXES)}) in it or below{reason}")
        shared = Counter(parts[-1] for parts in placed)
        for parts, path in placed.items():
            key = _safe(parts[-1] if shared[parts[-1]] == 1 else "_".join(parts))
            if key in self.files:
                key = next(f"{key}_{n}" for n in range(2, len(placed) + 2) if f"{key}_{n}" not in self.files)
            if len(key.encode()) > LONGEST_ID:
                raise UserError(f"{path}: its name is too long for an id; rename it")
            if key != parts[-1]:
                notes["another id, for the name alone is shared or unsafe"].append(f"{path.relative_to(root)} is {key}")
            self.files[key], self.parts[key] = path, parts
            self._by_stem[parts[-1].casefold()].append(key)

    def find(self, written: str) -> str | None:
        """The id of the clip that a written name means; None if that is no clip, or more than one.

        It may be the id, and the path may begin above the source or below it: the ends have to agree.
        """
        wanted = parts_of(written)
        if not wanted:
            return None
        if len(wanted) == 1 and wanted[0] in self.files:
            return wanted[0]
        fits = [key for key in self._by_stem.get(wanted[-1].casefold(), ()) if _agree(self.parts[key], wanted)]
        if whole := [key for key in fits if len(self.parts[key]) <= len(wanted)]:
            deepest = max(len(self.parts[key]) for key in whole)  # data/a/walk is a/walk rather than walk
            fits = [key for key in whole if len(self.parts[key]) == deepest]
        fits = [key for key in fits if self.parts[key][-1] == wanted[-1]] or fits  # capitals, where they tell
        return fits[0] if len(fits) == 1 else None

    def twins(self, keys: Set[str]) -> dict[str, str]:
        """Mirror images among ``keys`` and the clip of each, as HumanML3D names them: MNAME, if NAME is there too."""
        at = {self.parts[key]: key for key in keys} | {(key,): key for key in keys}
        places = {key: (*parts[:-1], parts[-1].removeprefix("M")) for key, parts in self.parts.items() if key in keys}
        twins = {key: at.get(places[key]) or at.get((key.removeprefix("M"),)) for key in sorted(keys)}
        return {key: clip for key, clip in twins.items() if clip and clip != key}


def _agree(one: Parts, other: Parts) -> bool:
    return all(a.casefold() == b.casefold() for a, b in zip(reversed(one), reversed(other), strict=False))


def _one_format(root: Path, files: Iterable[Path], notes: Notes) -> Mapping[Parts, Path]:
    placed: dict[Parts, Path] = {}
    for path in sorted(files, key=lambda path: SUFFIXES.index(path.suffix.lower())):
        within = path.relative_to(root)
        parts = (*within.parent.parts, within.stem)
        if placed.setdefault(parts, path) != path:
            notes["not taken, for another format of the same name is"].append(f"{within} ({placed[parts].name})")
    return {parts: placed[parts] for parts in sorted(placed)}


def _safe(name: str) -> str:
    """``name`` as a file name of any system, and as a line of a list."""
    kept = "".join(letter if letter.isprintable() and letter not in _UNSAFE else "_" for letter in name)
    return kept.strip().strip(".") or "_"
