"""Pages that need no network: one template, the players that all pages share, motions as text."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sopo.errors import UserError
from sopo.motion.skeleton import Skeleton

ASSETS = Path(__file__).with_name("page")
PLAYERS = ("dom.js", "scene.js", "body.js", "view.js", "player.js", "stage.js")  # in this order
STEP_M = 0.001  # joints are stored in whole millimetres


def write_html(
    path: str | Path, title: str, payload: Any, styles: Sequence[Path], scripts: Sequence[Path], sources: str = ""
) -> Path:
    """Write the page of ``html_text`` as one file. Raises UserError where it cannot be written."""
    path = Path(path)
    page = html_text(title, payload, styles, scripts, sources)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def html_text(title: str, payload: Any, styles: Sequence[Path], scripts: Sequence[Path], sources: str = "") -> str:
    """A page that stands alone: the players' style and script, then ``styles`` and ``scripts``, which read ``payload``.

    sources: of further scripts that the page may load, as a Content-Security-Policy names them.
    """
    filling = {
        "title": html.escape(title),
        "style": page_style(styles),
        "script": page_script(scripts),
        "payload": script_json(payload),
        "sources": sources and f" {sources}",
    }
    template = (ASSETS / "template.html").read_text(encoding="utf-8")
    # One pass, so that nothing inside a filling is ever taken for a slot.
    return re.sub(r"\{\{(\w+)\}\}", lambda slot: filling[slot[1]], template)


def page_style(styles: Sequence[Path]) -> str:
    """The style of all pages, then ``styles``."""
    return _texts([ASSETS / "base.css", *styles])


def page_script(scripts: Sequence[Path]) -> str:
    """The players, then ``scripts``, in one scope of their own."""
    return f'(() => {{\n"use strict";\n{_texts([*(ASSETS / name for name in PLAYERS), *scripts])}\n}})();'


def _texts(files: Sequence[Path]) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def body(skeleton: Skeleton) -> dict[str, Any]:
    """What players have to know of a body."""
    sides = [("left", "middle", "right").index(side) - 1 for side in skeleton.sides]
    return {"parents": list(skeleton.parents), "sides": sides, "fps": skeleton.fps, "feet": list(skeleton.balls)}


def quantise(joints: np.ndarray, skeleton: Skeleton) -> dict[str, Any]:
    """Joints [T, J, 3] as base64 of little-endian int16, in steps of 1 mm (coarser beyond 32 m)."""
    metres = np.asarray(joints, dtype=np.float64) * skeleton.metres_per_unit
    if metres.ndim != 3 or metres.shape[1:] != (skeleton.num_joints, 3) or len(metres) == 0:
        raise UserError(f"a motion to show has shape {metres.shape}, expected [T, {skeleton.num_joints}, 3]")
    if not np.isfinite(metres).all():
        raise UserError("a motion to show has joints that are not finite")
    step = max(STEP_M, float(np.abs(metres).max()) / 32767)
    data = np.rint(metres / step).astype("<i2").tobytes()
    return {"frames": len(metres), "step": step, "data": base64.b64encode(data).decode("ascii")}


def script_json(value: Any) -> str:
    """JSON that is safe inside <script>: no character in it can end or open a tag."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))  # ASCII: U+2028 is escaped too
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
