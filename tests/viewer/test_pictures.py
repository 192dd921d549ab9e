"""Film strips and films: they are written, they hold what was given, and bad input is refused."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import animation
from PIL import Image

from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, KIT, Skeleton
from sopo.viewer.stick import draw_strip, project, under_root
from sopo.viewer.video import write_video


def drifting(frames: int, skeleton: Skeleton = HUMANML3D) -> np.ndarray:
    rest = np.zeros((skeleton.num_joints, 3))
    for joint in range(1, skeleton.num_joints):
        rest[joint] = rest[skeleton.parents[joint]] + skeleton.target_offsets[joint]
    rest[:, 1] -= rest[:, 1].min()
    drift = np.linspace(0, 2, frames)[:, None, None] * np.array([0.0, 0.0, 1.0])
    return rest + drift / skeleton.metres_per_unit


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_a_strip_is_a_wide_picture_with_both_sides(tmp_path: Path, skeleton: Skeleton) -> None:
    path = draw_strip(tmp_path / "new" / "strip.png", drifting(30, skeleton), "costs $5_$ to walk", skeleton)
    picture = Image.open(path).convert("RGB")
    assert picture.width > 4 * picture.height
    colours = {colour for _, colour in picture.getcolors(maxcolors=1 << 20) or []}
    assert {(0x2C, 0x7B, 0xD4), (0xE4, 0x6F, 0x33)} <= colours


def test_a_motion_shorter_than_the_strip_is_drawn_once_per_frame(tmp_path: Path) -> None:
    assert draw_strip(tmp_path / "one.png", drifting(1), "one frame").is_file()


def test_a_gif_lasts_as_long_as_the_longest_motion(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.gif", {"before": drifting(3), "after": drifting(5)}, "a person walks")
    film = Image.open(path)
    assert film.n_frames == 5
    assert film.info["duration"] == 50  # 20 frames per second


def test_mp4_without_ffmpeg_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation.writers, "is_available", lambda name: False)
    with pytest.raises(UserError, match=r"install it or write a \.gif"):
        write_video(tmp_path / "film.mp4", {"a": drifting(2)}, "a person")


def test_mp4_is_written_where_ffmpeg_is(tmp_path: Path) -> None:
    if not animation.writers.is_available("ffmpeg"):
        pytest.skip("no ffmpeg on PATH")
    assert write_video(tmp_path / "film.mp4", {"a": drifting(4)}, "a person").stat().st_size > 0


@pytest.mark.parametrize(
    ("name", "motions", "words"),
    [
        ("film.avi", {"a": drifting(2)}, "use .gif or .mp4"),
        ("film.gif", {}, "no motion"),
        ("film.gif", {"a": np.zeros((4, 21, 3))}, r"expected \[T, 22, 3\]"),
        ("film.gif", {"a": np.full((4, 22, 3), np.inf)}, "not finite"),
    ],
)
def test_what_cannot_be_filmed_is_refused(tmp_path: Path, name: str, motions: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        write_video(tmp_path / name, motions, "a person")


def test_projection_keeps_up_upright_and_lengths_on_the_paper() -> None:
    right, up, near = project(np.array([0.0, 1.0, 0.0]))
    assert right == 0 and up > 0.9
    assert np.hypot(np.hypot(right, up), near) == pytest.approx(1.0)
    pose = drifting(1)[0]
    assert np.allclose(project(pose[0] * (1, 0, 1))[:2] + under_root(pose), 0)
