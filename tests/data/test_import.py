import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from sopo.batch import Caption
from sopo.data.captions import CaptionLine
from sopo.data.check import check_folder
from sopo.data.dataset import MotionDataset
from sopo.data.importers import folder as importing
from sopo.data.importers.folder import import_folder
from sopo.data.importers.settings import ImportConfig
from sopo.data.layout import MotionFolder
from sopo.errors import UserError
from sopo.formats.bvh_write import write_bvh
from sopo.motion.skeleton import HUMANML3D, KIT

LEFT, RIGHT = HUMANML3D.joints.index("left_wrist"), HUMANML3D.joints.index("right_wrist")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, rest_pose: np.ndarray) -> Path:
    """Five BVH of our own body whose left hand rises: three usable, one too long, one too short."""
    root = tmp_path_factory.mktemp("written")
    for name, frames in {"a": 61, "b": 61, "c": 61, "long": 450, "short": 30}.items():
        joints = np.repeat(rest_pose[None], frames, axis=0)
        joints[:, LEFT] += np.linspace(0, 1, frames)[:, None] * (0.3, 0.4, 0)
        write_bvh(root / f"{name}.bvh", joints, HUMANML3D)
        (root / f"{name}.txt").write_text("raises the left hand\n\nleft arm #1 goes up\n")
    for split, names in {"train": "a\nlong.bvh\nshort\n", "val": "b\n", "test": "c\n"}.items():
        (root / f"{split}.txt").write_text(names)
    return root


@pytest.fixture
def source(written: Path, tmp_path: Path) -> Path:
    """A copy of ``written``, to be changed at will."""
    return Path(shutil.copytree(written, tmp_path / "source"))


def test_plain_captions_windows_and_mirrored_twins(source: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    summary = import_folder(source, tmp_path / "out", report=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 10) for done in range(1, 11)]
    assert summary.skipped == {"short": "29 frames at 20 fps, at least 40 needed"}
    folder = MotionFolder(tmp_path / "out")
    windows = [f"long-w{index}" for index in range(3)]
    assert folder.ids("train") == ("Ma", *(f"M{key}" for key in windows), "a", *windows)
    assert folder.ids("val") == ("Mb", "b") and len(folder.ids("all")) == 12
    assert [len(folder.features(key)) for key in windows] == [150, 149, 150]

    a, mirrored = folder.captions("a"), folder.captions("Ma")
    assert [line.caption.text for line in a] == ["raises the left hand", "left arm 1 goes up"]
    assert mirrored[0].caption.text == "raises the right hand"
    assert mirrored[0].caption.tokens == ("raise/VERB", "the/DET", "right/ADJ", "hand/NOUN")
    rise = {key: np.ptp(folder.joints(key)[..., 1], axis=0) for key in ("a", "Ma")}
    assert rise["a"][LEFT] > 0.2 > 0.01 > rise["a"][RIGHT] and rise["Ma"][RIGHT] > 0.2 > 0.01 > rise["Ma"][LEFT]

    report = json.loads((tmp_path / "out/import.json").read_text())
    assert report["skipped"] == summary.skipped and len(report["taken"]) == 12
    second = next(part for part in report["taken"] if part["id"] == "long-w1")
    assert second == {
        "id": "long-w1", "source": "long", "split": "train", "start_s": 7.5, "frames": 149,
        "mirrored": False, "joint_names": "names", "warnings": {},
    }  # fmt: skip
    assert check_folder(tmp_path / "out").ok
    assert "4 sources became 12 motions (8 train, 2 val, 2 test); 1 skipped" in str(summary)
    assert {path.name for path in tmp_path.iterdir()} == {"source", "out"}


def test_what_is_off_with_a_body_is_said_and_kept(source: Path, tmp_path: Path, rest_pose: np.ndarray) -> None:
    time = np.arange(61)[:, None, None] / 20
    joints = rest_pose + time * (0, 0, 0.5) + (time > 1.5) * np.array((0.7, 0, 0.7))
    write_bvh(source / "b.bvh", joints, HUMANML3D)
    summary = import_folder(source, tmp_path / "out")
    (finding,) = summary.findings
    assert finding.kind == "jumps" and finding.count == 1 and finding.examples[0].startswith("b (frame 30 to 31")
    report = json.loads((tmp_path / "out/import.json").read_text())
    assert {part["id"] for part in report["taken"] if "jumps" in part["warnings"]} == {"b", "Mb"}


def test_without_mirror_and_with_a_mapping_of_ones_own(source: Path, tmp_path: Path) -> None:
    mapping = {joint: joint for joint in HUMANML3D.joints} | {"spine2": ["spine1", "spine3"]}
    (tmp_path / "mapping.json").write_text(json.dumps(mapping))
    config = ImportConfig(mapping=str(tmp_path / "mapping.json"), mirror=False)
    summary = import_folder(source, tmp_path / "out", config)
    assert len(summary.taken) == 6 and {part.joint_names for part in summary.taken} == {"given"}


def test_into_the_kit_layout(source: Path, tmp_path: Path) -> None:
    summary = import_folder(source, tmp_path / "out", ImportConfig(skeleton="kit"))
    assert summary.skipped == {"short": "18 frames at 12.5 fps, at least 24 needed"}
    folder = MotionFolder(tmp_path / "out")
    assert folder.skeleton == KIT and check_folder(tmp_path / "out").ok
    assert len(folder.features("a")) == 37 and len(folder.features("long-w0")) == 140
    left, right = (KIT.joints.index(f"{side}_wrist") for side in ("left", "right"))
    rise = {key: np.ptp(folder.joints(key)[..., 1], axis=0) for key in ("a", "Ma")}
    assert rise["a"][left] > 120 > 6 > rise["a"][right] and rise["Ma"][right] > 120 > 6 > rise["Ma"][left]
    heights = folder.joints("a")[:, [0, *KIT.balls], 1]
    assert 450 < heights[:, 0].mean() < 650 and heights[:, 1:].max() < 30


def test_tags_and_seconds_survive_and_fall_into_windows(source: Path, tmp_path: Path) -> None:
    (source / "a.txt").write_text("lifts a hand#lift/VERB a/DET hand/NOUN#0.5#2.5\nmoves left\n")
    (source / "long.txt").write_text(
        "lifts the left hand##8.0#14.0\nlifts slowly##9.0#10.0\nends##22.0#22.2\nlate##30#40\n"
    )
    summary = import_folder(source, tmp_path / "out", ImportConfig(mirror=True))
    folder = MotionFolder(tmp_path / "out")
    first, second = folder.captions("a")
    assert first == CaptionLine(Caption("lifts a hand", ("lift/VERB", "a/DET", "hand/NOUN")), 0.5, 2.5)
    assert second.whole and second.caption.tokens == ("move/VERB", "left/ADJ")
    found = {
        key: [(line.caption.text, line.start_s, line.end_s) for line in folder.captions(key)]
        for key in folder.ids("all")
    }
    assert found["long-w1"] == [("lifts the left hand", 0.5, 6.5), ("lifts slowly", 1.5, 2.5)]
    assert found["Mlong-w1"] == [("lifts the right hand", 0.5, 6.5), ("lifts slowly", 1.5, 2.5)]
    assert found["long-w2"] == [("ends", 7.05, 7.25)] and "long-w0" not in found
    assert summary.skipped["long"] == "beyond the end of the clip: 'late'; no caption falls into long-w0"
    assert check_folder(tmp_path / "out").ok


def test_a_pair_is_not_mirrored_again_and_no_id_is_given_twice(source: Path, tmp_path: Path) -> None:
    for name, other in {"Ma": "a", "long-w0": "b", "Mb-w1": "b"}.items():
        for suffix in (".bvh", ".txt"):
            shutil.copy(source / f"{other}{suffix}", source / f"{name}{suffix}")
    (source / "train.txt").write_text("a\nMa\nlong\nlong-w0\nb\nMb-w1\n")
    (source / "val.txt").unlink()
    summary = import_folder(source, tmp_path / "out")
    made = [part.id for part in summary.taken]
    windows = [f"{m}long-ww{n}" for m in ("", "M") for n in range(3)]
    assert sorted(made) == sorted([*windows, "a", "Ma", "b", "Mb", "c", "Mc", "long-w0", "Mlong-w0", "Mb-w1", "MMb-w1"])
    assert "a and Ma" in json.loads((tmp_path / "out/import.json").read_text())["notes"][0]


def test_two_processes_write_what_one_writes(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "WORTH_A_PROCESS", 1)
    one, two = (import_folder(source, tmp_path / f"{n}", ImportConfig(processes=n)) for n in (1, 2))
    assert one == two
    for path in (tmp_path / "1").rglob("*.*"):
        if path.name != "import.json":
            assert path.read_bytes() == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes()


def test_what_cannot_be_taken_is_reported(source: Path, tmp_path: Path) -> None:
    (source / "b.txt").unlink()
    (source / "c.bvh").write_text("HIERARCHY nonsense")
    (source / "odd.bvh").write_text((source / "a.bvh").read_text().replace("left_wrist", "LHand"))
    (source / "odd.txt").write_text("odd")
    (source / "stray.bvh").write_bytes((source / "a.bvh").read_bytes())
    (source / "stray.txt").write_text("in no list")
    (source / "test.txt").write_text("c\nodd\n")
    skipped = import_folder(source, tmp_path / "out").skipped
    assert skipped["b"] == "no caption" and skipped["stray"] == "in no split"
    assert "no line MOTION" in skipped["c"] and "odd" not in skipped


def _broken(source: Path, name: str, content: str) -> None:
    (source / name).write_text(content)


FAILURES = {
    "no folder": (lambda source: source.rename(source.parent / "gone"), "no such folder"),
    "no BVH": (lambda source: [path.unlink() for path in source.glob("*.bvh")], "no motion file"),
    "no captions": (lambda source: [path.unlink() for path in source.glob("*.txt")], "no clip to take .no caption"),
    "bad JSON": (lambda source: _broken(source, "captions.json", "{"), "not readable as JSON"),
    "bad entry": (lambda source: _broken(source, "captions.json", '{"a": {}}'), "entry 'a' needs a caption"),
    "two splits": (lambda source: _broken(source, "test.txt", "a\n"), "a is also listed for test"),
    "nothing to train": (lambda source: _broken(source, "train.txt", "short\n"), "no clip for training"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_one_line_and_leave_nothing(source: Path, tmp_path: Path, name: str) -> None:
    breaking, message = FAILURES[name]
    breaking(source)
    with pytest.raises(UserError, match=message) as raised:
        import_folder(source, tmp_path / "out")
    assert "\n" not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"source", "gone"}


def test_existing_output_is_left_alone(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").touch()
    with pytest.raises(UserError, match="exists already"):
        import_folder(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_its_own_mapping_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    first = import_folder(source, tmp_path / "1")
    again = import_folder(source, tmp_path / "2", ImportConfig(mapping=str(tmp_path / "1/mapping.json")))
    assert {part.joint_names for part in again.taken} == {"given"} and len(again.taken) == len(first.taken)
    assert again.skipped == first.skipped
    for path in (tmp_path / "1").rglob("*.*"):
        if path.name != "import.json":
            assert path.read_bytes() == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes()


def test_what_nobody_recognises_is_listed_to_be_filled_in(source: Path, tmp_path: Path) -> None:
    for path in source.glob("*.bvh"):
        path.write_text(re.sub(r"(right|left)_(hip|knee|ankle)", r"\2", path.read_text()))
    with pytest.raises(UserError, match=r"out-mapping[.]json is a mapping to start from"):
        import_folder(source, tmp_path / "out")
    (entry,) = json.loads((tmp_path / "out-mapping.json").read_text())["skeletons"]
    assert set(entry["joints"]) == set(HUMANML3D.joints) and not any(entry["joints"].values())
    assert "no pair of legs" in entry["refused"] and entry["clips"] == ["a", "b", "c", "long", "short"]
    joints = {ours: ours for ours in HUMANML3D.joints}
    for part in ("hip", "knee", "ankle"):  # the reader tells joints of one name apart by numbers
        joints |= {f"left_{part}": part, f"right_{part}": f"{part} 2"}
    (tmp_path / "mapping.json").write_text(json.dumps({"skeletons": [{**entry, "joints": joints}]}))
    summary = import_folder(source, tmp_path / "out", ImportConfig(mapping=str(tmp_path / "mapping.json")))
    assert len(summary.taken) == 12


def test_a_rest_pose_first_is_left_out_and_said(source: Path, tmp_path: Path, rest_pose: np.ndarray) -> None:
    joints = np.repeat(rest_pose[None], 62, axis=0)
    joints[1:, LEFT] += np.linspace(0.3, 0.8, 61)[:, None] * (0.9, 0.9, 0)
    write_bvh(source / "b.bvh", joints, HUMANML3D)
    (source / "b.txt").write_text("raises the left hand##0.05#3.05\n")
    summary = import_folder(source, tmp_path / "out", ImportConfig(mirror=False))
    (part,) = (part for part in summary.taken if part.source == "b")
    assert part.start_s == 0.05 and part.frames == 60
    assert "a rest pose before or after the motion is left out: b" in summary.notes
    assert MotionFolder(tmp_path / "out").captions("b")[0].whole  # its seconds count from the file's start


def test_real_motion_capture(shared: Path, tmp_path: Path) -> None:
    names = ("dataset-1_kick_normal_001", "dataset-1_walk-left_active_001", "dataset-1_punch_normal_001")
    entries = json.loads((shared / "mocap/captions.json").read_text())
    source = tmp_path / "source"
    source.mkdir()
    (source / "captions.json").write_text(json.dumps({name: {**entries[name], "split": "train"} for name in names}))
    for name in names:
        (source / f"{name}.bvh").write_bytes((shared / f"mocap/bvh/{name}.bvh").read_bytes())
    summary = import_folder(source, tmp_path / "out")
    assert {part.source for part in summary.taken} == set(names) and not summary.skipped
    frames = {name: sum(part.frames for part in summary.taken if part.source == name) for name in names}
    assert all(abs(frames[name] / 2 - entries[name]["frames_20fps"]) <= 2 for name in names)
    folder = MotionFolder(tmp_path / "out")
    heights = np.concatenate([folder.joints(key)[:, 0, 1] for key in folder.ids("train")])
    assert 0.8 < np.median(heights) < 1.05
    assert len(MotionDataset(tmp_path / "out", "train")) == len(summary.taken)


def test_other_formats_and_what_they_leave_open(source: Path, tmp_path: Path, rest_pose: np.ndarray) -> None:
    joints = np.repeat(rest_pose[None], 90, axis=0)
    joints[:, LEFT] += np.linspace(0, 0.2, 90)[:, None] * (0.3, 0.4, 0)
    np.save(source / "array.npy", joints)
    (source / "array.txt").write_text("raises the left hand")
    (source / "train.txt").write_text("a\narray\n")
    summary = import_folder(source, tmp_path / "out", ImportConfig(mirror=False))
    assert "array" in {part.source for part in summary.taken}
    notes = json.loads((tmp_path / "out/import.json").read_text())["notes"]
    assert any("20 frames a second are assumed" in note and note.endswith(": array") for note in notes)
