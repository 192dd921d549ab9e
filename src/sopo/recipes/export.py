"""Clips of a data set -> files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from sopo.data.captions import CaptionLine
from sopo.data.layout import FEATURES, MotionFolder
from sopo.errors import UserError
from sopo.motion.decode import decode_joints
from sopo.randomness import numpy_rng
from sopo.recipes.outputs import Outputs
from sopo.recipes.settings import ExportConfig
from sopo.training.progress import Report


def export(root: Path, out: Path, config: ExportConfig, report: Report) -> Outputs:
    """Write the chosen clips as ``out/ID.SUFFIX`` for each format, and ``captions.json`` with all their captions.

    A clip that cannot be read is told among the failures. Raises UserError if the folder is no data set or lacks
    the split or the ids asked for, and if nothing can be written.
    """
    folder = MotionFolder(root)
    splits = _splits(folder)
    keys = _chosen(splits, root, config)
    outputs = Outputs(out, config.formats, folder.skeleton)
    outputs.make_folder()
    for done, key in enumerate(keys, start=1):
        try:
            _add(outputs, folder, key, splits[key])
        except UserError as error:
            outputs.failed.append(str(error))
        report(done, len(keys))
    outputs.add_captions()
    return outputs


def _add(outputs: Outputs, folder: MotionFolder, key: str, split: str) -> None:
    if Path(key).name != key:
        raise UserError(f"{folder.root}: clip {key!r} has no name for a file; it is left out")
    joints = decode_joints(torch.from_numpy(folder.features(key)), folder.skeleton).numpy()
    lines = folder.captions(key)
    told = [_told(line) for line in lines]
    outputs.add(key, joints, lines[0].caption.text, {"captions": told, "split": split} if split else told)


def _splits(folder: MotionFolder) -> dict[str, str]:
    """Clip -> its split, those of no split last."""
    found = {key: split for split in folder.splits for key in folder.ids(split)}
    return found | {path.stem: "" for path in sorted((folder.root / FEATURES).glob("*.npy")) if path.stem not in found}


def _chosen(splits: dict[str, str], root: Path, config: ExportConfig) -> list[str]:
    keys = [key for key, split in splits.items() if config.split in (None, split)]
    if unknown := [key for key in config.ids if key not in keys]:
        where = f"split {config.split}" if config.split else "the folder"
        raise UserError(f"{root}: no clip {', '.join(unknown[:5])} in {where}")
    keys = list(dict.fromkeys(config.ids)) or keys
    if not keys:
        raise UserError(f"{root}: no clips to export; it has {', '.join(sorted(set(splits.values()))) or 'none'}")
    if 0 < config.most < len(keys):
        drawn = numpy_rng(config.seed, "export").choice(len(keys), config.most, replace=False)
        keys = [keys[index] for index in np.sort(drawn)]
    return keys


def _told(line: CaptionLine) -> Any:
    """A caption as ``captions.json`` has it: the text, with its seconds if it is of a part of the clip."""
    if line.whole:
        return line.caption.text
    return {"caption": line.caption.text, "start": line.start_s, "end": line.end_s}
