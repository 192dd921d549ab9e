"""A checkpoint as its authors released it -> a folder that every command takes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sopo.cards import LICENCE, set_parts
from sopo.errors import UserError
from sopo.generators.generator import Generator
from sopo.generators.length_estimator import FOLDER
from sopo.matching.matcher import Matcher
from sopo.published.guo import read_guo
from sopo.published.mdm import read_mdm
from sopo.published.mld import read_mld, read_mld_star
from sopo.published.momask import read_length_estimator, read_momask
from sopo.published.settings import Given, System
from sopo.published.tmr import read_tmr

SYSTEMS: dict[System, Callable[[Path, Given], Generator | Matcher]] = {
    "mdm": read_mdm,
    "mld": read_mld,
    "mld-star": read_mld_star,
    "momask": read_momask,
    "tmr": read_tmr,
    "guo": read_guo,
}


def convert(system: System, path: Path, out: Path, given: Given) -> Path:
    """Write ``out``: config.json, model.safetensors, and the statistics inside once more as mean.npy and std.npy.

    MoMask's length estimator, where the release has it, becomes a folder inside. All or nothing. Raises UserError if a
    key, a shape or a file beside the checkpoint is off, or ``out`` is in use or out of reach.
    """
    if system not in SYSTEMS:
        raise UserError(f"no system is called {system!r}: choose {', '.join(SYSTEMS)}")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: exists; convert into a new folder")
    model = SYSTEMS[system](path, given)
    lengths = read_length_estimator(path) if system == "momask" else None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise UserError(f"{out}: cannot be created ({error.strerror})") from error
    try:
        stated = {name: value for name, value in vars(given).items() if value is not None}
        folder = model.save_pretrained(staging / out.name)
        model.write_card(folder, {"converted from": path.name, "of the release of": system, **stated})
        set_parts(
            folder, {LICENCE: "That of the released checkpoint and of the data behind it; ask its authors' pages."}
        )
        statistics = model.normalizer.state_dict()
        for name in ("mean", "std"):
            np.save(folder / f"{name}.npy", statistics[name].numpy())
        if lengths:
            lengths.save_pretrained(folder / FOLDER)
        folder.replace(out)
    finally:
        shutil.rmtree(staging)
    return out
