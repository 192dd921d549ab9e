"""Released MoMask weights -> ours: the same tensors under other names (EricGuo5513/momask-codes, 94a6636)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from sopo.errors import UserError
from sopo.generators.length_estimator import LengthEstimator
from sopo.generators.momask import MoMask
from sopo.generators.settings import LengthEstimatorConfig, MoMaskConfig, RVQVAEConfig, TokenTransformerConfig
from sopo.motion.normalize import Normalizer
from sopo.published.beside import check_dataset, read_statistics
from sopo.published.reading import Sizes, read_checkpoint, tensors_of
from sopo.published.settings import Given
from sopo.weights import load_weights

Tensors = Mapping[str, Tensor]

TRANSFORMER = {
    r"input_process\.poseEmbedding\.": "embed_codes.",
    r"seqTransEncoder\.": "transformer.",
    r"cond_emb\.": "embed_text.",
    r"output_process\.dense\.": "head.0.",
    r"output_process\.LayerNorm\.": "head.2.",
    r"output_process\.poseFinal\.": "head.3.",
    r"token_emb\.": "table.",
    r"quant_emb\.": "embed_layer.",
    r"token_embed_weight_$": "first_embedding",
    r"embed_proj_shared_weight$": "shared",
    r"output_proj_weight_$": "last_projection",
    r"token_embed_weight$": "all_embeddings",
    r"output_proj_weight$": "all_projections",
    r"output_proj_bias$": "bias",
}
# The frozen text model, and a table of sines that we compute.
IGNORED = ("clip_model.", "position_enc.pe")
HEADS = 6  # of both transformers as released


def read_momask(path: Path, given: Given) -> MoMask:
    """``checkpoints/t2m`` or ``checkpoints/kit``, with the folders of the three networks inside -> our MoMask.

    The statistics are those in the RVQ-VAE's meta folder. Raises UserError for whatever is missing or does not fit.
    """
    rvq, masked, residual = (
        _file(path, "rvq*", "net_best_fid.tar"),
        _file(path, "t2m_*", "latest.tar"),
        _file(path, "tres*", "net_best_fid.tar"),
    )
    parts = (
        tensors_of(read_checkpoint(rvq), rvq, "vq_model", "net"),
        tensors_of(read_checkpoint(masked), masked, "t2m_transformer", "trans"),
        tensors_of(read_checkpoint(residual), residual, "res_transformer"),
    )
    try:
        config = config_from_published(*parts, heads=(_heads(masked), _heads(residual)))
        check_dataset(config.features, given, rvq)
        return momask_from_published(*parts, config, read_statistics(rvq, config.features, given))
    except UserError as error:
        raise UserError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def read_length_estimator(path: Path) -> LengthEstimator | None:
    """The length estimator in the folder of ``read_momask``, None without one; UserError if it does not fit."""
    file = path / "length_estimator" / "model" / "finest.tar"
    return (
        length_estimator_from_published(tensors_of(read_checkpoint(file), file, "estimator")) if file.exists() else None
    )


def config_from_published(
    rvq: Tensors, masked: Tensors, residual: Tensors, heads: tuple[int, int] = (HEADS, HEADS)
) -> MoMaskConfig:
    """Sizes read off the shapes. heads: of the masked and the residual transformer, which leave no trace there.

    Raises UserError if the tensors are not those of MoMask's three networks.
    """
    vq = Sizes(rvq, "RVQ-VAE weights")
    return MoMaskConfig(
        rvq=RVQVAEConfig(
            features=vq("encoder.model.0.weight", 1),
            width=vq("encoder.model.0.weight", 0),
            code_dim=vq("quantizer.layers.0.codebook", 1),
            codes=vq("quantizer.layers.0.codebook", 0),
            quantizers=vq.count("quantizer.layers."),
            down_t=_stages(rvq),
            depth=vq.count("encoder.model.2.1.model."),
        ),
        masked=_transformer_config(masked, heads[0], 0.1, "masked transformer's weights"),
        residual=_transformer_config(residual, heads[1], 0.2, "residual transformer's weights"),
        share_weight="embed_proj_shared_weight" in residual,
    )


def momask_from_published(
    rvq: Tensors, masked: Tensors, residual: Tensors, config: MoMaskConfig, normalizer: Normalizer
) -> MoMask:
    """A released MoMask in eval mode.

    rvq, masked, residual: flat state_dicts (under ``vq_model``, ``t2m_transformer``, ``res_transformer``).
    config: of ``config_from_published``. normalizer: meta/mean.npy and meta/std.npy beside the RVQ-VAE, whose
    deviations of root and feet are not those of the data set. Raises UserError if a key or shape is off.
    """
    model = MoMask(config)
    tensors = {
        **normalizer.state_dict(prefix="rvq.normalizer."),
        **_under("rvq.", rename_rvq(rvq)),
        **_under("masked.", rename_transformer(masked)),
        **_under("residual.", rename_transformer(residual)),
    }
    load_weights(model, tensors, "released MoMask weights")
    return model.eval()


def length_estimator_from_published(tensors: Tensors) -> LengthEstimator:
    """The released length estimator (under ``estimator``) in eval mode; UserError if a key or shape is off."""
    size = Sizes(tensors, "length estimator's weights")
    model = LengthEstimator(LengthEstimatorConfig(size("output.0.weight", 1), size("output.11.weight", 0)))
    load_weights(model, dict(tensors), "released length estimator's weights")
    return model.eval()


def rename_rvq(tensors: Tensors) -> dict[str, Tensor]:
    """Our names of an RVQ-VAE's tensors; UserError on a key that is not known.

    The averages behind the codebooks are not released: each begins as its code, seen once.
    """
    stages = _stages(tensors)
    names = {
        r"(encoder|decoder)\.model\.0\.": r"\1.first.",
        rf"encoder\.model\.{2 + stages}\.(?!\d)": "encoder.last.",
        rf"decoder\.model\.{2 + stages}\.(?!\d)": "decoder.middle.",
        rf"decoder\.model\.{4 + stages}\.": "decoder.last.",
    }
    for i in range(stages):
        names |= {
            rf"encoder\.model\.{2 + i}\.0\.": f"encoder.blocks.{i}.resample.",
            rf"encoder\.model\.{2 + i}\.1\.model\.": f"encoder.blocks.{i}.residual.",
            rf"decoder\.model\.{2 + i}\.0\.model\.": f"decoder.blocks.{i}.residual.",
            rf"decoder\.model\.{2 + i}\.2\.": f"decoder.blocks.{i}.resample.",
        }
    renamed = _rename(tensors, names | {r"quantizer\.layers\.(\d+)\.codebook$": r"quantizer.layers.\1.codes"})
    for key in [key for key in renamed if key.endswith(".codes")]:
        layer = key.removesuffix("codes")
        renamed |= {f"{layer}sum": renamed[key].clone(), f"{layer}count": torch.ones_like(renamed[key][:, 0])}
    return renamed


def rename_transformer(tensors: Tensors) -> dict[str, Tensor]:
    """Our names of either transformer's tensors; UserError on a key that is not known."""
    return _rename({key: tensor for key, tensor in tensors.items() if not key.startswith(IGNORED)}, TRANSFORMER)


def _file(path: Path, folder: str, name: str) -> Path:
    """The one checkpoint ``path/folder/model/name``."""
    found = sorted(path.glob(f"{folder}/model/{name}"))
    if len(found) != 1:
        raise UserError(f"{path}: has {len(found)} of {folder}/model/{name}, MoMask's folder of a data set has 1")
    return found[0]


def _heads(checkpoint: Path) -> int:
    """``n_heads`` of the opt.txt above a checkpoint's folder, 6 without one; UserError if it does not say."""
    file = checkpoint.parents[1] / "opt.txt"
    if not file.is_file():
        return HEADS
    said = re.search(r"^n_heads: (\d{1,4})$", file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    if not said:
        raise UserError(f"{file}: has no line 'n_heads: NUMBER'; expected MoMask's settings")
    return int(said[1])


def _rename(tensors: Tensors, names: Mapping[str, str]) -> dict[str, Tensor]:
    renamed = {}
    for key, tensor in tensors.items():
        pattern = next((pattern for pattern in names if re.match(pattern, key)), None)
        if pattern is None:
            raise UserError(f"{key}: not a key of a released MoMask")
        renamed[re.sub(f"^{pattern}", names[pattern], key)] = tensor
    return renamed


def _under(prefix: str, tensors: Tensors) -> dict[str, Tensor]:
    return {prefix + key: tensor for key, tensor in tensors.items()}


def _stages(rvq: Tensors) -> int:
    """How often the rate is halved: the encoder's blocks, whose first part is a convolution of its own."""
    return sum(bool(re.fullmatch(r"encoder\.model\.\d+\.0\.weight", key)) for key in rvq)


def _transformer_config(tensors: Tensors, heads: int, drop: float, source: str) -> TokenTransformerConfig:
    size = Sizes(tensors, source)
    return TokenTransformerConfig(
        width=size("input_process.poseEmbedding.weight", 0),
        feedforward=size("seqTransEncoder.layers.0.linear1.weight", 0),
        layers=size.count("seqTransEncoder.layers."),
        heads=heads,
        drop_condition=drop,
    )
