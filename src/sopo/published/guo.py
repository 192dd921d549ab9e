"""The released evaluator of Guo et al. -> ours: the names are the same, a dict for each network (T2M, 72df96e)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from sopo.matching.guo import GuoMatcher
from sopo.matching.settings import CONTACTS, GuoConfig
from sopo.published.beside import check_dataset, read_statistics
from sopo.published.reading import Sizes, read_checkpoint, tensors_of
from sopo.published.settings import Given
from sopo.weights import load_weights

PARTS = ("movement_encoder", "motion_encoder", "text_encoder")


def read_guo(path: Path, given: Given) -> GuoMatcher:
    """``DATASET/text_mot_match/model/finest.tar`` -> our matcher.

    Its own statistics, not the data's, are ``DATASET/Comp_v6_KLD01/meta/{mean,std}.npy`` (MDM: t2m_mean.npy).
    Raises UserError for whatever is missing or does not fit.
    """
    tree = read_checkpoint(path)
    if PARTS[0] in tree:
        parts = {part: tensors_of(tree.get(part, {}), path) for part in PARTS}
        tensors = {f"{part}.{key}": tensor for part, own in parts.items() for key, tensor in own.items()}
    else:
        tensors = tensors_of(tree, path)
    config = guo_config(tensors, str(path), given.words)
    check_dataset(config.features, given, path)
    model = GuoMatcher(config)
    statistics = read_statistics(path, config.features, given).state_dict(prefix="normalizer.")
    load_weights(model, tensors | statistics, str(path))
    return model.eval()


def guo_config(tensors: dict[str, Tensor], source: str, words: str) -> GuoConfig:
    """Sizes read off the shapes; words: ``glove:FOLDER``. UserError if these are no such matcher's."""
    size = Sizes(tensors, source)
    return GuoConfig(
        features=size("movement_encoder.main.0.weight", 1) + CONTACTS,
        words=words,
        word_width=size("text_encoder.input_emb.weight", 1),
        max_words=20,
        max_frames=196,
        movement_hidden=size("movement_encoder.main.0.weight", 0),
        movement=size("movement_encoder.out_net.weight", 0),
        motion_hidden=size("motion_encoder.input_emb.weight", 0),
        text_hidden=size("text_encoder.input_emb.weight", 0),
        width=size("motion_encoder.output_net.3.weight", 0),
    )
