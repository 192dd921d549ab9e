"""Files of motions that are not what they are read as: told by the bodies in them."""

from pathlib import Path

import numpy as np
import pytest

from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.data.dataset import MotionDataset
from sopo.data.layout import MotionFolder
from sopo.errors import UserError
from sopo.evaluation.readings import doubts
from sopo.evaluation.sources import FileSource
from sopo.motion.skeleton import HUMANML3D
from sopo.recipes.evaluate import motions_source


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> MotionFolder:
    root = tmp_path_factory.mktemp("corpus") / "data"
    make_corpus(root, CorpusConfig(train=12, val=1, test=6))
    return MotionFolder(root)


@pytest.fixture
def features(corpus: MotionFolder) -> list[np.ndarray]:
    return [corpus.features(key) for key in corpus.ids("test")]


@pytest.fixture
def joints(corpus: MotionFolder) -> list[np.ndarray]:
    return [corpus.joints(key) for key in corpus.ids("test")]


def test_raw_features_and_joints_raise_no_doubts(features: list, joints: list) -> None:
    assert doubts(features, "x", HUMANML3D) == [] == doubts(joints, "x", HUMANML3D)
    assert doubts(features[:3] + joints[3:], "x", HUMANML3D) == []


def test_a_poor_generator_is_no_misreading(features: list) -> None:
    rng = np.random.default_rng(0)
    shaken = [clip + rng.normal(scale=0.02, size=clip.shape) for clip in features]
    assert not [line for line in doubts(shaken, "x", HUMANML3D) if "bodies" in line]


def test_normalised_features_are_refused_with_the_flag_that_takes_them(features: list, corpus: MotionFolder) -> None:
    normalised = [(clip - corpus.mean) / corpus.std for clip in features]
    with pytest.raises(UserError, match=r"DIR: .*no bodies.*--motions_are normalised"):
        doubts(normalised, "DIR", HUMANML3D)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[..., [0, 2, 1]] * (1, -1, 1), "lie on their side"),
        (lambda x: x * (1, -1, -1), "stand on their head"),
        (lambda x: x * (-1, 1, 1), "backwards"),
    ],
)
def test_joints_of_other_axes_or_sides_are_refused(joints: list, change, words: str) -> None:
    with pytest.raises(UserError, match=rf"DIR: .*{words}.*\(6 of 6\).*--motions_are raw"):
        doubts([change(clip) for clip in joints], "DIR", HUMANML3D)


def test_joints_of_another_unit_are_said_to_be_harmless(joints: list, features: list, tmp_path: Path) -> None:
    (line,) = doubts([100 * clip for clip in joints], "DIR", HUMANML3D)
    assert "no person's size" in line and "changes nothing" in line


def test_what_a_few_motions_share_is_no_doubt(joints: list) -> None:
    assert doubts([joints[0] * (-1, 1, 1), *joints[1:]], "x", HUMANML3D) == []


def test_a_shared_fault_of_the_motion_is_said_and_measured(joints: list) -> None:
    still = [np.repeat(clip[:1], len(clip), axis=0) for clip in joints]
    assert doubts(still, "DIR", HUMANML3D) == ["DIR: nothing moves in most clips (6 of 6)"]


def test_flags_settle_how_motions_are_read(
    features: list, corpus: MotionFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = MotionDataset(corpus.root, "test")
    for key, clip in zip(corpus.ids("test"), features, strict=True):
        np.save(tmp_path / f"{key}.npy", (clip - corpus.mean) / corpus.std)
    with pytest.raises(UserError, match="normalised"):
        motions_source(tmp_path, dataset, None)
    batch = dataset.batch([0, 1], np.random.default_rng(0))
    found = motions_source(tmp_path, dataset, "normalised")(batch, 0)[0]
    wanted = FileSource(corpus.root / "new_joint_vecs", dataset.skeleton)(batch, 0)[0]
    assert np.allclose(found, wanted, atol=1e-4)
    as_they_are = motions_source(tmp_path, dataset, "raw")(batch, 0)[0]
    assert np.allclose(dataset.normalizer.denormalize(as_they_are)[0, 0], wanted[0, 0], atol=1e-4)


def test_joints_are_never_normalised(joints: list, corpus: MotionFolder, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", joints[0])
    with pytest.raises(UserError, match="joints, which are not normalised"):
        motions_source(tmp_path, MotionDataset(corpus.root, "test"), "normalised")


def test_some_motions_stand_for_all(joints: list, tmp_path: Path) -> None:
    for number in range(70):
        np.save(tmp_path / f"{number:03d}.npy", joints[0][: 5 + number % 20])
    source = FileSource(tmp_path, HUMANML3D)
    assert 16 <= len(source.some(32)) <= 32 and len(source.some(100)) == 70
