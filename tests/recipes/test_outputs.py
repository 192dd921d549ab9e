"""Files of motions: each stands for itself, and is whole or not there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sopo.cli.main import main
from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, KIT, Skeleton
from sopo.recipes.outputs import FORMATS, Format, Outputs, check_formats


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_every_format_is_written_and_nothing_else(tmp_path: Path, make_joints, skeleton: Skeleton) -> None:
    outputs = Outputs()
    formats = [name for name in FORMATS if name != "smpl" or skeleton is HUMANML3D]
    check_formats(formats, skeleton)
    outputs.add(tmp_path / "clip.v2", make_joints(skeleton, 6), "a person", skeleton, formats)
    assert not outputs.failed
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in outputs.written}
    assert all(path.name.startswith("clip.v2.") and path.stat().st_size for path in outputs.written)


def test_a_failure_costs_no_other_file(tmp_path: Path, make_joints, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: Path, *_: object) -> None:
        path.write_text("half")
        raise ValueError("no luck\nand more of it")

    monkeypatch.setitem(FORMATS, "gif", Format(".gif", fails))
    (tmp_path / "b.npy").mkdir()
    outputs = Outputs()
    for name in "ab":
        outputs.add(tmp_path / name, make_joints(HUMANML3D, 4), "", HUMANML3D, ("gif", "npy", "bvh"))
    assert [path.name for path in outputs.written] == ["a.npy", "a.bvh", "b.bvh"]
    assert [line.partition(" ")[0] for line in outputs.failed] == [
        f"{tmp_path / name}:" for name in ("a.gif", "b.gif", "b.npy")
    ]
    assert outputs.failed[0].endswith("not written (no luck)")
    assert {path.name for path in tmp_path.iterdir()} == {"a.npy", "a.bvh", "b.npy", "b.bvh"}


def test_motions_that_are_not_finite_fail_alone(tmp_path: Path, make_joints) -> None:
    outputs = Outputs()
    for name, motion in {"bad": np.full((4, 22, 3), np.nan), "good": make_joints(HUMANML3D, 4)}.items():
        outputs.add(tmp_path / name, motion, "", HUMANML3D, ("bvh", "gif", "png"))
    assert len(outputs.failed) == 3 and len(outputs.written) == 3


@pytest.mark.parametrize(
    ("formats", "skeleton", "says"),
    [
        (("npy", "fbx", "c3d"), HUMANML3D, r"unknown fbx, c3d; known: npy, bvh, glb"),
        (("npy", "smpl"), KIT, r"smpl is for the joints of humanml3d, not those of kit"),
        (("mp4",), KIT, r"sopo\[video\]"),
    ],
)
def test_what_cannot_be_written_is_said_beforehand(
    formats: tuple[str, ...], skeleton: Skeleton, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=says):
        check_formats(formats, skeleton)


def test_sample_says_which_file_failed_and_writes_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "00_0.npy").mkdir()
    words = ["sample", "walk " * 144, "a person $waves_$", "--seconds", "1", "--sampling.steps", "1"]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--out", str(tmp_path), "--formats", "npy", "gif"])
    assert stopped.value.code == 2
    printed = capsys.readouterr()
    assert [Path(line).name for line in printed.out.splitlines()] == ["00_0.gif", "01_0.npy", "01_0.gif"]
    assert len(printed.err.splitlines()) == 1 and "00_0.npy: not written (" in printed.err


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    words = ["sample", "a person waves", "--seconds", "1", "--sampling.steps", "1", "--out"]
    with pytest.raises(SystemExit):
        main([*words, str(tmp_path / "file" / "out")])
    assert "cannot be created" in capsys.readouterr().err
