import numpy as np
import pytest
import torch
from recordings import Recordings

from sopo.data.dataset import MotionDataset
from sopo.errors import UserError


def test_length_filter_is_the_published_one(make_folder) -> None:
    dataset = MotionDataset(make_folder({"a": 39, "b": 40, "c": 199, "d": 200, "e": 120}), "train")
    assert [item.key for item in dataset.items] == ["b", "e", "c"]
    assert dataset.lengths.tolist() == [40, 120, 199]
    assert dataset.skipped == {"too short or too long": ("a", "d")}


def test_kit_keeps_shorter_clips(make_folder) -> None:
    dataset = MotionDataset(make_folder({"a": 23, "b": 24}, width=251), "train")
    assert [item.key for item in dataset.items] == ["b"] and dataset.skeleton.name == "kit"


def test_absent_and_not_finite_clips_are_left_out_and_named(make_folder) -> None:
    root = make_folder({"a": 50, "b": 50, "c": 50})
    (root / "new_joint_vecs/a.npy").unlink()
    np.save(root / "new_joint_vecs/b.npy", np.full((50, 263), np.nan))
    assert MotionDataset(root, "train").skipped == {"absent": ("a",), "not finite": ("b",)}


def test_tagged_captions_become_items_cut_at_20_fps(make_folder) -> None:
    lines = ["whole##0.0#0.0", "part##1.04#4.06", "also whole##nan#0.0", "short##0.0#1.9", "late##5#99"]
    dataset = MotionDataset(make_folder({"a": 150}, {"a": lines}), "train")
    items = {item.key: item for item in dataset.items}
    assert [caption.text for caption in items["a"].captions] == ["whole", "also whole"]
    assert items["A_a"].features[:, 0].tolist() == list(range(20, 81))
    assert [caption.text for caption in items["A_a"].captions] == ["part"]
    assert items["C_a"].features[:, 0].tolist() == list(range(100, 150))
    assert dataset.skipped == {"tagged part too short or too long": ("B_a",)}


def test_a_clip_with_tagged_captions_alone_is_not_an_item_itself(make_folder) -> None:
    dataset = MotionDataset(make_folder({"a": 150}, {"a": ["part##0#3"]}), "train")
    assert [item.key for item in dataset.items] == ["A_a"]


def test_batches_are_quantised_cropped_normalised_and_padded(make_folder) -> None:
    root = make_folder({"a": 43, "b": 90})
    np.save(root / "Mean.npy", np.full(263, 2.0))
    np.save(root / "Std.npy", np.full(263, 4.0))
    dataset, rng = MotionDataset(root, "train"), np.random.default_rng(0)
    lengths, starts = [], []
    for _ in range(600):
        batch = dataset.batch([0], rng)
        frames = int(batch.length)
        raw = batch.motion[0, :, 0] * 4 + 2
        assert batch.motion.shape == (1, frames, 263) and batch.motion.dtype == torch.float32
        assert torch.equal(raw, torch.arange(frames) + raw[0])
        lengths.append(frames)
        starts.append((frames, int(raw[0])))
    assert set(lengths) == {36, 40}
    assert abs(lengths.count(36) / 600 - 1 / 3) < 0.08
    assert set(starts) == {(40, at) for at in range(4)} | {(36, at) for at in range(8)}

    batch = dataset.batch(np.array([0, 1]), rng, crop=False)
    assert batch.length.tolist() == [40, 88] and batch.keys == ("a", "b")
    assert batch.motion[0, 0, 0] == -0.5 and not batch.motion[0, 40:].any()


def test_batches_repeat_with_the_generator_and_draw_all_captions(make_folder) -> None:
    dataset = MotionDataset(make_folder({"a": 60}, {"a": ["x##0#0", "y##0#0", "z##0#0"]}), "train")
    one, two = (dataset.batch([0] * 50, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one.motion, two.motion) and one.captions == two.captions
    assert {caption.text for caption in one.captions} == {"x", "y", "z"}


def test_an_unusable_split_says_why(make_folder) -> None:
    with pytest.raises(UserError, match=r"no usable clip \(1 too short or too long\)"):
        MotionDataset(make_folder({"a": 10}), "train")


def test_a_clip_without_captions_stops_with_its_file(make_folder) -> None:
    with pytest.raises(UserError, match=r"a\.txt:1: no caption"):
        MotionDataset(make_folder({"a": 50}, {"a": []}), "train")


def test_published_sample_loads_unchanged(recordings: Recordings, make_folder) -> None:
    root = make_folder({"012314": 170})
    np.save(root / "new_joint_vecs/012314.npy", recordings.array("features/012314_new_joint_vecs.npy"))
    for name in ("Mean", "Std"):
        np.save(root / f"{name}.npy", recordings.array(f"features/humanml3d_{name}.npy"))
    batch = MotionDataset(root, "train").batch([0], np.random.default_rng(0), crop=False)
    assert batch.length.tolist() == [168] and torch.isfinite(batch.motion).all()
