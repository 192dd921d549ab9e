"""Text files of motion as programs leave them: any encoding and line ends, numbers in any spelling."""

from __future__ import annotations

import codecs
import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError

LARGEST = 1e6  # of a length or an angle in any unit: beyond lies damage

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_JAPANESE = re.compile(r"[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff5e]+")
_COMMENT = re.compile(r"^[ \t]*(?:#|//).*$|[ \t](?:#|//)[ \t].*$", re.MULTILINE)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NO_NUMBER = re.compile(rf"(?<!\S)(?!{_NUMBER}(?!\S))\S+")


def read_bytes(path: Path, format: str) -> bytes:
    """The file's bytes; UserError if it cannot be read."""
    try:
        if path.exists() and not path.is_file():  # a pipe would never end
            raise UserError(f"{path}: not a file, so not readable as {format}")
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: not readable as {format} ({error.strerror or error})") from error
    if raw.startswith(b"version https://git-lfs"):
        raise UserError(f"{path}: only a pointer of Git LFS; fetch the file itself with git lfs pull")
    return raw


def read_text(path: Path, format: str) -> str:
    """The file's text with lines ended by ``\\n``, comments (``#``, ``//``) blanked; UserError if it is no text."""
    text = decode(read_bytes(path, format))[0].replace("\r\n", "\n").replace("\r", "\n")
    text = text.partition("\x1a")[0].rstrip("\x00")  # DOS ends a file so, and some pad it
    if "\x00" in text:
        raise UserError(f"{path}: not readable as {format} (it is binary)")
    return _COMMENT.sub("", text) if "#" in text or "//" in text else text


def decode(raw: bytes) -> tuple[str, str]:
    """The text in bytes of any encoding, and which one it was taken for."""
    for mark, encoding in _MARKS.items():
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, errors="replace"), encoding
    for encoding in ("utf-8", "cp932", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "cp932" or _is_japanese(text):
            return text, encoding
    return raw.decode("latin-1"), "latin-1"


def _is_japanese(text: str) -> bool:
    """Whether what is not ASCII are kana and kanji, some in a row: accents of cp1252, read so, stand alone."""
    runs = _FOREIGN.findall(text)
    return all(_JAPANESE.fullmatch(run) for run in runs) and any(len(run) > 1 for run in runs)


def parse_numbers(text: str) -> NDArray[np.float64]:
    """Numbers between blanks, decimal commas too; ValueError naming the first word that is none, or is out of range."""
    if "," in text:
        # Beside points, or before blanks, commas part the numbers.
        text = text.replace(",", " " if "." in text or re.search(r",\s", text) else ".")
    if not text.strip():
        return np.empty(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # NumPy 1 only warns
            values = np.fromstring(text, sep=" ")
    except (ValueError, DeprecationWarning) as error:
        found = _NO_NUMBER.search(text)
        raise ValueError(f"{found[0][:40] if found else text[:40]!r} is not a number") from error
    if not (np.abs(values) <= LARGEST).all():
        wrong = values[~(np.abs(values) <= LARGEST)][0]
        raise ValueError(f"{wrong:g} is not a finite number of a plausible size")
    return values
