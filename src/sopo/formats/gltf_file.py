"""The container of glTF and GLB: its JSON, and the arrays in its buffers. What it says is checked before it is done.

The package pygltflib reads such files too (the tests write with it), but believes every number in them.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from sopo.formats.text import LARGEST, read_bytes

_MAGIC, _JSON, _BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}  # of what moves; matrices do not


class GltfFile:
    """``json``, and ``array(accessor)``; every method raises ValueError where the file contradicts itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        raw = read_bytes(path, "glTF")
        self.size = len(raw)
        text, self._binary = _chunks(raw) if raw[:4] == b"glTF" else (raw, None)
        try:
            self.json = json.loads(text.decode("utf-8-sig"))
        except RecursionError as error:
            raise ValueError("its JSON nests too deep") from error
        if not isinstance(self.json, dict):
            raise ValueError("its JSON is no object")
        self._buffers: dict[int, bytes] = {}
        self._arrays: dict[int, NDArray[np.float64]] = {}

    def array(self, accessor: int) -> NDArray[np.float64]:
        """Values [count, width] of an accessor, normalised integers as they are meant."""
        if accessor not in self._arrays:
            self._arrays[accessor] = self._accessor(entry(self.json, "accessors", accessor))
        return self._arrays[accessor]

    def _accessor(self, accessor: dict[str, Any]) -> NDArray[np.float64]:
        kind, width = _kind(accessor), _WIDTHS.get(str(accessor.get("type")))
        count = whole(accessor, "count")
        if width is None:
            raise ValueError(f"an accessor of type {accessor.get('type')!r} moves nothing")
        if "bufferView" in accessor:
            with np.errstate(invalid="ignore"):  # refused below
                values = self._view(accessor, count, width, kind).astype(np.float64)
        elif count <= self.size:
            values = np.zeros((count, width))
        else:
            raise ValueError(f"an accessor of {count} zeros is larger than the file")
        if "sparse" in accessor:
            sparse = part(accessor, "sparse")
            indices, changed = part(sparse, "indices"), whole(sparse, "count")
            at = self._view(indices, changed, 1, _kind(indices))[:, 0].astype(np.int64)
            if changed and not 0 <= at.min() <= at.max() < count:
                raise ValueError("a sparse accessor changes what is not in it")
            values[at] = self._view(part(sparse, "values"), changed, width, kind)
        if accessor.get("normalized") and kind != "<f4":
            values = np.maximum(values / np.iinfo(kind).max, -1)
        if not np.isfinite(values).all():
            raise ValueError("holds numbers that are not finite")
        return values

    def _view(self, of: dict[str, Any], count: int, width: int, kind: str) -> NDArray[Any]:
        view = entry(self.json, "bufferViews", of.get("bufferView"))
        if "EXT_meshopt_compression" in str(view.get("extensions")):
            raise ValueError("is compressed with meshopt; export it uncompressed")
        size = np.dtype(kind).itemsize * width
        stride, offset = whole(view, "byteStride", size), whole(of, "byteOffset", 0)
        start = whole(view, "byteOffset", 0)
        data = self._buffer(whole(view, "buffer"))[start : start + whole(view, "byteLength")]
        if stride < size or (count and offset + (count - 1) * stride + size > len(data)):
            raise ValueError(f"{count} elements of {size} bytes do not fit a buffer view of {len(data)}; truncated?")
        if not count:
            return np.empty((0, width), kind)
        return np.ndarray((count, width), kind, data, offset, (stride, size // width))

    def _buffer(self, number: int) -> bytes:
        if number not in self._buffers:
            buffer = entry(self.json, "buffers", number)
            data = self._content(buffer.get("uri"))
            if len(data) < whole(buffer, "byteLength"):
                raise ValueError(f"a buffer has {len(data)} bytes of its {buffer['byteLength']}; truncated?")
            self._buffers[number] = data
        return self._buffers[number]

    def _content(self, uri: object) -> bytes:
        if uri is None and self._binary is not None:
            return self._binary
        if not isinstance(uri, str):
            raise ValueError("a buffer is nowhere; truncated?")
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        folder = self.path.parent.resolve()
        beside = (folder / unquote(uri)).resolve()
        if ":" in uri or not beside.is_relative_to(folder):
            raise ValueError(f"its buffer {uri[:60]!r} is not in its folder, and so not opened")
        data = read_bytes(beside, "a glTF buffer")
        self.size += len(data)
        return data


def _chunks(raw: bytes) -> tuple[bytes, bytes | None]:
    """The JSON and the binary chunk of a GLB."""
    header = np.frombuffer(raw[:12].ljust(12, b"\0"), "<u4")
    if header[1] != 2 or header[2] > len(raw):
        raise ValueError(f"has {len(raw)} bytes of {header[2]} of glTF {header[1]}; truncated, or not glTF 2")
    found: dict[int, bytes] = {}
    at = 12
    while at + 8 <= len(raw):
        length, kind = map(int, np.frombuffer(raw[at : at + 8], "<u4"))
        found.setdefault(kind, raw[at + 8 : at + 8 + length])
        at += 8 + length
    if _JSON not in found:
        raise ValueError("has no JSON; truncated?")
    return found[_JSON], found.get(_BINARY)


def _kind(accessor: dict[str, Any]) -> str:
    kind = _COMPONENTS.get(whole(accessor, "componentType"))
    if kind is None:
        raise ValueError(f"numbers of kind {accessor['componentType']} are none of glTF's")
    return kind


def entry(parent: dict[str, Any], key: str, index: object) -> dict[str, Any]:
    """``parent[key][index]``, which must be there and an object."""
    rows = parent.get(key, [])
    if not isinstance(rows, list) or not isinstance(index, int) or not 0 <= index < len(rows):
        raise ValueError(f"has no {key} {index!r}")
    if not isinstance(rows[index], dict):
        raise ValueError(f"{key} {index} is no object")
    return rows[index]


def part(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """``parent[key]``, which must be there and an object."""
    if not isinstance(parent, dict) or not isinstance(parent.get(key), dict):
        raise ValueError(f"lacks {key!r}")
    found: dict[str, Any] = parent[key]
    return found


def entries(parent: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """``parent[key]``, a list of objects; empty where absent."""
    rows = parent.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{key} is no list of objects")
    return rows


def whole(parent: dict[str, Any], key: str, default: int | None = None) -> int:
    """``parent[key]``, a whole number from 0 on."""
    value = parent.get(key, default) if isinstance(parent, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key!r} is {value!r}, expected a whole number")
    return value


def links(parent: dict[str, Any], key: str, count: int) -> list[int]:
    """``parent[key]``, a list of numbers below ``count``; empty where absent."""
    numbers = parent.get(key, [])
    if not isinstance(numbers, list) or not all(type(number) is int and 0 <= number < count for number in numbers):
        raise ValueError(f"{key} are no list of numbers below {count}")
    return numbers


def vector(parent: dict[str, Any], key: str, default: tuple[float, ...]) -> NDArray[np.float64]:
    """``parent[key]``, as many finite numbers as the default has."""
    values = parent.get(key, default)
    if not isinstance(values, list | tuple) or not all(type(value) in (int, float) for value in values):
        raise ValueError(f"{key} is no list of numbers")
    if len(values) != len(default) or not all(abs(value) <= LARGEST for value in values):
        raise ValueError(f"{key} is not {len(default)} numbers of a plausible size")
    return np.array(values, dtype=np.float64)
