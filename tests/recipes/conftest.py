"""A world on disk for whole recipes: a small corpus, a tiny untrained generator of each family, reward, evaluator."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.data.dataset import MotionDataset
from sopo.generators.flow_dit import FlowDiT
from sopo.generators.generator import Generator
from sopo.generators.mdm import MDM
from sopo.generators.mld import MLD
from sopo.generators.momask import MoMask
from sopo.generators.settings import (
    FlowDiTConfig,
    MDMConfig,
    MLDConfig,
    MoMaskConfig,
    MotionVAEConfig,
    RVQVAEConfig,
    TokenTransformerConfig,
)
from sopo.matching.guo import GuoMatcher
from sopo.matching.settings import GuoConfig, TMRConfig
from sopo.matching.tmr import TMR
from sopo.recipes.pretrain import statistics

SMALL = {"width": 16, "feedforward": 24, "layers": 1, "heads": 2}


def tiny(family: str) -> Generator:
    """A generator of that family with random weights, on 263 features."""
    if family == "mdm":
        return MDM(MDMConfig(**SMALL, text_encoder="hashed-16", diffusion_steps=4, frames_per_token=4))  # type: ignore[arg-type]
    if family == "flow":
        return FlowDiT(FlowDiTConfig(**SMALL, text_encoder="hashed-16", text_layers=1, default_steps=2))  # type: ignore[arg-type]
    if family == "mld":
        vae = MotionVAEConfig(**SMALL, latent_tokens=2, latent_width=6, frames_per_token=4)  # type: ignore[arg-type]
        return MLD(MLDConfig(vae, **SMALL, text_encoder="hashed-16", step_width=8, diffusion_steps=8, default_steps=2))  # type: ignore[arg-type]
    rvq = RVQVAEConfig(width=12, code_dim=6, codes=16, quantizers=3, depth=1)
    part = TokenTransformerConfig(**SMALL)  # type: ignore[arg-type]
    return MoMask(MoMaskConfig(rvq, part, part, text_encoder="hashed-16", default_steps=2))


@dataclass(frozen=True)
class World:
    """Folders of everything that a recipe asks for."""

    data: Path
    generators: dict[str, Path]
    reward: Path
    evaluator: Path


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data_with_val(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world's data, whose test clips are a validation split too."""
    folder = tmp_path_factory.mktemp("validated") / "data"
    shutil.copytree(world.data, folder)
    shutil.copy(folder / "test.txt", folder / "val.txt")
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    make_corpus(root / "data", CorpusConfig(train=24, val=0, test=36))
    dataset = MotionDataset(root / "data", "train")
    torch.manual_seed(0)
    generators = {}
    for family in ("mdm", "mld", "momask", "flow"):
        model = tiny(family)
        model.normalizer.load_state_dict(dataset.normalizer.state_dict())
        generators[family] = model.save_pretrained(root / family)
    reward = TMR(TMRConfig(text_encoder="hashed-16", width=16, feedforward=24, layers=1, heads=2))
    evaluator = GuoMatcher(GuoConfig(words="hashed-16", word_width=16, movement_hidden=8, movement=8, motion_hidden=8))
    for model in (reward, evaluator):
        model.set_statistics(*statistics(dataset))
    return World(
        root / "data",
        generators,
        reward.save_pretrained(root / "reward"),
        evaluator.save_pretrained(root / "evaluator"),
    )
