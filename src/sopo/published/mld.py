"""The released MLD and MLD* (MotionLCM's reproduction, v1 and v2) -> our MLD."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from sopo.errors import UserError
from sopo.generators.mld import MLD
from sopo.generators.settings import MLDConfig, MotionVAEConfig
from sopo.motion.normalize import Normalizer
from sopo.published.beside import check_dataset, read_statistics
from sopo.published.reading import Sizes, read_checkpoint, tensors_of
from sopo.published.settings import Given
from sopo.weights import load_weights

SOURCE = "weights of MLD"  # how errors call them where no file is known
HEADS = 4  # of VAE and denoiser as released
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


def read_mld(path: Path, given: Given, star: bool = False) -> MLD:
    """A Lightning file of MLD (``1222_mld_humanml3d_FID041.ckpt``) -> our MLD.

    Raises UserError for whatever is missing or does not fit.
    """
    tensors = tensors_of(read_checkpoint(path), path, "state_dict")
    config = mld_config_from_published(tensors, star, str(path))
    check_dataset(config.features, given, path)
    return mld_from_published(tensors, config, read_statistics(path, config.features, given), str(path))


def read_mld_star(path: Path, given: Given) -> MLD:
    """A Lightning file of MotionLCM: ``mld_humanml_v1.ckpt``, the paper's MLD*, or ``mld_humanml.ckpt``, version 2."""
    return read_mld(path, given, star=True)


def mld_config_from_published(
    tensors: Mapping[str, Tensor], star: bool = False, source: str = SOURCE, heads: tuple[int, int] = (HEADS, HEADS)
) -> MLDConfig:
    """Sizes read off the shapes. star: MLD*, whose texts come from sentence-T5 instead of CLIP.

    heads: of the VAE and the denoiser, which leave no trace there.
    Raises UserError if ``tensors`` are not an MLD's.
    """
    size = Sizes(tensors, source)
    width = size("vae.skel_embedding.weight", 0)
    projected = "vae.latent_post.weight" in tensors
    vae = MotionVAEConfig(
        features=size("vae.skel_embedding.weight", 1),
        width=width,
        feedforward=size("vae.encoder.middle_block.linear1.weight", 0),
        layers=2 * size.count("vae.encoder.input_blocks.") + 1,  # both halves and the one between
        heads=heads[0],
        latent_tokens=size("vae.global_motion_token", 0) // 2,
        latent_width=size("vae.latent_post.weight", 1) if projected else width,
        max_positions=size("vae.query_pos_encoder.pe", 0),
    )
    return MLDConfig(
        vae=vae,
        width=size("denoiser.encoder.norm.weight", 0),
        feedforward=size("denoiser.encoder.middle_block.linear1.weight", 0),
        layers=2 * size.count("denoiser.encoder.input_blocks.") + 1,
        heads=heads[1],
        text_encoder="sentence-t5-large" if star else "clip-vit-l14",
        text_relu=not projected,  # v2, the layout with a projected latent, dropped it
        step_width=size("denoiser.time_embedding.linear_1.weight", 1),
        max_positions=size("denoiser.query_pos.pe", 0),
    )


def rename_published_mld(tensors: Mapping[str, Tensor], source: str = SOURCE) -> dict[str, Tensor]:
    """Our names and layouts for a release's tensors; UserError on a key that is not known."""
    renamed = {}
    for key, tensor in tensors.items():
        if key.startswith(IGNORED):
            continue
        prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), None)
        if prefix is None:
            raise UserError(f"{source}: {key} is not a key of a released MLD; known are {', '.join(PREFIXES)}")
        if key.endswith(".pe"):
            tensor = tensor[:, 0]  # [positions, 1, W]
        elif key == "denoiser.time_embedding.linear_1.weight":
            # Released: all cosines, then all sines; ours: a sine and a cosine in turn.
            cosines, sines = tensor.chunk(2, dim=1)
            tensor = torch.stack([sines, cosines], dim=2).flatten(1)
        renamed[PREFIXES[prefix] + key.removeprefix(prefix)] = tensor
    return renamed


def mld_from_published(
    tensors: Mapping[str, Tensor], config: MLDConfig, normalizer: Normalizer, source: str = SOURCE
) -> MLD:
    """A released MLD or MLD* in eval mode.

    tensors: the Lightning file's state_dict, or VAE and denoiser under those prefixes.
    config: of ``mld_config_from_published``. normalizer: the statistics of the release's dataset.
    Raises UserError if a key or shape is off.
    """
    model = MLD(config)
    own = {f"vae.normalizer.{name}": tensor for name, tensor in normalizer.state_dict().items()}
    own |= {f"latents.{name}": tensor for name, tensor in model.latents.state_dict().items()}
    load_weights(model, rename_published_mld(tensors, source) | own, source)
    return model.eval()
