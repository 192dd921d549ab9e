"""Captions alone: for the methods that need no motions, refused for the others, as long as something says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sopo.data.dataset import MotionDataset
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.preference.methods import METHODS
from sopo.preference.settings import PreferenceConfig
from sopo.recipes.align import align
from sopo.recipes.build import load_generator
from sopo.recipes.caption_list import load_captions
from sopo.training.log import read_log
from sopo.training.settings import LoopConfig

LOOP = LoopConfig(steps=1, batch_size=4, learning_rate=1e-3)
LINES = "a person walks#0#3.2\na person waves the left hand#0#2\njump#0#4\nsomeone kicks#0#2.4\n"


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.txt"
    path.write_text(LINES)
    return path


FREE = [name for name, method in METHODS.items() if not method.needs_motions]


@pytest.mark.parametrize("method", FREE)
def test_captions_alone_do_for_methods_that_need_no_motions(world, captions: Path, tmp_path: Path, method: str) -> None:
    config = PreferenceConfig(method, K=2, rollout=Sampling("ddpm", 2, 1.0))
    align(None, world.generators["mdm"], world.reward, tmp_path / "out", config, LOOP, captions=captions)
    [line] = read_log(tmp_path / "out" / "run" / "log.jsonl")
    assert np.isfinite(line["loss"]) and line["budget"] == METHODS[method].samples(2)  # of the four captions


def test_the_others_are_refused_in_one_line(world, captions: Path, tmp_path: Path) -> None:
    for config, what in (
        (PreferenceConfig("sopo", K=2), "method sopo"),
        (PreferenceConfig("online-dpo", K=2, anchor=1.0), "an anchor"),
    ):
        with pytest.raises(UserError, match=f"{what} needs real motions; captions alone do.*best-of-n"):
            align(None, world.generators["mdm"], world.reward, tmp_path / "out", config, LOOP, captions=captions)
    with pytest.raises(UserError, match="--data FOLDER, or --captions FILE"):
        align(None, world.generators["mdm"], world.reward, tmp_path / "out", PreferenceConfig("sopo", K=2), LOOP)


def test_lengths_are_those_of_the_file_else_drawn_from_the_data(world, captions: Path) -> None:
    generator = load_generator(world.generators["mdm"])
    found = load_captions(captions, world.generators["mdm"], generator, None)
    assert found.lengths.tolist() == [40, 48, 64, 80]
    batch = found.batch([0, 3], np.random.default_rng(0), crop=False)
    assert batch.captions[0].text == "a person waves the left hand" and batch.length.tolist() == [40, 80]
    torch.testing.assert_close(generator.raw(batch), torch.zeros(2, 80, 263), rtol=0, atol=1e-5)

    captions.write_text(LINES + "a person sits\n")
    with pytest.raises(UserError, match="how long the motions are"):
        load_captions(captions, world.generators["mdm"], generator, None)
    data = MotionDataset(world.data, "train")
    assert set(load_captions(captions, world.generators["mdm"], generator, data).lengths) <= {40, 48, 64, 80} | set(
        data.lengths // 4 * 4
    )
    captions.write_text("a person walks on and on#0#30\n")
    with pytest.raises(UserError, match="is to last 30 s"):
        load_captions(captions, world.generators["mdm"], generator, None)
