"""The page that shows what alignment did: one ``report.html`` that needs no network and no other file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np

from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, Skeleton
from sopo.viewer.page import body, quantise, write_html

ASSETS = Path(__file__).with_name("page")
SCRIPTS = ("table.js", "curves.js", "main.js")  # in this order

GROUPS = {
    "largest change": "Chosen because alignment changed their reward most, up or down: not representative.",
    "random": "Drawn at random: what to expect of a caption.",
}
CURVE_POINTS = 400  # more than a small plot can show
MOTIONS = ("real", "before", "after")  # in this order, side by side


class Estimate(TypedDict):
    """A measured value and the half-width of its 95% confidence interval."""

    mean: float
    ci: float


@dataclass(frozen=True)
class Column:
    """A measure of the table. ``better``: which way is good; ``digits`` after the point."""

    name: str
    better: Literal["higher", "lower", "closer"]
    digits: int = 3
    note: str = ""


COLUMNS = (
    Column("R@1", "higher", note="caption found first among 32"),
    Column("R@2", "higher", note="among the first two of 32"),
    Column("R@3", "higher", note="among the first three of 32"),
    Column("MMDist", "lower", note="text to motion distance"),
    Column("FID", "lower", note="distance to real motions"),
    Column("Diversity", "closer", note="mean distance of pairs"),
    Column("rule_accuracy", "higher", note="motions that do what the caption says"),
    Column("foot_skate", "lower", note="feet that slide on the floor"),
    Column("jitter", "closer", digits=0, note="how roughly joints move, m/s³"),
    Column("limb_speed", "closer", note="how much limbs move, m/s"),
    Column("floor_depth", "lower", digits=2, note="the lowest joint under the floor, mm"),
)


@dataclass(frozen=True)
class Example:
    """One caption, acted three times.

    group: a key of GROUPS. motions: "real", "before", "after" -> joints [T, J, 3] in the skeleton's units
    (each its own T; any of the three may be absent). scores: the same names -> {score: number or bool};
    a bool is shown as pass or fail.
    """

    caption: str
    group: str
    motions: Mapping[str, np.ndarray]
    scores: Mapping[str, Mapping[str, float | bool]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All that the page shows.

    summary: its first line is the headline. table: row -> column -> Estimate; row "base" is what the others
    are compared with, row "real" is the data. curves: name -> [(step, value)]. config: the run's settings,
    nested as they are. facts: the footer (seed, commit, device ...).
    """

    title: str
    summary: Sequence[str]
    table: Mapping[str, Mapping[str, Estimate]]
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    examples: Sequence[Example] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    columns: Sequence[Column] = COLUMNS
    skeleton: Skeleton = HUMANML3D


def write_page(path: str | Path, report: Report) -> Path:
    """Write ``report`` as one self-contained HTML file. Raises UserError on data that cannot be shown."""
    styles, scripts = [ASSETS / "style.css"], [ASSETS / name for name in SCRIPTS]
    return write_html(path, report.title, payload(report), styles, scripts)


def payload(report: Report) -> dict[str, Any]:
    """The page's data as plain JSON values."""
    skeleton = report.skeleton
    if unknown := sorted({example.group for example in report.examples} - set(GROUPS)):
        raise UserError(f"report: unknown example groups {unknown}; expected {list(GROUPS)}")
    return {
        "title": report.title,
        "summary": list(report.summary),
        "table": table_payload(report.table, report.columns),
        "curves": [{"name": name, "points": thin(points)} for name, points in report.curves.items() if len(points)],
        "skeleton": body(skeleton),
        "groups": [{"name": name, "note": note} for name, note in GROUPS.items()],
        "examples": [
            {
                "caption": example.caption,
                "group": example.group,
                "motions": {
                    name: quantise(example.motions[name], skeleton) for name in MOTIONS if name in example.motions
                },
                "scores": {name: plain(scores) for name, scores in example.scores.items()},
            }
            for example in report.examples
        ],
        "config": plain(report.config),
        "facts": plain(report.facts),
    }


def table_payload(table: Mapping[str, Mapping[str, Estimate]], columns: Sequence[Column]) -> dict[str, Any]:
    """Rows, columns, and for every cell its change against row "base" (see ``compare``)."""
    if not table:
        return {"rows": [], "columns": []}
    if "base" not in table:
        raise UserError(f"report table: no row 'base' to compare with; it has {list(table)}")
    named = {column.name for column in columns}
    if unknown := sorted({name for row in table.values() for name in row} - named):
        raise UserError(f"report table: unknown columns {unknown}; pass Report(columns=...) that describes them")
    shown = [column for column in columns if any(column.name in row for row in table.values())]
    return {
        "rows": list(table),
        "columns": [
            {
                "name": column.name,
                "better": column.better,
                "digits": column.digits,
                "note": column.note,
                "cells": {name: cell(column, name, table) for name, row in table.items() if column.name in row},
            }
            for column in shown
        ],
    }


def cell(column: Column, row: str, table: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Any]:
    """One number of the table with its interval and, beside "base" and "real", its verdict."""
    value = table[row][column.name]
    base, real = table["base"].get(column.name), table.get("real", {}).get(column.name)
    shown: dict[str, Any] = {"mean": finite(value["mean"]), "ci": finite(value["ci"])}
    if row not in ("base", "real") and base is not None and (column.better != "closer" or real is not None):
        shown |= compare(column, value, base, real)
    return shown


def compare(column: Column, value: Estimate, base: Estimate, real: Estimate | None) -> dict[str, Any]:
    """{"change": relative change or None, "verdict": better, worse or unclear (the intervals overlap)}.

    A "closer" column is judged, as in the paper's Table 1, on its distance to the real data.
    """
    target = real["mean"] if column.better == "closer" and real is not None else None
    score, reference = (v["mean"] if target is None else abs(v["mean"] - target) for v in (value, base))
    change = (score - reference) / abs(reference) if reference else None
    if not abs(score - reference) > value["ci"] + base["ci"]:  # also where a value is not finite
        verdict = "unclear"
    else:
        verdict = "better" if (score > reference) == (column.better == "higher") else "worse"
    return {"change": None if change is None else finite(change), "verdict": verdict}


def thin(points: Sequence[tuple[float, float]]) -> list[list[float | None]]:
    """At most CURVE_POINTS of the points, evenly chosen, first and last kept; null where not finite."""
    chosen = np.unique(np.linspace(0, len(points) - 1, min(len(points), CURVE_POINTS)).round().astype(int))
    return [[finite(points[i][0]), finite(points[i][1])] for i in chosen]


def finite(value: float) -> float | None:
    """The number with six significant digits, or None where JSON has no word for it."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def plain(value: Any) -> Any:
    """Settings and scores as JSON values: numbers stay, containers are walked, the rest becomes its str."""
    match value:
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case None | str():
            return value
        case bool() | np.bool_():
            return bool(value)
        case int() | np.integer():
            return int(value)
        case float() | np.floating():
            return finite(float(value))
        case _:
            return str(value)
