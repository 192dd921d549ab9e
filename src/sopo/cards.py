"""Model cards: the README.md of a model folder, as huggingface_hub reads and writes it.

A card is front matter and parts, each under a heading of its own. Parts that are none of ours, and a README.md that is
none of ours, are left as they are.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sopo.errors import UserError, reason

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

CARD = "README.md"
MADE, MEASURED, LICENCE, LOAD = "How it was made", "Measured", "Licence", "Load it"
PARTS = (MADE, MEASURED, LICENCE, LOAD)  # ours, in their order
UNSTATED = (
    "Not stated. It hangs on the data and on the model that this one was made from; say it before you publish it."
)
UNKNOWN = "Not recorded: the weights were saved by hand."


def write_card(folder: Path, kind: str, about: str, load: str, made: Mapping[str, Any] | None = None) -> None:
    """The card of a model just saved in ``folder``.

    about: what it is. load: how to load it, Markdown. made: setting -> value, of the run that made it; None: not known.
    """
    front = {"library_name": "sopo", "tags": ["text-to-motion", kind]}
    rows = {**(made or {}), "written": f"{datetime.date.today()}, sopo {version('sopo')}"} if made else {}
    parts = {MADE: _table(rows) if rows else UNKNOWN, LICENCE: UNSTATED, LOAD: load}
    write_parts(folder, front, f"# {folder.name}\n\n{about}", parts)


def write_parts(folder: Path, front: Mapping[str, Any], head: str, parts: Mapping[str, str]) -> None:
    """A card of these parts, and of those of the one before that are none of ours."""
    before = read_card(folder) if (folder / CARD).is_file() else None
    if before is None and (folder / CARD).exists():
        return  # somebody's README
    _, kept = split_parts(before.text) if before else ("", {})
    kept = {title: body for title, body in kept.items() if title not in PARTS}
    _save(folder, front, head, {**parts, **kept})


def set_parts(folder: Path, parts: Mapping[str, str], front: Mapping[str, Any] | None = None) -> bool:
    """Put parts and entries of the front matter into the card of ``folder``; False where it has none of ours."""
    card = read_card(folder)
    if card is None:
        return False
    head, present = split_parts(card.text)
    merged = {**present, **parts}
    ours = [title for title in PARTS if title in merged]
    order = [*ours, *(title for title in merged if title not in PARTS)]
    entries = card.data.to_dict()
    if "eval_results" in (front or {}):
        entries.pop("model-index", None)
    _save(folder, {**entries, **(front or {})}, head, {title: merged[title] for title in order})
    return True


def read_card(folder: Path) -> ModelCard | None:
    """The card of a folder; None where there is none, or one that is none of ours."""
    from huggingface_hub import ModelCard  # takes a while to import

    try:
        text = (folder / CARD).read_text(encoding="utf-8")
        if not text.startswith("---") or "library_name: sopo" not in text:
            return None
        card = ModelCard(text, ignore_metadata_errors=True)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return card if card.data.to_dict().get("library_name") == "sopo" else None


def split_parts(text: str) -> tuple[str, dict[str, str]]:
    """What stands before the first heading of the second level, and heading -> what stands under it."""
    head, *rest = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return head.strip(), {title.strip(): body.strip() for title, body in zip(rest[::2], rest[1::2], strict=True)}


def without_places(text: str) -> str:
    """``text`` with the last name alone of each absolute path: where things lie on a machine is nobody's business."""
    return re.sub(r"(?<![\w.:/])(?:[A-Za-z]:)?[\\/](?:[^\s\\/*+|]+[\\/])*([^\s\\/*+|]+)", r"\1", text)


def _table(rows: Mapping[str, Any]) -> str:
    lines = [f"| {name} | {without_places(str(value)).replace('|', chr(92) + '|')} |" for name, value in rows.items()]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def _save(folder: Path, front: Mapping[str, Any], head: str, parts: Mapping[str, str]) -> None:
    from huggingface_hub import ModelCard, ModelCardData

    text = "\n\n".join([head, *(f"## {title}\n\n{body}" for title, body in parts.items())])
    card = ModelCard(f"---\n{ModelCardData(**front).to_yaml()}\n---\n\n{text}\n")
    staging = folder / f".{CARD}.partial"
    try:
        card.save(staging)
        staging.replace(folder / CARD)
    except OSError as error:
        raise UserError(f"{folder / CARD}: cannot be written ({error.strerror or reason(error)})") from error
