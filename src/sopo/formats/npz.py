"""``.npy`` and ``.npz`` of strangers: plain numbers and words, never unpickled, never larger than they say."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sopo.errors import UserError, reason

MAX_BYTES = 1 << 28  # of one array: half an hour of a SMPL-X body at 120 Hz
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that zipfile unpacks in bounded steps


class Npz:
    """The arrays of an opened ``.npz``, each read when asked for. ``label`` names the file in errors."""

    def __init__(self, archive: zipfile.ZipFile, label: str) -> None:
        self.label = label
        self._archive = archive
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The array ``name``; UserError if it is absent, damaged, too large, or holds pickled objects."""
        label = f"{self.label}: {name}"
        info = self._members.get(name)
        if info is None:
            raise UserError(f"{self.label}: has no array {name!r}; it holds {', '.join(self.names[:8]) or 'nothing'}")
        if info.file_size > MAX_BYTES or info.compress_type not in _PACKINGS:
            raise UserError(f"{label}: packed in a way that is not read, or above {MAX_BYTES >> 20} MiB")
        try:
            with self._archive.open(info) as file:
                data = file.read(info.file_size)
        # Damaged archives raise of everything: BadZipFile, zlib.error, EOFError and more.
        except Exception as error:
            raise UserError(f"{label}: damaged ({reason(error)})") from error
        return parse_npy(data, label)


@contextmanager
def open_npz(source: Path | BinaryIO, label: str | Path) -> Iterator[Npz]:
    """A ``.npz`` file, on disk or in memory; UserError if it is missing or not one."""
    try:
        archive = zipfile.ZipFile(source)
    except FileNotFoundError:
        raise UserError(f"{label}: no such file") from None
    except Exception as error:
        raise UserError(f"{label}: not a .npz file, or truncated ({reason(error)})") from error
    with archive:
        yield Npz(archive, str(label))


def read_npy(path: Path) -> NDArray[Any]:
    """A ``.npy`` file -> its array, as ``parse_npy`` gives it; UserError if it is missing or too large."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: above {MAX_BYTES >> 20} MiB")
        return parse_npy(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({reason(error)})") from error


def parse_npy(data: bytes, label: str) -> NDArray[Any]:
    """The bytes of a ``.npy`` file -> its array of numbers or words; UserError if it is anything else.

    The header's shape is checked against the bytes that are there before anything is made of it.
    """
    file = BytesIO(data)
    shape, fortran, dtype = read_npy_header(file, label)
    if dtype.kind not in "fiubUS":
        raise UserError(f"{label}: holds {'pickled objects' if dtype.kind == 'O' else dtype}, expected plain numbers")
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(data) - file.tell():
        raise UserError(f"{label}: says it holds {list(shape)} of {dtype}, which is not what follows; truncated?")
    values = np.frombuffer(data, dtype, offset=file.tell()) if prod(shape) * dtype.itemsize else np.empty(0, dtype)
    return values.reshape(shape, order="F" if fortran else "C").copy()  # bytes cannot be written to


def read_npy_header(file: BinaryIO, label: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type, as a ``.npy`` file says in front; UserError if it is none."""
    try:
        old = npy.read_magic(file) == (1, 0)
        return (npy.read_array_header_1_0 if old else npy.read_array_header_2_0)(file)
    # A hostile header reaches the parser of Python's literals, which raises of everything.
    except Exception as error:
        raise UserError(f"{label}: damaged or not a NumPy array ({reason(error)})") from error
