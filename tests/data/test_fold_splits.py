"""Folds: every clip is tested once, and what comes from one recording is never on both sides."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.data.dataset import MotionDataset
from sopo.data.folds import folds, groups, sources, write_fold
from sopo.data.layout import MEAN, MotionFolder, write_split
from sopo.data.statistics import write_folder_statistics
from sopo.errors import UserError


@given(sizes=st.lists(st.integers(1, 9), min_size=7, max_size=40), number=st.integers(3, 6), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_clip_is_tested_once_and_no_group_is_split(sizes: list[int], number: int, seed: int) -> None:
    of = {f"g{i}": [f"g{i}-{j}" for j in range(size)] for i, size in enumerate(sizes)}
    made = folds(of, number, 0.2, seed)
    clips = [key for group in of.values() for key in group]
    assert sorted(key for fold in made for key in fold.test) == sorted(clips)
    for fold in made:
        assert sorted((*fold.train, *fold.val, *fold.test)) == sorted(clips) and fold.train and fold.val
        parts = [{key.split("-")[0] for key in split} for split in (fold.train, fold.val, fold.test)]
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    counts = [len(fold.test) for fold in made]
    assert max(counts) - min(counts) <= max(sizes)  # the fullest was not the fullest before its last group
    assert folds(of, number, 0.2, seed) == made


def test_mirrors_windows_and_what_is_told_to_stay_together(tmp_path: Path) -> None:
    make_corpus(tmp_path / "data", CorpusConfig(train=4, val=0, test=2))
    folder = MotionFolder(tmp_path / "data")
    first, *rest = folder.ids("train")
    write_split(folder.root, "train", [first, f"M{first}", *rest])
    assert sources(folder)[f"M{first}"] == first  # nothing noted: by the name
    taken = [{"id": key, "source": f"walk_{'old' if i else 'young'}_{i}.bvh"} for i, key in enumerate((first, *rest))]
    (folder.root / "import.json").write_text(
        json.dumps({"taken": [*taken, {"id": f"M{first}", "source": "walk_young_0.bvh"}]})
    )
    of = sources(folder)
    assert of[first] == of[f"M{first}"] == "walk_young_0.bvh"
    together = groups(
        {key: source for key, source in of.items() if key in (first, f"M{first}", *rest)}, "_(young|old)_"
    )
    assert {name: len(keys) for name, keys in together.items()} == {"young": 2, "old": 3}
    for wrong, line in (
        ("(", "not a regular expression"),
        ("walk", "needs one group"),
        ("(run)", "is not found in the source"),
    ):
        with pytest.raises(UserError, match=re.escape(line)):
            groups(of, wrong)
    with pytest.raises(UserError, match="2 groups of clips: too few for 5 folds"):
        folds(together, 5, 0.1, 0)


def test_a_fold_is_a_data_set_with_statistics_of_its_own_training_clips(tmp_path: Path) -> None:
    make_corpus(tmp_path / "data", CorpusConfig(train=10, val=0, test=6))
    folder = MotionFolder(tmp_path / "data")
    fold = folds(groups(sources(folder), ""), 2, 0.2, 0)[0]
    write_fold(folder, fold, tmp_path / "fold")
    opened = MotionDataset(tmp_path / "fold", "test")
    assert {item.key for item in opened.items} == set(fold.test) and MotionFolder(tmp_path / "fold").metadata()
    write_folder_statistics(folder.root, fold.train, folder.skeleton)
    assert np.array_equal(np.load(tmp_path / "fold" / MEAN), np.load(folder.root / MEAN))
