"""Released MDM weights -> ours: the same tensors under other names (MDM, ``model/mdm.py``, d4fd88c)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sopo.errors import UserError
from sopo.generators.mdm import MDM
from sopo.generators.settings import MDMConfig
from sopo.motion.normalize import Normalizer
from sopo.published.beside import check_dataset, read_settings, read_statistics
from sopo.published.reading import read_checkpoint, tensors_of
from sopo.published.settings import Given
from sopo.settings import shown
from sopo.weights import load_weights

PREFIXES = {
    "embed_timestep.time_embed.": "embed_step.mlp.",
    "input_process.poseEmbedding.": "embed_frames.",
    "output_process.poseFinal.": "predict.",
    "seqTransEncoder.": "transformer.",
    "seqTransDecoder.": "transformer.",
    "embed_text.": "embed_text.",
}
# The frozen text model, and two copies of a table of sines that we compute.
IGNORED = ("clip_model.", "sequence_pos_encoder.", "embed_timestep.sequence_pos_encoder.")
# By the width of its vectors: which text model a release was trained with.
TEXT_ENCODERS = {512: "clip-vit-b32-22", 768: "distilbert"}
HEADS = 4  # as released
POSITIONS = "sequence_pos_encoder.pe"
# What args.json may leave unsaid.
DEFAULTS: dict[str, Any] = {"diffusion_steps": 1000, "mask_frames": False, "emb_trans_dec": False, "use_ema": True}
SOURCE = "weights of MDM"  # how errors call them where no file is known


def read_mdm(path: Path, given: Given) -> MDM:
    """A checkpoint file of MDM (``save/RUN/model*.pt``) with its args.json -> our MDM.

    Raises UserError for whatever is missing or does not fit.
    """
    tree = read_checkpoint(path)
    settings = _settings(path, given)
    # Generation takes the averaged weights where training kept them (--use_ema).
    names = ("model_avg", "model") if settings.pop("use_ema") else ("model",)
    tensors = tensors_of(tree, path, *names)
    config = config_from_published(tensors, str(path), **settings)
    check_dataset(config.features, given, path)
    return mdm_from_published(tensors, config, read_statistics(path, config.features, given), str(path))


def _settings(path: Path, given: Given) -> dict[str, Any]:
    """What leaves no trace in the weights: the user's word, else args.json, whose defaults are MDM's."""
    args = read_settings(path, "args.json")
    if args is None and (given.diffusion_steps is None or given.mask_frames is None):
        raise UserError(
            f"{path}: no args.json beside it; say --diffusion_steps N (50 or 1000) and --mask_frames true|false"
        )
    known = DEFAULTS | (args or {})
    for name, default in DEFAULTS.items():
        if type(known[name]) is not type(default):
            kind = type(default).__name__
            raise UserError(f"{path.parent / 'args.json'}: {name} is {shown(known[name])}, expected one of type {kind}")
    said = {"diffusion_steps": given.diffusion_steps, "mask_frames": given.mask_frames, "step_token": given.step_token}
    known["step_token"] = known["emb_trans_dec"]
    settings = {name: known[name] if value is None else value for name, value in said.items()}
    return settings | {"use_ema": known["use_ema"], "text_in_step_token": given.text_in_step_token}


def config_from_published(
    tensors: Mapping[str, Tensor],
    source: str = SOURCE,
    diffusion_steps: int = 50,
    mask_frames: bool = True,
    step_token: bool = False,
    text_in_step_token: bool = False,
    heads: int = HEADS,
) -> MDMConfig:
    """Sizes read off the shapes; the arguments leave no trace in the weights (they stand in args.json).

    Raises UserError if ``tensors`` are not an MDM's.
    """
    try:
        width, features = tensors["input_process.poseEmbedding.weight"].shape
        text = tensors["embed_text.weight"].shape[1]
        stack = next(name for name in ("Encoder", "Decoder") if f"seqTrans{name}.layers.0.norm1.weight" in tensors)
        feedforward = tensors[f"seqTrans{stack}.layers.0.linear1.weight"].shape[0]
        encoder = TEXT_ENCODERS[text]
    except (KeyError, StopIteration, ValueError) as error:
        raise UserError(
            f"{source}: no text-to-motion MDM ({error!r} is missing or odd); expected its released state_dict"
        ) from error
    return MDMConfig(
        features=features,
        width=width,
        feedforward=feedforward,
        layers=len({key.split(".")[2] for key in tensors if key.startswith(f"seqTrans{stack}.layers.")}),
        heads=heads,
        architecture="encoder" if stack == "Encoder" else "decoder",
        step_token=step_token,
        text_in_step_token=text_in_step_token,
        text_encoder=encoder,
        pooled_text=encoder.startswith("clip"),
        mask_frames=mask_frames,
        diffusion_steps=diffusion_steps,
        max_positions=len(tensors[POSITIONS]) if POSITIONS in tensors else 5000,
    )


def rename_published(tensors: Mapping[str, Tensor], source: str = SOURCE) -> dict[str, Tensor]:
    """Our names for a release's tensors; UserError on a key that is not known."""
    renamed = {}
    for key, tensor in tensors.items():
        if key.startswith(IGNORED):
            continue
        prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), None)
        if prefix is None:
            raise UserError(f"{source}: {key} is not a key of a released MDM; known are {', '.join(PREFIXES)}")
        renamed[PREFIXES[prefix] + key.removeprefix(prefix)] = tensor
    return renamed


def mdm_from_published(
    tensors: Mapping[str, Tensor], config: MDMConfig, normalizer: Normalizer, source: str = SOURCE
) -> MDM:
    """A released MDM in eval mode.

    tensors: a flat state_dict (of a checkpoint trained with --use_ema, the one under ``model_avg``).
    config: of ``config_from_published``. normalizer: the statistics of the release's dataset.
    Raises UserError if a key or shape is off.
    """
    model = MDM(config)
    statistics = {f"normalizer.{name}": tensor for name, tensor in normalizer.state_dict().items()}
    load_weights(model, rename_published(tensors, source) | statistics, source)
    return model.eval()
