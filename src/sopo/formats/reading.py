"""The one table of motion files: which reader takes which suffix, and why others are not taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sopo.errors import UserError
from sopo.formats.arrays import read_array
from sopo.formats.asf_amc import read_amc
from sopo.formats.bvh import read_bvh
from sopo.formats.gltf import read_gltf
from sopo.motion.clip import Clip

_READERS: dict[str, Callable[[Path, float | None, str | Path | None], Clip]] = {
    ".bvh": lambda path, fps, _: read_bvh(path, fps),
    ".amc": lambda path, fps, _: read_amc(path, fps),
    **dict.fromkeys((".glb", ".gltf"), lambda path, *_: read_gltf(path)),  # which states its times
    **dict.fromkeys((".npy", ".npz"), read_array),
}
SUFFIXES = tuple(_READERS)

_MARKERS = "holds markers on the skin, not joints: solve a skeleton to them (Motive, Shogun, Blender), save that as BVH"
_PROJECT = "only opens in the program that made it: export the motion from there as BVH or GLB"
_OTHER = "is not read: convert it to GLB or BVH in Blender"
_PICKLE = "may execute what it likes when it is opened: save its arrays as .npz"
# Motion all the same: an import says why it leaves them.
REFUSED = {
    **dict.fromkeys((".c3d", ".trc"), _MARKERS),
    **dict.fromkeys((".tak", ".mvn", ".mvnx", ".blend", ".max", ".ma", ".mb", ".bip", ".vmd"), _PROJECT),
    **dict.fromkeys((".fbx", ".dae", ".usd", ".usda", ".usdc", ".usdz", ".htr", ".smd"), _OTHER),
    **dict.fromkeys((".pkl", ".pickle"), _PICKLE),
}


def read_clip(path: str | Path, fps: float | None = None, body_model: str | Path | None = None) -> Clip:
    """The motion in a file of any known format, as it has it.

    ``fps`` stands in where a format states frames a second badly or not at all; ``body_model`` is the user's
    own, file or folder, for poses of SMPL's. Raises UserError.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in REFUSED:
        raise UserError(f"{path}: a {suffix} file {REFUSED[suffix]}")
    if suffix not in _READERS:
        raise UserError(f"{path}: not a motion file that is read; these are: {', '.join(SUFFIXES)}")
    return _READERS[suffix](path, fps, body_model)
