"""Text files of a source: captions, one a line, beside the motion or in a folder of texts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sopo.data.captions import CaptionLine, parse_line
from sopo.data.importers.names import Notes, Parts
from sopo.errors import UserError
from sopo.formats.text import decode, read_bytes


def read_text(path: Path, notes: Notes) -> str:
    """A text file of any encoding; one that is no Unicode is noted. UserError if the text is none people write."""
    text, encoding = decode(read_bytes(path, "captions"))
    if "\0" in text:
        raise UserError(f"{path}: not text (it holds zero bytes); save it as UTF-8")
    if not encoding.startswith("utf"):
        # An accent or a curly quote here and there, or Japanese; more than that comes of the wrong alphabet.
        if sum(letter > "~" and not "\u3000" <= letter <= "\u9fff" for letter in text) > len(text) / 4:
            raise UserError(f"{path}: text in an unknown encoding; save it as UTF-8")
        notes[f"not UTF-8, read as {encoding}"].append(path.name)
    return text


def read_lines(path: Path, notes: Notes) -> tuple[CaptionLine, ...]:
    """The captions of a text file, one a line; blank lines are ignored. UserError names the line."""
    numbered = enumerate(read_text(path, notes).splitlines(), start=1)
    return tuple(parse_at(line, f"{path}:{number}") for number, line in numbered if line.strip())


def parse_at(line: str, where: str) -> CaptionLine:
    """One caption in any known form. UserError leads with ``where``."""
    try:
        return parse_line(" ".join(line.split()))
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


class TextFiles:
    """The text file of each clip: NAME.txt or NAME.bvh.txt beside it, or the same in ``texts`` of the source."""

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        texts = [path for path in files if path.suffix.lower() == ".txt"]
        self._files = {_folded(path.relative_to(root).with_suffix("").parts): path for path in texts}

    def find(self, key: str, parts: Parts, file: str) -> Path | None:
        """Of the clip ``key``, which lies at ``parts`` under the name ``file``."""
        places = (parts, (*parts[:-1], file), ("texts", key), ("texts", *parts), ("texts", *parts[1:]))
        return next((self._files[place] for place in map(_folded, places) if place in self._files), None)


def _folded(parts: Parts) -> Parts:
    return tuple(part.casefold() for part in parts)
