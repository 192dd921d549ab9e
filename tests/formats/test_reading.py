"""The table of suffixes: what is read, what is refused and why."""

from pathlib import Path

import pytest

from sopo.errors import UserError
from sopo.formats.reading import REFUSED, SUFFIXES, read_clip


def test_capitals_of_a_suffix_do_not_matter(tmp_path: Path) -> None:
    hierarchy = "ROOT hips\n{\nCHANNELS 1 Yposition\n}\nMOTION\nFrames: 2\nFrame Time: 0.04\n1\n2\n"
    (tmp_path / "CLIP.BVH").write_text(f"HIERARCHY\n{hierarchy}")
    assert read_clip(tmp_path / "CLIP.BVH").fps == 25
    assert read_clip(tmp_path / "CLIP.BVH", fps=60).fps == 60


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_read_and_absent_is_one_line(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=r"clip\.\w+: ") as caught:
        read_clip(tmp_path / f"clip{suffix}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "way_out"),
    [("walk.c3d", "solve a skeleton"), ("walk.TRC", "solve a skeleton"), ("walk.blend", "export"), ("a.pkl", "npz")],
)
def test_other_motion_is_refused_with_the_way_out(tmp_path: Path, name: str, way_out: str) -> None:
    with pytest.raises(UserError, match=way_out):
        read_clip(tmp_path / name)


def test_other_files_are_refused_with_the_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not a motion file that is read; these are: \.bvh"):
        read_clip(tmp_path / "notes.docx")


def test_no_suffix_is_both_read_and_refused() -> None:
    assert not set(SUFFIXES) & set(REFUSED)
    assert all(suffix.startswith(".") and suffix.islower() for suffix in (*SUFFIXES, *REFUSED))


@pytest.mark.parametrize("suffix", [".bvh", ".amc", ".glb", ".npy"])
def test_a_pointer_of_git_lfs_is_no_motion(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(UserError, match="git lfs pull"):
        read_clip(tmp_path / f"a{suffix}")
