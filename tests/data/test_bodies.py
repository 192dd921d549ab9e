"""Folders whose bodies are off, each in its own way, made from clips that are right."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.data.bodies import FAULTS, Bodies
from sopo.data.check import KINDS, check_folder
from sopo.data.layout import MotionFolder, write_clip
from sopo.motion.encode import encode_joints, features_of_placed
from sopo.motion.features import feature_slices
from sopo.motion.mirror import mirror_joints
from sopo.motion.skeleton import HUMANML3D

Array = np.ndarray
COLUMNS = feature_slices(HUMANML3D)


@pytest.fixture(scope="module", params=["humanml3d", "kit"])
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MotionFolder:
    root = tmp_path_factory.mktemp("corpus") / request.param
    make_corpus(root, CorpusConfig(train=16, val=2, test=2, skeleton=request.param))
    return MotionFolder(root)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Array]:
    """Clip -> joints [T, 22, 3]."""
    root = tmp_path_factory.mktemp("people") / "data"
    make_corpus(root, CorpusConfig(train=8, val=1, test=1))
    folder = MotionFolder(root)
    return {key: folder.joints(key) for key in folder.ids("train")}


def findings(clips: dict[str, Array]) -> dict[str, list[str]]:
    """Features of each clip -> kind -> clips."""
    bodies = Bodies(HUMANML3D)
    for key, features in clips.items():
        bodies.add(key, features)
    found: dict[str, list[str]] = {}
    for kind, where in bodies.notes():
        found.setdefault(kind, []).append(where)
    return found


def encoded(people: dict[str, Array], change: Callable = lambda x: x, **how: bool) -> dict[str, Array]:
    return {key: encode_joints(change(joints), HUMANML3D, **how) for key, joints in people.items()}


def test_a_corpus_has_nothing_to_remark(corpus: MotionFolder) -> None:
    assert check_folder(corpus.root).findings == ()


def _first_is_rest(joints: Array) -> Array:
    arms = [joint for joint, name in enumerate(HUMANML3D.joints) if name.endswith(("elbow", "wrist"))]
    sideways = joints.copy()
    for joint in arms:  # a T-pose
        parent = HUMANML3D.parents[joint]
        length = np.linalg.norm(joints[0, joint] - joints[0, parent])
        across = joints[0, 16] - joints[0, 17]
        side = across / np.linalg.norm(across) * (1 if HUMANML3D.joints[joint].startswith("left") else -1)
        sideways[0, joint] = sideways[0, parent] + side * length
    return sideways


def _jump(joints: Array) -> Array:
    return joints + (np.arange(len(joints)) > 20)[:, None, None] * np.array((0.7, 0, 0.7))


def _legs_exchanged(joints: Array) -> Array:
    order = list(range(22))
    for joint, name in enumerate(HUMANML3D.joints):
        if name.endswith(("hip", "knee", "ankle", "foot")):
            order[joint] = HUMANML3D.mirror[joint]
    return joints[:, order]


# kind: what is done to joints [T, 22, 3] before they are encoded.
BROKEN_JOINTS: dict[str, Callable[[Array], Array]] = {
    "lies": lambda joints: joints[..., [0, 2, 1]] * (1, -1, 1),
    "upside-down": lambda joints: joints * (1, -1, -1),
    "backwards": lambda joints: joints * (-1, 1, 1),
    "crossed": _legs_exchanged,
    "frozen": lambda joints: np.repeat(joints[:1], len(joints), axis=0),
    "rest-pose": _first_is_rest,
    "jumps": _jump,
}


@pytest.mark.parametrize("kind", BROKEN_JOINTS)
def test_joints_that_are_off_are_found(people: dict[str, Array], kind: str) -> None:
    found = findings(encoded(people, BROKEN_JOINTS[kind]))
    assert len(found.pop(f"most-{kind}")) == len(people)
    assert not [other for other in found if other.startswith("most-")]


@pytest.mark.parametrize("axes", [[0, 2, 1], [1, 2, 0], [2, 0, 1], [1, 0, 2]])
def test_a_folder_lies_whatever_axis_was_taken_for_up(people: dict[str, Array], axes: list[int]) -> None:
    found = findings(encoded(people, lambda joints: joints[..., axes]))
    assert len(found["most-lies"]) >= len(people) - 1  # one who bows may stand upright then


def test_a_mirror_image_with_its_names_exchanged_is_a_person(people: dict[str, Array]) -> None:
    assert not findings(encoded(people, lambda joints: mirror_joints(joints, HUMANML3D)))


def test_another_unit_shows_where_bones_keep_their_length(people: dict[str, Array]) -> None:
    found = findings(encoded(people, lambda joints: 100 * joints, retarget=False))
    assert "leg of 82" in found["most-size"][0] and "centimetres taken as metres" in found["most-size"][0]
    assert not findings(encoded(people, lambda joints: 100 * joints))


def _column(features: Array, columns: slice, change: Callable) -> Array:
    changed = features.copy()
    changed[:, columns] = change(changed[:, columns])
    return changed


def _stretched(features: Array) -> Array:
    head = COLUMNS.positions.start + 3 * 14
    return _column(
        features, slice(head + 1, head + 2), lambda height: height + 0.2 * (np.arange(len(height)) > 9)[:, None]
    )


def _raised(features: Array) -> Array:
    heights = slice(COLUMNS.positions.start + 1, COLUMNS.positions.stop, 3)
    return _column(_column(features, COLUMNS.root_height, lambda y: y + 0.5), heights, lambda y: y + 0.5)


# kind: what is done to features [T, 263].
BROKEN_FEATURES: dict[str, Callable[[Array], Array]] = {
    "off-floor": _raised,
    "stretches": _stretched,
    "disagrees": lambda features: _column(features, COLUMNS.rotations, lambda x: np.tile([1, 0, 0, 0, 1, 0], 21)),
}


@pytest.mark.parametrize("kind", BROKEN_FEATURES)
def test_features_that_are_off_are_found(people: dict[str, Array], kind: str) -> None:
    broken = {key: BROKEN_FEATURES[kind](features) for key, features in encoded(people).items()}
    assert len(findings(broken)[f"most-{kind}"]) == len(people)


def test_velocities_of_another_rate_disagree(people: dict[str, Array]) -> None:
    walk = max(encoded(people).values(), key=lambda features: np.abs(features[:, COLUMNS.root_velocity]).mean())
    found = findings({"walk": _column(walk, COLUMNS.velocities, lambda velocity: 20 * velocity)})
    assert "velocities" in found["disagrees"][0]


def test_a_body_with_its_back_to_z_is_turned(people: dict[str, Array]) -> None:
    placed = {
        key: features_of_placed(joints * (-1, 1, -1), HUMANML3D, published=True) for key, joints in people.items()
    }
    assert len(findings(placed)["most-turned"]) == len(people)


def test_a_turn_that_flips_is_told_from_a_jump_of_the_motion(people: dict[str, Array]) -> None:
    """The published encoder's turn is the arcsine of a sine; velocities do not know of its flips."""
    features = min(encoded(people).values(), key=lambda features: np.abs(features[:, COLUMNS.velocities]).mean())
    features[25, COLUMNS.root_turn] = 0.8
    assert findings({"spin": features}).keys() == {"turn-flips"}


def test_one_who_lies_is_a_warning_and_a_folder_that_lies_is_an_error(people: dict[str, Array]) -> None:
    standing, lying = encoded(people), encoded(people, BROKEN_JOINTS["lies"])
    for count in range(1, len(people) + 1):
        mixed = {key: (lying if number < count else standing)[key] for number, key in enumerate(people)}
        found = findings(mixed)
        assert len(found["most-lies" if 2 * count > len(people) else "lies"]) == count


def test_a_single_clip_is_no_folder(people: dict[str, Array]) -> None:
    key, features = next(iter(encoded(people, BROKEN_JOINTS["lies"]).items()))
    assert findings({key: features}) == {"lies": [key]}


def test_check_names_the_clips_and_the_way_out(people: dict[str, Array], tmp_path: Path) -> None:
    make_corpus(tmp_path / "data", CorpusConfig(train=5, val=1, test=1))
    folder = MotionFolder(tmp_path / "data")
    for key in folder.ids("train"):
        lying = encode_joints(BROKEN_JOINTS["lies"](folder.joints(key)), HUMANML3D)
        write_clip(folder.root, key, lying, folder.captions(key))
    report = check_folder(folder.root)
    line = next(line for line in report.lines() if line.startswith("error"))
    assert not report.ok
    assert "most clips lie on their side: 000000; 000001; 000002 and 2 more" in line and "--up z" in line


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4, 1e30])
def test_garbage_is_survived(scale: float) -> None:
    rng = np.random.default_rng(0)
    bodies = Bodies(HUMANML3D)
    for frames in (2, 3, 50):
        bodies.add(str(frames), (scale * rng.normal(size=(frames, 263))).astype(np.float32))
    assert {kind.removeprefix("most-") for kind, _ in bodies.notes()} <= set(FAULTS)


def test_every_fault_has_its_rows() -> None:
    for kind in FAULTS:
        assert kind in KINDS and f"most-{kind}" in KINDS
