"""Released MDM weights -> ours: the same tensors under other names (MDM, ``model/mdm.py``, d4fd88c)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from sopo.errors import UserError
from sopo.generators.mdm import MDM, MDMConfig
from sopo.motion.normalize import Normalizer
from sopo.pretrained import load_weights

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
POSITIONS = "sequence_pos_encoder.pe"


def config_from_published(
    tensors: Mapping[str, Tensor],
    diffusion_steps: int = 50,
    mask_frames: bool = True,
    step_token: bool = False,
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
            f"these weights are no text-to-motion MDM ({error!r}): expected its released state_dict"
        ) from error
    return MDMConfig(
        features=features,
        width=width,
        feedforward=feedforward,
        layers=len({key.split(".")[2] for key in tensors if key.startswith(f"seqTrans{stack}.layers.")}),
        architecture="encoder" if stack == "Encoder" else "decoder",
        step_token=step_token,
        text_encoder=encoder,
        pooled_text=encoder.startswith("clip"),
        mask_frames=mask_frames,
        diffusion_steps=diffusion_steps,
        max_positions=len(tensors[POSITIONS]) if POSITIONS in tensors else 5000,
    )


def rename_published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names for a release's tensors; UserError on a key that is not known."""
    renamed = {}
    for key, tensor in tensors.items():
        if key.startswith(IGNORED):
            continue
        prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), None)
        if prefix is None:
            raise UserError(f"{key}: not a key of a released MDM; known are {', '.join(PREFIXES)}")
        renamed[PREFIXES[prefix] + key.removeprefix(prefix)] = tensor
    return renamed


def mdm_from_published(tensors: Mapping[str, Tensor], config: MDMConfig, normalizer: Normalizer) -> MDM:
    """A released MDM in eval mode.

    tensors: a flat state_dict (of a checkpoint trained with --use_ema, the one under ``model_avg``).
    config: of ``config_from_published``. normalizer: the statistics of the release's dataset.
    Raises UserError if a key or shape is off.
    """
    model = MDM(config)
    statistics = {f"normalizer.{name}": tensor for name, tensor in normalizer.state_dict().items()}
    load_weights(model, rename_published(tensors) | statistics, "released MDM weights")
    return model.eval()
