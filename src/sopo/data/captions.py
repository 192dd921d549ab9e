"""Caption lines of a clip, ``caption#word/POS word/POS#from#to``: in seconds, 0#0 is the whole clip."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sopo.batch import Caption
from sopo.errors import UserError

LINE_FORMAT = "'caption#word/POS word/POS#from#to' or a plain caption"


@dataclass(frozen=True)
class CaptionLine:
    """A caption and the part of the clip it describes, in seconds; both 0: all of it."""

    caption: Caption
    start_s: float = 0.0
    end_s: float = 0.0

    @property
    def whole(self) -> bool:
        return self.start_s == 0.0 and self.end_s == 0.0


def parse_line(line: str) -> CaptionLine:
    """One line as found in the wild; NaN tags are 0 (HumanML3D). ValueError if it is none of the known forms.

    Split from the right, so that a ``#`` inside a caption does no harm; a line without any ``#`` is a plain,
    untagged caption.
    """
    head, *tail = line.strip().rsplit("#", 3)
    if not tail:
        return CaptionLine(Caption(head))
    if len(tail) != 3:
        raise ValueError(f"{len(tail)} '#' where {LINE_FORMAT} was expected")
    text, tags = head.strip(), tail[0]
    if not text:
        raise ValueError("the caption is empty")
    start, end = (_seconds(tag) for tag in tail[1:])
    return CaptionLine(Caption(text, tuple(tags.split())), start, end)


def _seconds(tag: str) -> float:
    value = float(tag)
    return 0.0 if math.isnan(value) else value


def format_line(line: CaptionLine) -> str:
    """The line as HumanML3D stores it; ``#`` and line breaks inside the caption become spaces."""
    text = " ".join(line.caption.text.replace("#", " ").split())
    return f"{text}#{' '.join(line.caption.tokens)}#{line.start_s}#{line.end_s}"


def read_captions(path: Path) -> tuple[CaptionLine, ...]:
    """All captions of a text file; blank lines are ignored. UserError names the file and the line."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no captions there; every listed clip needs a text file") from None
    except (OSError, ValueError) as error:  # ValueError: an id that is no file name
        raise UserError(f"{path}: not readable ({error})") from error
    lines: list[CaptionLine] = []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            if raw.strip():
                lines.append(parse_line(raw.decode("utf-8")))
        except UnicodeDecodeError as error:
            raise UserError(f"{path}:{number}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
        except ValueError as error:
            raise UserError(f"{path}:{number}: {error}; expected {LINE_FORMAT}") from error
    if not lines:
        raise UserError(f"{path}:1: no caption in the file; add one a line, or drop the clip from the split")
    return tuple(lines)


def write_captions(path: Path, lines: Iterable[CaptionLine]) -> None:
    """A text file that every published loader reads."""
    path.write_text("".join(format_line(line) + "\n" for line in lines), encoding="utf-8")


_MIRROR = {"left": "right", "right": "left", "clockwise": "counterclockwise"}
_MIRROR |= {word: "clockwise" for word in ("counterclockwise", "anticlockwise", "counter-clockwise")}
_MIRROR |= {"anti-clockwise": "clockwise", "leftward": "rightward", "rightward": "leftward"}
_MIRROR |= {"leftwards": "rightwards", "rightwards": "leftwards"}
_SIDES = re.compile(rf"\b({'|'.join(sorted(_MIRROR, key=len, reverse=True))})\b", re.IGNORECASE)


def mirror_text(text: str) -> str:
    """The caption of the mirrored motion: left and right swapped, and the senses of rotation.

    Words are swapped wherever they stand, as in HumanML3D, so "she left" becomes "she right".
    """

    def swap(match: re.Match[str]) -> str:
        word = match.group()
        other = _MIRROR[word.lower()]
        return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other

    return _SIDES.sub(swap, text)
