"""The corpus on disk: reproducible, complete, with a test split of unseen compositions that rules can judge."""

import dataclasses
import hashlib
import json
from collections import Counter

import numpy as np
import pytest
import torch

from sopo.corpus.checker import CaptionIndex, check_many, judge, observe
from sopo.corpus.program import Program
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_clip, make_corpus
from sopo.data.check import check_folder
from sopo.data.dataset import MotionDataset
from sopo.data.layout import MotionFolder
from sopo.data.statistics import drift, feature_statistics
from sopo.errors import UserError
from sopo.motion.decode import decode_joints
from sopo.motion.skeleton import KIT


def digest(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def entries(root):
    return list(MotionFolder(root).metadata().values())


@pytest.fixture
def corpus(request):
    return request.getfixturevalue(request.param)


of_both_bodies = pytest.mark.parametrize("corpus", ["small_corpus", "kit_corpus"], indirect=True)


def test_same_settings_same_bytes_for_any_number_of_workers(small_corpus, tmp_path, small):
    make_corpus(tmp_path / "again", small, workers=1)
    assert digest(tmp_path / "again") == digest(small_corpus)


def test_another_seed_gives_another_corpus(small):
    first, second = (make_clip(dataclasses.replace(small, seed=seed), "train", 0, "x") for seed in (1, 2))
    assert first.entry != second.entry


def test_the_layout_reads_as_humanml3d(small_corpus, small):
    folder = MotionFolder(small_corpus)
    assert {split: len(folder.ids(split)) for split in folder.splits} == {"train": 120, "val": 10, "test": 60}
    assert len((small_corpus / "all.txt").read_text().split()) == 190
    for key in folder.ids("test"):
        assert folder.features(key).shape == (len(folder.joints(key)), 263)
        assert 40 <= len(folder.features(key)) <= 100
        assert 1 <= len(folder.captions(key)) <= small.captions
    train = [folder.features(key) for key in folder.ids("train")]
    found = drift(folder, *feature_statistics(train, folder.skeleton))
    assert found.mean < 1e-5 and found.std < 1 + 1e-5


@of_both_bodies
def test_stored_joints_are_what_the_features_decode_to(corpus):
    folder = MotionFolder(corpus)
    for key in folder.ids("val"):
        decoded = decode_joints(torch.from_numpy(folder.features(key)), folder.skeleton)
        assert np.abs(decoded.numpy() - folder.joints(key)).max() * folder.skeleton.metres_per_unit < 1e-3


def test_a_kit_corpus_is_the_same_clips_on_the_other_body(small_corpus, kit_corpus):
    assert entries(kit_corpus) == entries(small_corpus)
    ours, kit = MotionFolder(small_corpus), MotionFolder(kit_corpus)
    assert kit.skeleton == KIT and check_folder(kit_corpus).ok
    assert len(MotionDataset(kit_corpus, "train")) == 120
    for key in kit.ids("test"):
        assert len(kit.features(key)) == len(ours.features(key)) * 5 // 8  # 12.5 frames a second, not 20
        joints = kit.joints(key)
        bones = np.linalg.norm(joints[:, 1:] - joints[:, KIT.parents[1:]], axis=-1)
        assert bones == pytest.approx(
            np.linalg.norm(KIT.target_offsets, axis=1)[None, 1:].repeat(len(joints), 0), rel=1e-4
        )
    assert kit.mean[3] == pytest.approx(550, abs=30)  # the published mean height of the root is 560


def test_the_test_split_holds_only_unseen_compositions(small_corpus):
    keys: dict[str, set[str]] = {"train": set(), "val": set(), "test": set()}
    for entry in entries(small_corpus):
        keys[entry["split"]].add(Program.from_json(entry["program"]).key)
    assert not keys["test"] & (keys["train"] | keys["val"])
    assert len(keys["test"]) > 45


def test_test_clips_are_long_programs(small_corpus, small):
    actions: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for entry in entries(small_corpus):
        actions[entry["split"]].append(len(Program.from_json(entry["program"]).actions))
    assert min(actions["train"]) == 1
    assert min(actions["test"]) == small.test_actions == 3


def test_captions_are_on_record_with_their_faults(small_corpus, small):
    folder = MotionFolder(small_corpus)
    kinds: dict[str, Counter[str]] = {"train": Counter(), "val": Counter(), "test": Counter()}
    for entry in entries(small_corpus):
        written = [line.caption.text for line in folder.captions(entry["id"])]
        assert written == [told["text"] for told in entry["captions"]]
        kinds[entry["split"]].update(told["kind"] for told in entry["captions"])
    shares = {kind: count / kinds["train"].total() for kind, count in kinds["train"].items()}
    assert shares["wrong"] == pytest.approx(small.wrong_share, abs=0.07)
    assert shares["coarse"] == pytest.approx(small.coarse_share, abs=0.08)
    assert "wrong" not in kinds["test"] and "wrong" not in kinds["val"]


@of_both_bodies
def test_held_out_motions_do_what_their_captions_say_and_not_what_others_say(corpus):
    folder = MotionFolder(corpus)
    index = CaptionIndex.read(corpus / "corpus.jsonl")
    clips = [entry for entry in entries(corpus) if entry["split"] == "test"]
    observed = [observe(folder.joints(clip["id"]), folder.skeleton) for clip in clips]
    own, other = [], []
    for i, clip in enumerate(clips):
        for j, source in enumerate(clips):
            for told in source["captions"]:
                passed = judge(observed[i], index.said(source["id"], told["text"])).passed
                if i == j:
                    own.append(passed)
                elif source["program"] != clip["program"]:
                    other.append(passed)
    assert np.mean(own) >= 0.97
    assert np.mean(other) <= 0.05


def test_rule_accuracy_scores_padded_batches(small_corpus):
    folder, index = MotionFolder(small_corpus), CaptionIndex.read(small_corpus / "corpus.jsonl")
    keys = folder.ids("test")[:8]
    lengths = [len(folder.joints(key)) for key in keys]
    padded = np.zeros((8, max(lengths), 22, 3), dtype=np.float32)
    for row, (key, length) in enumerate(zip(keys, lengths, strict=True)):
        padded[row, :length] = folder.joints(key)
    texts = [folder.captions(key)[0].caption.text for key in keys]
    scores = index.rule_accuracy(padded, lengths, keys, texts)
    assert scores.dtype == bool and scores.mean() > 0.85
    said = [index.said(key, text) for key, text in zip(keys, texts, strict=True)]
    assert (check_many(padded, lengths, said[::-1]) < scores).any()


def test_progress_counts_every_clip(tmp_path):
    calls = []
    make_corpus(tmp_path / "tiny", CorpusConfig(3, 1, 2), lambda done, total: calls.append((done, total)))
    assert calls == [(done, 6) for done in range(1, 7)]
    assert json.loads((tmp_path / "tiny" / "corpus_config.json").read_text())["held_out"] == 0.2


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note").write_text("keep")
    with pytest.raises(UserError, match="exists already"):
        make_corpus(tmp_path / "mine", CorpusConfig(2, 0, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "settings",
    [{"train": -1}, {"train": 0, "val": 0, "test": 0}, {"held_out": 0.0}, {"wrong_share": 0.9}, {"captions": 1}],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(UserError):
        CorpusConfig(**settings)
