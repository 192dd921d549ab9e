"""The released MLD and MLD* (MotionLCM's reproduction, v1 and v2) -> our MLD."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sopo.errors import UserError
from sopo.generators.mld import MLD, MLDConfig
from sopo.generators.motion_vae import MotionVAEConfig
from sopo.motion.normalize import Normalizer
from sopo.pretrained import load_weights

HEADS = 4  # leaves no trace in the shapes
# Released prefix -> ours, tried in this order.
PREFIXES = {
    "vae.global_motion_token": "vae.distribution_tokens",
    "vae.query_pos_encoder.pe": "vae.encoder_positions",
    "vae.query_pos_decoder.pe": "vae.decoder_positions",
    "vae.skel_embedding.": "vae.embed_frames.",
    "vae.final_layer.": "vae.predict.",
    "vae.latent_pre.": "vae.to_latent.",
    "vae.latent_post.": "vae.from_latent.",
    "vae.encoder.": "vae.encoder.",
    "vae.decoder.": "vae.decoder.",
    "denoiser.time_embedding.linear_1.": "embed_step.mlp.0.",
    "denoiser.time_embedding.linear_2.": "embed_step.mlp.2.",
    "denoiser.emb_proj.1.": "embed_text.",
    "denoiser.query_pos.pe": "positions",
    "denoiser.latent_pre.": "embed_latent.",
    "denoiser.latent_post.": "predict.",
    "denoiser.encoder.": "transformer.",
}
# Positions of a memory that the released layout does not have; the Guo evaluator, stored beside the model.
IGNORED = ("denoiser.mem_pos.", "denoiser.sequence_pos_encoding.", "t2m_", "text_encoder.")


def mld_config_from_published(tensors: Mapping[str, Tensor], star: bool = False) -> MLDConfig:
    """Sizes read off the shapes. star: MLD*, whose texts come from sentence-T5 instead of CLIP.

    Raises UserError if ``tensors`` are not an MLD's.
    """
    try:
        width, features = tensors["vae.skel_embedding.weight"].shape
        tokens = len(tensors["vae.global_motion_token"]) // 2
        latent = tensors["vae.latent_post.weight"].shape[1] if "vae.latent_post.weight" in tensors else width
        step = tensors["denoiser.time_embedding.linear_1.weight"].shape[1]
        return MLDConfig(
            vae=MotionVAEConfig(
                features=features,
                width=width,
                feedforward=tensors["vae.encoder.middle_block.linear1.weight"].shape[0],
                layers=_layers(tensors, "vae.encoder."),
                heads=HEADS,
                latent_tokens=tokens,
                latent_width=latent,
                max_positions=len(tensors["vae.query_pos_encoder.pe"]),
            ),
            width=tensors["denoiser.encoder.norm.weight"].shape[0],
            feedforward=tensors["denoiser.encoder.middle_block.linear1.weight"].shape[0],
            layers=_layers(tensors, "denoiser.encoder."),
            heads=HEADS,
            text_encoder="sentence-t5-large" if star else "clip-vit-l14",
            text_relu=latent == width,  # v2, the layout with a projected latent, dropped it
            step_width=step,
            max_positions=len(tensors["denoiser.query_pos.pe"]),
        )
    except (KeyError, ValueError) as error:
        raise UserError(f"these weights are no MLD ({error!r}): expected its released state_dict") from error


def rename_published_mld(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names and layouts for a release's tensors; UserError on a key that is not known."""
    renamed = {}
    for key, tensor in tensors.items():
        if key.startswith(IGNORED):
            continue
        prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), None)
        if prefix is None:
            raise UserError(f"{key}: not a key of a released MLD; known are {', '.join(PREFIXES)}")
        if key.endswith(".pe"):
            tensor = tensor[:, 0]  # [positions, 1, W]
        elif key == "denoiser.time_embedding.linear_1.weight":
            # Released: all cosines, then all sines; ours: a sine and a cosine in turn.
            cosines, sines = tensor.chunk(2, dim=1)
            tensor = torch.stack([sines, cosines], dim=2).flatten(1)
        renamed[PREFIXES[prefix] + key.removeprefix(prefix)] = tensor
    return renamed


def mld_from_published(tensors: Mapping[str, Tensor], config: MLDConfig, normalizer: Normalizer) -> MLD:
    """A released MLD or MLD* in eval mode.

    tensors: the Lightning file's state_dict, or VAE and denoiser under those prefixes.
    config: of ``mld_config_from_published``. normalizer: the statistics of the release's dataset.
    Raises UserError if a key or shape is off.
    """
    model = MLD(config)
    own = {f"vae.normalizer.{name}": tensor for name, tensor in normalizer.state_dict().items()}
    own |= {f"latents.{name}": tensor for name, tensor in model.latents.state_dict().items()}
    load_weights(model, rename_published_mld(tensors) | own, "released MLD weights")
    return model.eval()


def _layers(tensors: Mapping[str, Tensor], stack: str) -> int:
    """An odd number: the blocks of both halves and the one between."""
    return 2 * len({key.split(".")[3] for key in tensors if key.startswith(f"{stack}input_blocks.")}) + 1
