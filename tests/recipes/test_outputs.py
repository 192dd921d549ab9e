"""Files of motions: each stands for itself, and is whole or not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from sopo.cli.files import SHOWN, show_files
from sopo.cli.main import main
from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, KIT, Skeleton
from sopo.recipes.outputs import WRITERS, Outputs
from sopo.recipes.settings import FORMATS


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_every_format_is_written_and_nothing_else(tmp_path: Path, make_joints, skeleton: Skeleton) -> None:
    formats = [name for name in FORMATS if name != "smpl" or skeleton is HUMANML3D]
    outputs = Outputs(tmp_path, [*formats, "npy"], skeleton)
    outputs.add("clip.v2", make_joints(skeleton, 6), "a person")
    assert not outputs.failed
    assert sorted(tmp_path.iterdir()) == sorted(outputs.written)
    assert all(path.name.startswith("clip.v2.") and path.stat().st_size for path in outputs.written)
    assert len(outputs.written) == len(formats)


def test_the_table_of_formats_has_a_writer_for_each() -> None:
    assert list(WRITERS) == list(FORMATS)
    assert len({suffix for suffix, _ in WRITERS.values()}) == len(WRITERS)


def test_a_failure_costs_no_other_file(tmp_path: Path, make_joints, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: Path, *_: object) -> None:
        path.write_text("half")
        raise ValueError("no luck\nand more of it")

    monkeypatch.setitem(WRITERS, "gif", (".gif", fails))
    (tmp_path / "b.npy").mkdir()
    outputs = Outputs(tmp_path, ("gif", "npy", "bvh"), HUMANML3D)
    for name in "ab":
        outputs.add(name, make_joints(HUMANML3D, 4), "")
    assert [path.name for path in outputs.written] == ["a.npy", "a.bvh", "b.bvh"]
    assert [line.partition(" ")[0] for line in outputs.failed] == [
        f"{tmp_path / name}:" for name in ("a.gif", "b.gif", "b.npy")
    ]
    assert outputs.failed[0].endswith("not written (no luck)")
    assert {path.name for path in tmp_path.iterdir()} == {"a.npy", "a.bvh", "b.npy", "b.bvh"}


def test_motions_that_are_not_finite_fail_alone(tmp_path: Path, make_joints) -> None:
    outputs = Outputs(tmp_path, ("bvh", "glb", "smpl", "gif", "png"), HUMANML3D)
    outputs.add("bad", np.full((4, 22, 3), np.nan), "")
    outputs.add("good", make_joints(HUMANML3D, 4), "")
    assert len(outputs.failed) == 5 and {path.stem for path in outputs.written} == {"good"}


@pytest.mark.parametrize(
    ("formats", "skeleton", "says"),
    [
        (("npy", "fbx", "c3d"), HUMANML3D, r"unknown fbx, c3d; known: npy, bvh, glb"),
        (("npy", "smpl"), KIT, r"smpl is for the joints of humanml3d, not those of kit"),
        (("mp4",), KIT, r"sopo\[video\]"),
    ],
)
def test_what_cannot_be_written_is_said_beforehand(
    formats: tuple[str, ...], skeleton: Skeleton, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=says):
        Outputs(tmp_path, formats, skeleton)


def test_captions_of_earlier_files_stay(tmp_path: Path) -> None:
    for damage, name, caption, kept in (
        (None, "a", "walks", {"a": "walks"}),
        (None, "b", "走る \ud800", {"a": "walks", "b": "走る ?"}),
        ("[1]", "c", "sits", {"c": "sits"}),
        ("{", "d", "runs", {"d": "runs"}),
    ):
        if damage:
            (tmp_path / "captions.json").write_text(damage)
        outputs = Outputs(tmp_path, (), HUMANML3D)
        outputs.add(name, np.zeros((1, 22, 3)), caption)
        outputs.add_captions()
        assert json.loads((tmp_path / "captions.json").read_text(encoding="utf-8")) == kept


def test_many_failures_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        show_files([Path("a.npy")], [f"file {number}" for number in range(SHOWN + 5)])
    printed = capsys.readouterr()
    assert stopped.value.code == 2 and printed.out == "a.npy\n"
    assert len(printed.err.splitlines()) == SHOWN + 1 and "and 5 more" in printed.err


def test_sample_says_which_file_failed_and_writes_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "00_0.npy").mkdir()
    captions = ["walk " * 144, "a person $waves_$"]
    words = ["--seconds", "1", "--sampling.steps", "1", "--out", str(tmp_path), "--formats", "npy", "gif"]
    with pytest.raises(SystemExit) as stopped:
        main(["sample", *captions, *words])
    assert stopped.value.code == 2
    printed = capsys.readouterr()
    files = ["00_0.gif", "01_0.npy", "01_0.gif", "captions.json"]
    assert [Path(line).name for line in printed.out.splitlines()] == files
    assert len(printed.err.splitlines()) == 1 and "00_0.npy: not written (" in printed.err
    assert list(json.loads((tmp_path / files[-1]).read_text()).values()) == captions


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    words = ["sample", "a person waves", "--seconds", "1", "--sampling.steps", "1", "--out"]
    with pytest.raises(SystemExit):
        main([*words, str(tmp_path / "file" / "out")])
    assert "cannot be created" in capsys.readouterr().err
