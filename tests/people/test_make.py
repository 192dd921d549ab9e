"""What people are asked: of one generator, two, or the data; by chance or where a reward is unsure; resumed exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sopo.cli.main import main
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.data.layout import read_array
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.people.make import OVER, make
from sopo.people.settings import StudyConfig
from sopo.people.store import Pair
from sopo.people.study import Study
from sopo.recipes.build import load_reward

MDM, MLD, REWARD = "shipped/mdm", "shipped/mld", "shipped/reward"
FAST: dict[str, Any] = {"sampling": Sampling("ddim", 1, 1.0), "batch_size": 4, "shared": 0.5, "sharers": 2}


def quiet(done: int, total: int, note: str = "") -> None:
    pass


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "corpus"
    make_corpus(folder, CorpusConfig(train=12, val=0, test=4), quiet)
    return folder


def pairs_of(study: Study) -> list[Pair]:
    rows = study.store._rows("SELECT * FROM pairs ORDER BY id")
    names = ("caption", "motion_a", "motion_b", "source_a", "source_b", "expected", "wanted")
    return [Pair(*(row[name] for name in names)) for row in rows]


def test_a_killed_call_goes_on_and_ends_the_same(data: Path, tmp_path: Path) -> None:
    config = StudyConfig(pairs=10, **FAST)

    def killed(done: int, total: int, note: str = "") -> None:
        if done >= 8:
            raise KeyboardInterrupt

    whole = make(tmp_path / "whole", [MDM], data, None, None, config, quiet)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "cut", [MDM], data, None, None, config, killed)
    with pytest.raises(UserError, match="not finished"):
        Study(tmp_path / "cut")
    cut = make(tmp_path / "cut", [MDM], data, None, None, config, quiet)
    assert pairs_of(cut) == pairs_of(whole)
    for pair in pairs_of(whole):
        for place in (pair.motion_a, pair.motion_b):
            assert (whole.folder / place).read_bytes() == (cut.folder / place).read_bytes()
    with pytest.raises(UserError, match="another pairs"):
        make(tmp_path / "cut", [MDM], data, None, None, StudyConfig(pairs=11, **FAST), quiet)
    found = pairs_of(whole)
    assert (
        len(found) == 11 and found[-1].expected == "a" and (found[-1].source_a, found[-1].source_b) == ("real", "noise")
    )
    assert sorted(pair.wanted for pair in found[:10]) == [1] * 5 + [2] * 5
    a, b = (read_array(whole.folder / place) for place in (found[0].motion_a, found[0].motion_b))
    assert a.shape == b.shape and a.shape[1] == 263 and np.abs(a - b).max() > 0
    real, torn = (whole.joints(place) for place in (found[-1].motion_a, found[-1].motion_b))
    jitter = [np.abs(np.diff(motion, n=2, axis=0)).mean() for motion in (real, torn)]
    assert jitter[1] > 5 * jitter[0]


def test_two_generators_start_from_the_same_noise(data: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    from sopo.recipes.build import load_generator

    load_generator(MDM).save_pretrained(twin)
    study = make(tmp_path / "study", [MDM, str(twin)], data, None, None, StudyConfig(pairs=3, **FAST), quiet)
    for pair in pairs_of(study)[:3]:
        assert (pair.source_a, pair.source_b) == (MDM, str(twin))
        assert (study.folder / pair.motion_a).read_bytes() == (study.folder / pair.motion_b).read_bytes()


def test_samples_against_the_real_motions(data: Path, tmp_path: Path) -> None:
    config = StudyConfig(pairs=3, against="real", split="test", attention=0.0, **FAST)
    study = make(tmp_path / "study", [MDM], data, None, None, config, quiet)
    pairs = pairs_of(study)
    assert [(pair.source_a, pair.source_b) for pair in pairs] == [(MDM, "real")] * 3
    clips = [read_array(path) for path in (data / "new_joint_vecs").glob("*.npy")]
    real = read_array(study.folder / pairs[0].motion_b)
    starts = ((clip, s) for clip in clips for s in range(len(clip) - len(real) + 1))
    assert any(np.allclose(clip[s : s + len(real)], real, atol=1e-4) for clip, s in starts)


def test_the_reward_is_unsure_of_what_is_asked(data: Path, tmp_path: Path) -> None:
    reward, gaps = load_reward(REWARD, 263), {}
    for choose in ("chance", "unsure"):
        config = StudyConfig(pairs=8, choose=choose, attention=0.0, **FAST)
        study = make(tmp_path / choose, [MDM], data, None, REWARD if choose == "unsure" else None, config, quiet)
        scores = []
        for pair in pairs_of(study):
            sides = (torch.from_numpy(read_array(study.folder / p))[None] for p in (pair.motion_a, pair.motion_b))
            caption = [type("C", (), {"text": pair.caption, "tokens": ()})()]
            a, b = (reward.score(side, torch.tensor([side.shape[1]]), caption) for side in sides)
            scores.append(abs(float(a - b)))
        gaps[choose] = np.mean(scores)
    assert gaps["unsure"] < gaps["chance"] and OVER > 1


def test_captions_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "captions.txt").write_text("a person waves\n\na person jumps twice\n")
    arguments = ["label", "make", "--generator", MDM, "--captions", str(tmp_path / "captions.txt"), "--pairs", "3"]
    arguments += ["--seconds", "2", "--sampling.steps", "1", "--out", str(tmp_path / "study")]
    main(arguments)
    assert "4 pairs" in capsys.readouterr().out
    study = Study(tmp_path / "study")
    pairs = pairs_of(study)
    assert [pair.caption for pair in pairs[:3]] == ["a person waves", "a person jumps twice", "a person waves"]
    assert pairs[3].source_a == MDM and len(study.joints(pairs[0].motion_a)) == 40
    assert (study.folder / pairs[0].motion_a).read_bytes() != (study.folder / pairs[2].motion_a).read_bytes()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([], "no captions"),
        (["--captions", "gone.txt"], "gone.txt"),
        (["--data", "d", "--against", "real", "--captions", "c"], "--against real"),
        (["--data", "d", "--choose", "unsure"], "go together"),
        (["--data", "d", "--repeats", "0.7"], "repeats is 0.7"),
    ],
)
def test_what_does_not_fit_is_said(
    flags: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["label", "make", "--generator", MDM, "--out", str(tmp_path / "study"), *flags])
    assert says in capsys.readouterr().err
    assert not (tmp_path / "study").exists()
