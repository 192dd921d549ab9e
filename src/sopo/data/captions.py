"""Caption lines of a clip, ``caption#word/POS word/POS#from#to``: in seconds, 0#0 is the whole clip."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sopo.batch import Caption
from sopo.data.sides import mirror_text
from sopo.data.tagging import tag, token_words
from sopo.errors import UserError

LINE_FORMAT = "'caption#word/POS word/POS#from#to' or a plain caption"
SLACK_S = 0.1  # nearer than that to both ends, a caption describes all
_TAG = re.compile(r"[^/]+/[A-Z]{3,}")


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
    """One line as found in the wild; NaN seconds are 0 (HumanML3D). ValueError if it is none of the known forms.

    Split from the right, so that a ``#`` inside a caption does no harm; tags or seconds may be missing.
    """
    fields = line.strip().split("#")
    span = _span(fields[-2:]) if len(fields) > 2 else None
    fields = fields[:-2] if span else fields
    tokens = tuple(fields[-1].split())
    tagged = len(fields) > 1 and all("/" in token for token in tokens)
    text, *more = fields[:-1] if tagged else fields
    if not text.strip():
        raise ValueError(f"the caption is empty; expected {LINE_FORMAT}")
    if "" in more or any(_TAG.fullmatch(word) for field in more for word in field.split()):
        raise ValueError(f"{line.count('#')} '#' where {LINE_FORMAT} was expected")
    return CaptionLine(Caption("#".join([text, *more]).strip(), tokens if tagged else ()), *(span or ()))


def _span(fields: Sequence[str]) -> tuple[float, float] | None:
    """From and to; None where the fields are no numbers."""
    try:
        start, end = map(seconds, fields)
    except ValueError:
        return None
    return start, end


def seconds(written: str | float) -> float:
    """A number of a caption line, NaN as 0. ValueError if it is none, infinite or negative."""
    value = float(written.replace(",", ".") if isinstance(written, str) else written)
    if math.isinf(value) or value < 0:
        raise ValueError(f"{written} seconds")
    return 0.0 if math.isnan(value) else value


def format_line(line: CaptionLine) -> str:
    """The line as HumanML3D stores it; ``#`` and line breaks inside the caption become spaces."""
    text = " ".join(line.caption.text.replace("#", " ").split())
    return f"{text}#{' '.join(line.caption.tokens)}#{line.start_s}#{line.end_s}"


def within(lines: Iterable[CaptionLine], start_s: float, end_s: float) -> tuple[CaptionLine, ...]:
    """The captions of a part of their clip, with their seconds counted from its start.

    A caption of some seconds belongs to a part that has at least half of them, or half of whose own they are.
    """
    found = []
    for line in lines:
        start, end = max(line.start_s, start_s), min(line.end_s, end_s)
        if line.whole or (start <= start_s + SLACK_S and end >= end_s - SLACK_S):
            found.append(replace(line, start_s=0.0, end_s=0.0))
        elif end - start >= min(line.end_s - line.start_s, end_s - start_s) / 2:
            found.append(replace(line, start_s=round(start - start_s, 3), end_s=round(end - start_s, 3)))
    return tuple(found)


def texts_of(told: Any) -> tuple[str, ...]:
    """The captions in an entry of ``captions.json``, beside motions: a text, a list, or {"captions": either}.

    A text may be an object too, {"caption": text}, with its seconds.
    """
    told = told.get("captions", told.get("caption")) if isinstance(told, dict) else told
    parts = told if isinstance(told, list) else [told]
    texts = (part.get("caption") if isinstance(part, dict) else part for part in parts)
    return tuple(text for text in texts if isinstance(text, str))


def read_captions(path: Path) -> tuple[CaptionLine, ...]:
    """All captions of a text file; blank lines are ignored. UserError names the file and the line."""
    return parse_captions(read_caption_file(path), path)


def read_caption_file(path: Path) -> str:
    """The file's text; UserError if it is none."""
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no captions there; every listed clip needs a text file") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: an id that is no file name
        raise UserError(f"{path}: not readable ({error})") from error


def parse_captions(text: str, path: Path) -> tuple[CaptionLine, ...]:
    """The captions in the text of the file ``path``, as ``read_captions`` gives them."""
    lines: list[CaptionLine] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        try:
            if raw.strip():
                lines.append(parse_line(raw))
        except ValueError as error:
            raise UserError(f"{path}:{number}: {error}; expected {LINE_FORMAT}") from error
    if not lines:
        raise UserError(f"{path}:1: no caption in the file; add one a line, or drop the clip from the split")
    return tuple(lines)


def write_captions(path: Path, lines: Iterable[CaptionLine]) -> None:
    """A text file that every published loader reads."""
    path.write_text("".join(format_line(line) + "\n" for line in lines), encoding="utf-8")


def mirror_caption(caption: Caption) -> Caption:
    """The caption of the mirrored motion; its tokens change with the words, or are made anew where they do not fit."""
    text = mirror_text(caption.text)
    words, others = token_words(caption.text), token_words(text)
    if not len(words) == len(others) == len(caption.tokens):
        return Caption(text, tag(text) if caption.tokens else ())
    tokens = []
    for token, word, other in zip(caption.tokens, words, others, strict=True):
        lemma, slash, pos = token.partition("/")
        kept = lemma if word == other else other if lemma == word else mirror_text(lemma)
        tokens.append(kept + slash + pos)
    return Caption(text, tuple(tokens))
