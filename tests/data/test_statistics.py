import numpy as np
import pytest
from parity_table import parity
from recordings import Recordings

from sopo.data.layout import MotionFolder
from sopo.data.statistics import RunningStatistics, drift, feature_statistics, write_folder_statistics
from sopo.errors import UserError
from sopo.motion.features import feature_slices
from sopo.motion.skeleton import HUMANML3D


def test_rule_equals_the_published_one(recordings: Recordings) -> None:
    clip = recordings.array("features/012314_new_joint_vecs.npy")
    expected = recordings.arrays("features/mean_std_rule_on_012314.npz")
    mean, std = feature_statistics([clip[:70], clip[70:]], HUMANML3D)
    parity("features/mean_std_rule_on_012314", mean, expected["mean"], 1e-6, 1e-5)
    parity("features/mean_std_rule_on_012314", std, expected["std"], rtol=1e-5)


def test_published_statistics_follow_the_rule(recordings: Recordings) -> None:
    """One deviation for each of the seven groups."""
    published = recordings.array("features/humanml3d_Std.npy")
    assert all(np.ptp(published[part]) <= 1e-6 * published[part].max() for part in feature_slices(HUMANML3D).groups)
    assert recordings.array("features/humanml3d_Mean.npy").shape == published.shape


def test_many_clips_equal_one_long_clip() -> None:
    rng = np.random.default_rng(0)
    clips = [rng.normal(1000, 0.1, size=(frames, 263)).astype(np.float32) for frames in (40, 1, 77)]
    apart, together = feature_statistics(clips, HUMANML3D), feature_statistics([np.concatenate(clips)], HUMANML3D)
    for one, other in zip(apart, together, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert abs(apart[1][200] - 0.1) < 0.01
    assert len(np.unique(apart[1])) == 7


def test_joined_statistics_are_those_of_all_clips() -> None:
    rng = np.random.default_rng(1)
    clips = [rng.normal(place, 0.1, size=(30, 263)).astype(np.float32) for place in (0.0, 1.0, 5.0)]
    whole, parts = RunningStatistics(263), [RunningStatistics(263) for _ in range(3)]
    for part, clip in zip(parts, clips, strict=True):
        whole.add(clip)
        part.add(clip)
    joined = RunningStatistics(263)
    for part in parts:
        joined.join(part)
    for one, other in zip(joined.moments(), whole.moments(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_constant_features_do_not_divide_by_zero(make_folder) -> None:
    root = make_folder({"a": 50})
    write_folder_statistics(root, ["a"], HUMANML3D)
    assert MotionFolder(root).std.min() == 1.0 and MotionFolder(root).mean[0] == 24.5


def test_drift_is_in_standard_deviations_and_factors(make_folder) -> None:
    folder = MotionFolder(make_folder({"a": 50}))
    none, some = drift(folder, folder.mean, folder.std), drift(folder, folder.mean + 0.5, folder.std / 2)
    assert (none.mean, none.std) == (0, 1)
    assert some.mean == pytest.approx(0.5) and some.std == pytest.approx(2)


def test_no_frames_is_an_error() -> None:
    with pytest.raises(UserError, match="no frames"):
        feature_statistics([], HUMANML3D)
