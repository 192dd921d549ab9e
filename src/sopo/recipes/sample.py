"""Captions -> motions on disk, in the formats asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from numpy.typing import NDArray
from torch import Tensor

from sopo.batch import as_captions
from sopo.device import all_shares, device, own_share, state
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.folders import local_folder
from sopo.generators.generator import Generator
from sopo.generators.length_estimator import FOLDER, LengthEstimator
from sopo.motion.decode import decode_joints
from sopo.randomness import Draws, derive_seed
from sopo.recipes.build import GeneratorSource, load_generator
from sopo.recipes.contract import require_contract
from sopo.recipes.outputs import Outputs
from sopo.recipes.own import place
from sopo.text.encoder import TextEmbedding
from sopo.training.progress import progress

LIMITS_S = (1.0, 9.8)  # what the generators are trained on
SECONDS = 3.2  # where neither the user nor a length estimator says
TOGETHER = 256  # motions drawn at a time: bounds memory; a constant, so that no other motion hangs on it


def sample(
    captions: Sequence[str],
    generator: GeneratorSource,
    out: Path,
    seconds: float | None,
    repeats: int,
    seed: int,
    sampling: Sampling,
    formats: Sequence[str],
) -> Outputs:
    """``draw_motions`` as ``out/NN_K.SUFFIX`` for each of ``formats``; ``out/captions.json`` says which is which."""
    model = load_generator(generator)
    outputs = Outputs(out, formats, model.skeleton)
    joints = draw_motions(captions, model, seconds, repeats, seed, sampling, length_estimator(generator))
    if not state().is_main_process:
        return outputs
    outputs.make_folder()
    for index, motion in enumerate(joints):
        row, repeat = divmod(index, repeats)
        outputs.add(f"{row:02d}_{repeat}", motion, captions[row])
    outputs.add_captions()
    return outputs


@torch.inference_mode()
def draw_motions(
    captions: Sequence[str],
    model: Generator,
    seconds: float | None,
    repeats: int,
    seed: int,
    sampling: Sampling,
    estimator: LengthEstimator | None = None,
) -> list[NDArray]:
    """``repeats`` motions of ``seconds`` for each caption, a caption's together: joints [T, J, 3] each.

    seconds: None draws them for each caption where there is an ``estimator``. Captions are drawn for in blocks, of some
    ``TOGETHER`` motions, that the processes share; every process gets all motions.
    """
    if seconds is not None and not LIMITS_S[0] <= seconds <= LIMITS_S[1]:
        raise UserError(f"--seconds is {seconds}: motions last from {LIMITS_S[0]} to {LIMITS_S[1]} seconds")
    if repeats < 1:
        raise UserError(f"--repeats is {repeats}: must be 1 or more")
    require_contract(model, drawing=True)
    model, size = model.to(device()), max(1, TOGETHER // repeats)
    blocks = own_share(range(0, len(captions), size))
    drawn = []
    with progress("drawing motions") as report:
        for done, first in enumerate(blocks, start=1):
            text = model.embed(as_captions(captions[first : first + size]))
            length = motion_lengths(text, estimator, seconds, derive_seed(seed, first), model.skeleton.fps)
            draws = Draws(derive_seed(seed, "sample", first), len(text), device=device())
            x = model.sample(text, length, int(length.max()), draws, sampling, repeats)
            length = length.repeat_interleave(repeats)
            joints = decode_joints(model.decode(x, length), model.skeleton).cpu().numpy()
            drawn.append([padded[:frames] for padded, frames in zip(joints, length.tolist(), strict=True)])
            if len(blocks) > 1:
                report(done, len(blocks), f"blocks of {size * repeats}")
    return [motion for block in all_shares(drawn) for motion in block]


def length_estimator(generator: GeneratorSource) -> LengthEstimator | None:
    """That of a generator's folder, if it has one."""
    if isinstance(generator, Generator) or place(generator):
        return None
    folder = local_folder(generator) / FOLDER
    return LengthEstimator.from_pretrained(folder).to(device()) if folder.is_dir() else None


def motion_lengths(
    text: TextEmbedding, estimator: LengthEstimator | None, seconds: float | None, seed: int, fps: float
) -> Tensor:
    """Frames of each caption's motions [N], multiples of 4: as asked for, else as estimated, else ``SECONDS``."""
    if seconds is None and estimator:
        drawn = estimator.sample(text, Draws(derive_seed(seed, "lengths"), len(text), device=device()))
        least, most = (round(limit * fps / 4) * 4 for limit in LIMITS_S)
        return drawn.clamp(least, most)
    return torch.full((len(text),), round((seconds or SECONDS) * fps / 4) * 4, device=device())
