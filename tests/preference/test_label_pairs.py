"""People's choices as pairs: who was preferred wins, whatever was shown where; both motions in the policy's space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from sopo.errors import UserError
from sopo.generators.mdm import MDM
from sopo.motion.skeleton import skeleton_for_features
from sopo.preference.label_pairs import LabelPairs, are_labels
from sopo.preference.labels import Label, write_labels
from sopo.preference.methods import METHODS
from sopo.preference.objective import PreferenceObjective
from sopo.preference.pairs import SCHEMA
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws

ANSWERS = ("a", "b", "both_bad", "b", "skip")


def motion(row: int, side: str, features: int) -> np.ndarray:
    rng = np.random.default_rng([row, ord(side)])
    return rng.normal(size=(8 + 4 * (side == "b") + row, features)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path, policy: MDM) -> Path:
    labels = []
    for row, answer in enumerate(ANSWERS):
        for side in "ab":
            np.save(tmp_path / f"{row}{side}.npy", motion(row, side, policy.config.features))
        labels.append(Label(f"a person waves {row} times", tmp_path / f"{row}a.npy", tmp_path / f"{row}b.npy", answer))
    labels.append(Label("walk", tmp_path / "0a.npy", tmp_path / "0b.npy", "a", kind="attention", expected="a"))
    write_labels(tmp_path / "labels.jsonl", labels)
    return tmp_path / "labels.jsonl"


def read(path: Path, policy: MDM) -> LabelPairs:
    return LabelPairs(path, policy.normalizer, skeleton_for_features(policy.config.features))


def test_the_preferred_wins_and_both_are_cut_to_the_shorter(path: Path, policy: MDM) -> None:
    pairs = read(path, policy)
    assert len(pairs) == 3 and pairs.answers == 6 and pairs.length.tolist() == [8, 8, 8]
    batch = pairs.batch([2, 0])
    assert [caption.text[-7:-6] for caption in batch.captions] == ["3", "0"]
    x = pairs.rankings(policy)(batch)
    for place, (row, winner, loser) in enumerate([(3, "b", "a"), (0, "a", "b")]):
        for side, name in enumerate((winner, loser)):
            raw = torch.from_numpy(motion(row, name, policy.config.features)[:8])
            torch.testing.assert_close(x[place, side, :8], policy.normalizer.normalize(raw))
    assert torch.equal(pairs.rankings(policy)(batch.rows(1, 2)), x[1:])


@pytest.mark.parametrize("method", [name for name, row in METHODS.items() if row.needs_pairs])
def test_every_method_of_mined_pairs_takes_them(path: Path, policy: MDM, method: str) -> None:
    pairs = read(path, policy)
    objective = PreferenceObjective(policy, None, PreferenceConfig(method, K=2), 0.0, pairs.rankings(policy))
    loss, values = objective(pairs.batch([0, 1, 2]), Draws(0, 3))
    loss.backward()
    torch.testing.assert_close(loss.detach(), torch.tensor(2.0).log())  # policy and reference agree at the start
    margin = values["margin"]
    assert abs(getattr(margin, "value", margin)) < 1e-5


def test_what_cannot_be_aligned_on_is_said(path: Path, policy: MDM) -> None:
    (path.parent / "3a.npy").unlink()
    with pytest.raises(UserError, match=r"3a\.npy: cannot be read"):
        read(path, policy)
    write_labels(path, [Label("walk", path.parent / "0a.npy", path.parent / "0b.npy", "both_good")])
    with pytest.raises(UserError, match="nobody preferred"):
        read(path, policy)


def test_mined_pairs_and_labels_are_told_apart(path: Path) -> None:
    labels, mined = path.with_name("labels.parquet"), path.with_name("mined.parquet")
    write_labels(labels, [Label("walk", path, path, "a")])
    pq.write_table(SCHEMA.empty_table(), mined)
    assert are_labels(path) and are_labels(labels) and not are_labels(mined) and not are_labels(path / "gone.parquet")
