"""BVH, the text format of motion capture, as any program writes it: joints and end sites, world positions.

The package bvhio reads the same positions (the tests compare) in single precision, but waits for ever at the
end of a truncated file, so the format is parsed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.formats.hierarchy import check_size, distinct_names, turned
from sopo.formats.rate import rate_of_frame_time
from sopo.formats.text import parse_numbers, read_text
from sopo.motion.clip import Clip

_ITEM = re.compile(
    r"\s*(?:(?P<close>\})|(?P<open>\{)"
    r"|(?P<node>ROOT|JOINT|END(?:[ \t_]*(?:SITE|EFFECTOR))?)\b[ \t]*(?P<name>[^\n{}]*)"
    r"|OFFSET\s+(?P<offset>\S+\s+\S+\s+[^\s}]+)"
    r"|CHANNELS\s+(?P<count>\d+)(?P<channels>(?:\s+[XYZ][A-Z]+)*)"
    r"|HIERARCHY\b|$)",
    re.IGNORECASE,
)
_MOTION = re.compile(r"(?:^|\})[ \t]*MOTION\b", re.IGNORECASE | re.MULTILINE)
_HEADER = re.compile(r"[\s:]*FRAMES[\s:]*(\d+)\s+FRAME[\s_]*TIME[\s:]*(\S+)", re.IGNORECASE)
_CHANNEL = re.compile(r"([XYZ])(?:(pos)(?:ition)?|(rot)(?:ation)?|(scale))", re.IGNORECASE)
_CUT_OFF = 0.1  # share of the frames announced that may be missing
_ADDED = 0.05  # of the offsets' lengths: whole positions have about these lengths
_FITS = 0.3  # of the misfit to the offsets' lengths of positions as usually meant: others fit better


@dataclass
class _Node:
    name: str
    parent: int
    offset: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    channels: list[tuple[str, str]] = field(default_factory=list)  # ("X", "pos"), ("Z", "rot") ...
    told: set[str] = field(default_factory=set)

    def once(self, word: str) -> _Node:
        """This node; ValueError if ``word`` was told of it before."""
        if word in self.told:
            raise ValueError(word)
        self.told.add(word)
        return self


def read_bvh(path: str | Path, fps: float | None = None) -> Clip:
    """Joints and end sites (named "PARENT end" where the file names them not), in the file's unit and axes.

    A joint's position channels replace its offset. ``fps`` stands in for the file's frame time. Raises
    UserError if the file is missing, truncated or not BVH.
    """
    path = Path(path)
    text = read_text(path, "BVH")
    motion = _MOTION.search(text)
    if motion is None:
        raise UserError(f"{path}: no line MOTION; truncated, or not a BVH file")
    nodes = _parse_hierarchy(text[: motion.end() - len("MOTION")], path)
    try:
        table, rate, notes = _parse_motion(text[motion.end() :], sum(len(node.channels) for node in nodes), fps)
        check_size(len(table), len(nodes), len(text))
        positions = _positions(nodes, table, notes)
    except (UserError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
    names = distinct_names([node.name for node in nodes])
    parents = tuple(node.parent for node in nodes)
    return Clip(names, parents, positions, rate, notes=tuple(notes), rest=_rest(nodes))


def _rest(nodes: list[_Node]) -> NDArray[np.float64]:
    rest = np.array([node.offset for node in nodes])
    for index, node in enumerate(nodes):
        if node.parent >= 0:
            rest[index] += rest[node.parent]
    return rest


def _parse_hierarchy(text: str, path: Path) -> list[_Node]:
    nodes: list[_Node] = []
    enclosing: list[int] = []
    named = False  # a bracket must follow
    at = 0
    while at < len(text):
        item = _ITEM.match(text, at)
        try:
            if item is None or bool(item["open"]) != named:
                raise ValueError
            if item["node"]:
                nodes.append(_node(item, nodes, enclosing))
                named = True
            elif item["open"]:
                enclosing.append(len(nodes) - 1)
                named = False
            elif item["close"]:
                enclosing.pop()
            elif item["offset"]:
                nodes[enclosing[-1]].once("offset").offset = _offset(item["offset"])
            elif item["count"]:
                nodes[enclosing[-1]].once("channels").channels = _channels(int(item["count"]), item["channels"].split())
        except (ValueError, IndexError) as error:
            raise UserError(f"{path}:{_quote(text, at)} does not belong in a BVH hierarchy") from error
        at = item.end()
    if enclosing or named or not nodes:
        raise UserError(f"{path}: the BVH hierarchy is empty or its brackets do not close")
    if bare := [node.name for node in nodes if node.parent >= 0 and "offset" not in node.told]:
        raise UserError(f"{path}: joint {bare[0]} has no OFFSET")
    return nodes


def _quote(text: str, at: int) -> str:
    """``LINE: 'its text'`` of the first thing from ``at`` on."""
    at += len(text[at:]) - len(text[at:].lstrip())
    return f"{text.count(chr(10), 0, at) + 1}: {text[at:].partition(chr(10))[0].strip()[:60]!r}"


def _node(item: re.Match[str], nodes: list[_Node], enclosing: list[int]) -> _Node:
    parent = enclosing[-1] if enclosing else -1
    end = item["node"].upper().startswith("END")
    unnamed = f"{nodes[parent].name} end" if end and parent >= 0 else f"joint {len(nodes)}"
    return _Node(item["name"].strip() or unnamed, parent)


def _offset(text: str) -> NDArray[np.float64]:
    values = parse_numbers("\n".join(text.split()))
    if len(values) != 3:
        raise ValueError(text)
    return values


def _channels(count: int, words: list[str]) -> list[tuple[str, str]]:
    found = [_CHANNEL.fullmatch(word) for word in words]
    channels = [(match[1].upper(), (match[2] or match[3] or match[4]).lower()) for match in found if match]
    moved = [axis for axis, kind in channels if kind == "pos"]
    turned = [axis for axis, kind in channels if kind == "rot"]
    if len(channels) != len(words) or len(words) != count or len(set(moved)) < len(moved) or len(turned) > 3:
        raise ValueError(words)
    return channels


def _parse_motion(text: str, columns: int, fps: float | None) -> tuple[NDArray[np.float64], float, list[str]]:
    """The table [T, columns], the frames per second, and remarks."""
    header = _HEADER.match(text)
    if header is None:
        raise UserError("no 'Frames:' and 'Frame Time:' after MOTION; truncated, or not a BVH file")
    rows = text[header.end() :]
    values = parse_numbers(rows)
    if columns == 0 or values.size == 0:
        raise UserError("holds no frame, or no channel that moves; truncated?")
    announced = int(header[1])
    notes: list[str] = []
    if values.size != announced * columns:
        values = values[: columns * _whole_rows(rows, columns, announced)]
        notes.append(f"holds {values.size // columns} whole frames, not the {announced} that it announces")
    if fps is None and values.size > columns:  # the rate of one frame does not matter
        fps, remark = rate_of_frame_time(header[2])
        notes += [remark] if remark else []
    return values.reshape(-1, columns), fps or 30.0, notes


def _whole_rows(rows: str, columns: int, announced: int) -> int:
    """How many rows to take where their number is not the one announced; UserError if they do not hold a frame each."""
    widths = [len(row.split()) for row in rows.split("\n") if row.strip()]
    *whole, last = widths
    if set(whole) - {columns} or last > columns:
        odd = next(number for number, width in enumerate(widths) if width != columns)
        needed = f"{announced} frames of {columns} channels need {announced * columns}"
        raise UserError(f"holds {sum(widths)} numbers, but {needed} (its row {odd + 1} holds {widths[odd]})")
    cut = last < columns or (len(whole) < announced and not rows[-1].isspace())  # within a row, or within a number
    count = len(whole) + (not cut)
    if count < max(1, (1 - _CUT_OFF) * announced - 1):
        raise UserError(f"holds {count} whole frames of the {announced} that it announces; truncated?")
    return count


def _positions(nodes: list[_Node], table: NDArray[np.float64], notes: list[str]) -> NDArray[np.float64]:
    """World positions [T, J, 3] in the file's units."""
    columns = np.split(table, np.cumsum([len(node.channels) for node in nodes])[:-1], axis=1)
    moved = [_moved(node, values) for node, values in zip(nodes, columns, strict=True)]
    meant = _meaning(nodes, moved)
    if meant == "added":
        notes.append("position channels are near zero, so they are added to the offsets of their joints")
    if meant == "world":
        notes.append(
            "position channels of inner joints fit their bones as places in the world, so they are read as such"
        )
    positions = np.empty((len(table), len(nodes), 3))
    rotations: list[NDArray[np.float64]] = []
    for index, (node, values) in enumerate(zip(nodes, columns, strict=True)):
        local = _local(node, values, added=meant == "added")
        rotation = np.broadcast_to(np.eye(3), (len(table), 3, 3))
        if node.parent >= 0:
            rotation = rotations[node.parent]
            if meant != "world" or moved[index] is None:
                local = positions[:, node.parent] + np.einsum("tij,tj->ti", rotation, local)
        for at in _of_kind(node, "rot"):
            rotation = turned(rotation, "XYZ".index(node.channels[at][0]), np.deg2rad(values[:, at]))
        positions[:, index] = local
        rotations.append(rotation)
    return positions


def _meaning(nodes: list[_Node], moved: list[NDArray[np.float64] | None]) -> str:
    """What position channels below the roots are: "local" in the offset's place, "added" to it, or of the "world".

    Most programs write the first. What fits the lengths of the offsets tells.
    """
    total = whole = local = world = 0.0
    for node, places in zip(nodes, moved, strict=True):
        if node.parent >= 0 and places is not None:
            bone, before = float(np.linalg.norm(node.offset)), moved[node.parent]
            total, whole = total + bone, whole + _length(places)
            if before is not None:
                local += abs(_length(places) - bone)
                world += abs(_length(places - before) - bone)
    if whole < _ADDED * total:
        return "added"
    return "world" if world < _FITS * min(local, total) else "local"


def _length(vectors: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(vectors, axis=1).mean())


def _moved(node: _Node, values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The position channels as [T, 3], if there are three."""
    columns = sorted(_of_kind(node, "pos"), key=lambda at: node.channels[at][0])
    return values[:, columns] if len(columns) == 3 else None


def _of_kind(node: _Node, kind: str) -> list[int]:
    return [at for at, (_, other) in enumerate(node.channels) if other == kind]


def _local(node: _Node, values: NDArray[np.float64], added: bool) -> NDArray[np.float64]:
    """[T, 3] from the parent, in its turned axes."""
    if (scales := values[:, _of_kind(node, "scale")]).size and not np.allclose(scales, 1, atol=1e-3):
        raise UserError(f"scales joint {node.name}, which no body does; export without scale")
    local = np.tile(node.offset, (len(values), 1))
    moved = _of_kind(node, "pos")
    axes = ["XYZ".index(node.channels[at][0]) for at in moved]
    local[:, axes] = values[:, moved] + (node.offset[axes] if added and node.parent >= 0 else 0.0)
    return local
