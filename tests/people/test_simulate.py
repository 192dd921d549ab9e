"""Simulated people: they answer by their taste, err as often as they are told to, and leave the study alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sopo.cli.main import main
from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D
from sopo.people.settings import CrowdConfig
from sopo.people.simulate import simulate
from sopo.people.store import Pair
from sopo.people.study import Study
from sopo.preference.labels import Label, read_labels

PAIRS = 120


def taste(joints, lengths, captions):  # type: ignore[no-untyped-def]
    """Takes joints: how far the right wrist is from the pelvis."""
    return joints[:, 0, 21, 0] - joints[:, 0, 0, 0]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Pairs of which a is better where the number is odd, as good where it divides by three, and tests."""
    study = Study.make(tmp_path / "study", HUMANML3D, {"seed": 3, "repeat": 0.1, "attention": 0.1})
    rest = np.random.default_rng(0).normal(size=(12, 22, 3))
    pairs = []
    for row in range(PAIRS + 20):
        levels = (1.0, 1.0) if row % 3 == 0 else (2.0, 1.0) if row % 2 else (1.0, 2.0)
        places = []
        for side, level in zip("ab", levels, strict=True):
            joints = rest.copy()
            joints[:, 21, 0] = joints[:, 0, 0] + level
            places.append(study.save(f"{row}{side}", joints))
        pairs.append(Pair(f"walk {row}", *places, "x", "y", "" if row < PAIRS else "a", 3 if row < 10 else 1))
    study.store.add_pairs(pairs, 1)
    study.store.set({"complete": True})
    return study.folder


def answered(study: Path, monkeypatch: pytest.MonkeyPatch, **settings: float) -> list[Label]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    out = study / "out.jsonl"
    simulate(study, "test_simulate:taste", None, out, CrowdConfig(**settings), lambda *_: None)
    return read_labels(out)


def wanted(label: Label) -> str:
    row = int(label.caption.split()[1])
    return label.expected or ("both" if row % 3 == 0 else "a" if row % 2 else "b")


def test_they_answer_by_their_taste(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = answered(study, monkeypatch, people=3, lazy=0, wrong=0.0)
    assert {label.kind for label in labels} == {"choice", "repeat", "attention"}
    assert all(wanted(label) == label.preferred.partition("_")[0] for label in labels)
    assert len({label.pair for label in labels}) <= len(labels) and len({label.annotator for label in labels}) == 3
    assert {label.left for label in labels} == {"a", "b"}
    store = Study(study).store
    assert store.labels() == [] and not list(study.glob(".simulated*"))


def test_they_err_and_the_lazy_do_not_look(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = answered(study, monkeypatch, people=2, lazy=1, wrong=0.3, answers=150)
    assert len(labels) == 150
    lazy = [label for label in labels if label.annotator.startswith("lazy")]
    assert len(lazy) == 75 and all(label.preferred == label.left for label in lazy)
    others = Counter(wanted(x) == x.preferred.partition("_")[0] for x in labels if x not in lazy)
    assert 0.15 < others[False] / 75 < 0.45


def test_rules_need_a_corpus(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["label", "simulate", str(study)])
    assert "--taste rules: give --data" in capsys.readouterr().err
    with pytest.raises(UserError, match="lazy is 3"):
        CrowdConfig(people=2, lazy=3)
