"""glTF files made by hand for tests: plain dictionaries, so that any of their numbers can be made wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

KINDS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}
# (node, property) -> times, values, interpolation
Tracks = Mapping[tuple[int, str], tuple[Sequence[float], Any, str]]


class Sample:
    """A growing glTF: ``json`` and the bytes of its one buffer."""

    def __init__(self, nodes: list[dict[str, Any]], skin: list[int] | None = None) -> None:
        self.data = b""
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": nodes,
            "accessors": [], "bufferViews": [], "animations": [],
        }  # fmt: skip
        if skin is not None:
            self.json["skins"] = [{"joints": skin}]

    def view(self, data: bytes, **extra: Any) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data), **extra})
        self.data += data
        return len(self.json["bufferViews"]) - 1

    def accessor(self, values: Any, kind: str = "f4", **extra: Any) -> int:
        array = np.asarray(values, dtype=f"<{kind}")
        array = array.reshape(len(array), -1)
        self.json["accessors"].append({
            "bufferView": self.view(array.tobytes()), "componentType": KINDS[kind],
            "count": len(array), "type": TYPES[array.shape[1]], **extra,
        })  # fmt: skip
        return len(self.json["accessors"]) - 1

    def animation(self, tracks: Tracks, name: str = "walk") -> None:
        samplers, channels = [], []
        for (node, path), (times, values, how) in tracks.items():
            channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
            output = values if isinstance(values, int) else self.accessor(values)
            samplers.append({"input": self.accessor(times), "output": output, "interpolation": how})
        self.json["animations"].append({"name": name, "samplers": samplers, "channels": channels})

    def write(self, path: Path, uri: str | None = None, damage: Callable[[dict[str, Any]], Any] | None = None) -> Path:
        """As .glb, or as .gltf with the buffer in the JSON or at ``uri``."""
        buffer: dict[str, Any] = {"byteLength": len(self.data)}
        self.json["buffers"] = [buffer]
        if uri is not None:
            buffer["uri"] = uri
        elif path.suffix == ".gltf":
            buffer["uri"] = "data:application/octet-stream;base64," + base64.b64encode(self.data).decode()
        if damage:
            damage(self.json)
        text = json.dumps(self.json).encode()
        if path.suffix == ".gltf":
            path.write_bytes(text)
        else:
            text += b" " * (-len(text) % 4)
            data = self.data + b"\0" * (-len(self.data) % 4)
            total = 12 + 8 + len(text) + 8 + len(data)
            path.write_bytes(
                b"glTF" + np.array([2, total, len(text)], "<u4").tobytes() + b"JSON" + text
                + np.array([len(data)], "<u4").tobytes() + b"BIN\0" + data
            )  # fmt: skip
        return path
