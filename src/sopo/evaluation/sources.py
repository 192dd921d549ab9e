"""Where motions come from: the data itself, or any system's files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sopo.batch import Batch
from sopo.data.captions import texts_of
from sopo.data.layout import read_array
from sopo.errors import UserError
from sopo.formats.npz import open_npz
from sopo.json_files import read_json
from sopo.motion.encode import encode_joints
from sopo.motion.normalize import Normalizer
from sopo.motion.skeleton import Skeleton

# source(batch, run): raw motions [N, T, D] for the captions and lengths of a batch, or (motions, length [N])
# from a system that decides on the length itself. Equal batches and runs give equal motions, and other runs
# other noise. An attribute ``repeats`` says how many motions for one text it has, if that is limited.
Source = Callable[[Batch, int], Tensor | tuple[Tensor, Tensor]]

CAPTIONS = "captions.json"
LEAST_FRAMES = 4  # one step of the Guo et al. matcher
_VARIANT = re.compile(r"@\d+$")


class RealMotions:
    """The batch's own motions."""

    repeats = 1

    def __init__(self, normalizer: Normalizer) -> None:
        self.normalizer = normalizer

    def __call__(self, batch: Batch, run: int) -> Tensor:
        return self.normalizer.denormalize(batch.motion.to(self.normalizer.mean.device)).to(batch.motion.device)


class FileSource:
    """Motions of any system: a folder of KEY.npy, or one .npz file with an array for each KEY.

    An array holds raw features [T, D], or joints [T, J, 3] in the skeleton's units; with ``normalizer``, features
    that it has normalised. KEY is the clip's name in
    the data set; further motions for it are called KEY@1, KEY@2 ... and take turns over the runs.
    A motion longer than the protocol asks for is cut at the end; a shorter one keeps its own length.

    ``captions.json`` in the folder (beside an .npz: FILE.json) maps a motion's name to the captions it was
    made for, and a motion then serves those only. Without it, it is taken to fit all of its clip's.
    """

    def __init__(self, path: str | Path, skeleton: Skeleton, normalizer: Normalizer | None = None) -> None:
        """Reads names only. Raises UserError if there is nothing to read at ``path``."""
        self.path, self.skeleton, self.normalizer = Path(path), skeleton, normalizer
        names = self._names()
        if not names:
            raise UserError(f"{self.path}: no motions inside; expected arrays named by clip, such as 000001.npy")
        self.variants: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(names):
            self.variants[_VARIANT.sub("", name)].append(name)
        self.captions = self._read_captions(names)
        # One motion for a text has no variety; captions split the variants of a clip between them.
        self.repeats = 1 if self.captions else min(map(len, self.variants.values()))
        self._motions: dict[str, Tensor] = {}

    def __call__(self, batch: Batch, run: int) -> tuple[Tensor, Tensor]:
        motions = []
        for key, caption, frames in zip(batch.keys, batch.captions, batch.length.tolist(), strict=True):
            motions.append(self._motion(self._choose(key, caption.text, run))[:frames])
        return pad_sequence(motions, batch_first=True), torch.tensor([len(motion) for motion in motions])

    def some(self, count: int) -> list[np.ndarray]:
        """At most ``count`` motions, raw [T, D] or joints [T, J, 3] as their files have them, evenly taken by name."""
        names = sorted(name for variants in self.variants.values() for name in variants)
        return [self._read(name)[1] for name in names[:: -(-len(names) // count)]]

    def _names(self) -> list[str]:
        if self.path.is_dir():
            return [file.stem for file in self.path.glob("*.npy")]
        if self.path.suffix != ".npz" or not self.path.is_file():
            raise UserError(f"{self.path}: expected a folder of .npy files or one .npz file of motions")
        with open_npz(self.path, self.path) as arrays:
            return list(arrays.names)

    def _read_captions(self, names: list[str]) -> dict[str, set[str]]:
        path = self.path / CAPTIONS if self.path.is_dir() else self.path.with_suffix(".json")
        if not path.is_file():
            return {}
        told = read_json(path)
        entries = told.items() if isinstance(told, dict) else [("", None)]
        captions = {name: {text.strip() for text in texts_of(entry)} for name, entry in entries}
        if not all(captions.values()):
            raise UserError(f'{path}: expected an object {{"KEY": "caption", ...}}')
        if missing := sorted(set(names) - set(captions)):
            raise UserError(f"{path}: no caption for {missing[0]!r} ({len(missing)} are missing)")
        return captions

    def _choose(self, key: str, text: str, run: int) -> str:
        names = self.variants.get(key)
        if not names:
            raise UserError(f"{self.path}: no motion for clip {key!r}; every clip of the split needs one")
        if self.captions:
            names = [name for name in names if text.strip() in self.captions[name]]
            if not names:
                raise UserError(f"{self.path}: clip {key!r} has no motion for its caption {text!r}; add {key}@N")
        return names[run % len(names)]

    def _motion(self, name: str) -> Tensor:
        """[T, D] raw features, read once."""
        if name not in self._motions:
            where, array = self._read(name)
            self._motions[name] = as_features(array, where, self.skeleton)
        return self._motions[name]

    def _read(self, name: str) -> tuple[str, np.ndarray]:
        """Where a motion lies, and its checked array: raw features or joints."""
        if self.path.is_dir():
            where = str(self.path / f"{name}.npy")
            array = read_array(self.path / f"{name}.npy")
        else:
            where = f"{self.path}: {name}"
            with open_npz(self.path, self.path) as arrays:
                array = arrays[name]
        array = _checked(array, where, self.skeleton)
        if self.normalizer is None:
            return where, array
        if array.ndim == 3:
            raise UserError(f"{where}: holds joints, which are not normalised; leave --motions_are out")
        return where, self.normalizer.denormalize(torch.from_numpy(np.asarray(array, dtype=np.float32))).numpy()


def _checked(array: np.ndarray, where: str, skeleton: Skeleton) -> np.ndarray:
    width, joints = skeleton.num_features, skeleton.num_joints
    if array.dtype.kind not in "fiu" or array.shape[1:] not in ((width,), (joints, 3)):
        expected = f"numbers [T, {width}] or [T, {joints}, 3]"
        raise UserError(f"{where}: {array.dtype} of shape {list(array.shape)}; expected {expected}")
    if not np.isfinite(array).all():
        raise UserError(f"{where}: holds NaN or infinity; drop or repair the motion")
    least = LEAST_FRAMES + (array.ndim == 3)  # the last frame of joints only ends a velocity
    if len(array) < least:
        raise UserError(f"{where}: {len(array)} frames; a motion needs at least {least}")
    return array


def as_features(array: np.ndarray, where: str, skeleton: Skeleton) -> Tensor:
    """Raw features [T, D], or joints [T, J, 3] in the skeleton's units -> [T, D] float32; UserError names ``where``."""
    if array.ndim == 3:
        try:
            array = encode_joints(array, skeleton)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
    return torch.from_numpy(np.asarray(array, dtype=np.float32))
