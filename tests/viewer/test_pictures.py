"""Film strips and films: they are written, they hold what was given, and bad input is refused."""

import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, KIT, Skeleton
from sopo.viewer.canvas import MOST_LINES, Canvas, lettering, printable
from sopo.viewer.stick import project, under_root
from sopo.viewer.strip import draw_strip
from sopo.viewer.video import write_video

BLUE, ORANGE = (0x2C, 0x7B, 0xD4), (0xE4, 0x6F, 0x33)


def drifting(frames: int, skeleton: Skeleton = HUMANML3D) -> np.ndarray:
    rest = np.zeros((skeleton.num_joints, 3))
    for joint in range(1, skeleton.num_joints):
        rest[joint] = rest[skeleton.parents[joint]] + skeleton.target_offsets[joint]
    rest[:, 1] -= rest[:, 1].min()
    drift = np.linspace(0, 2, frames)[:, None, None] * np.array([0.0, 0.0, 1.0])
    return rest + drift / skeleton.metres_per_unit


def colours(picture: Image.Image) -> set:
    return {colour for _, colour in picture.convert("RGB").getcolors(maxcolors=1 << 24) or []}


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_a_strip_is_a_wide_picture_with_both_sides(tmp_path: Path, skeleton: Skeleton) -> None:
    path = draw_strip(tmp_path / "new" / "strip.png", drifting(30, skeleton), "costs $5_$ to walk", skeleton)
    picture = Image.open(path)
    assert picture.width > 4 * picture.height
    assert {BLUE, ORANGE} <= colours(picture)


def test_a_motion_shorter_than_the_strip_is_drawn_once_per_frame(tmp_path: Path) -> None:
    one, two = (Image.open(draw_strip(tmp_path / "strip.png", drifting(frames), "short")).width for frames in (1, 2))
    assert one < two


def test_a_gif_lasts_as_long_as_the_longest_motion(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.gif", {"before": drifting(3), "after": drifting(5)}, "a person walks")
    film = Image.open(path)
    assert film.n_frames == 5
    assert film.info["duration"] == 50  # 20 frames per second


def test_a_gif_keeps_white_paper_and_the_colours_of_the_sides(tmp_path: Path) -> None:
    film = Image.open(write_video(tmp_path / "film.gif", {"": drifting(4)}, "a person walks"))
    for frame in range(film.n_frames):
        film.seek(frame)
        picture = film.convert("RGB")
        assert picture.getpixel((2, 2)) == (255, 255, 255)
        shown = np.array(list(colours(picture)))
        for colour in (BLUE, ORANGE):
            assert np.abs(shown - colour).max(axis=1).min() <= 8


def test_an_mp4_holds_every_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a: film.mp4", {"before": drifting(4), "after": drifting(7)}, "a person walks")
    frames = imageio_ffmpeg.read_frames(str(path))
    about = next(frames)
    width, height = about["size"]
    pictures = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in frames]
    assert len(pictures) == 7 and about["fps"] == 20
    assert np.abs(pictures[0][2, 2].astype(int) - 255).max() <= 3


def test_mp4_without_its_extra_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=r"sopo\[video\]"):
        write_video(tmp_path / "film.mp4", {"a": drifting(2)}, "a person")


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


CAPTIONS = [
    "",
    " \t\n ",
    "walk " * 144,
    "x" * 20_000,
    "e\u0301" * 10_000,
    "a\x00b\r\nc\td",
    r"pays $5_$ or \frac{1}",
    "走る人 😀 مرحبا \u202eabc \ud800",
]


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda caption: repr(caption[:9]))
def test_any_caption_is_lettered_in_a_few_lines(caption: str) -> None:
    picture = lettering(caption, 220, 14)
    assert picture.width == 220 and picture.height <= (1.25 * MOST_LINES + 1) * 14
    inked = (np.asarray(picture) < 250).any(axis=-1).any(axis=0)
    assert inked.any() == bool(printable(caption))
    assert not inked[:2].any() and not inked[-2:].any()  # nothing runs over the edge


def test_what_is_too_long_ends_in_an_ellipsis() -> None:
    short, long = "walks and " * 8, "walks and " * 80
    full = [np.asarray(lettering(text, 220, 14)) for text in (short, long, long + "more")]
    assert len(full[0]) <= len(full[1]) and np.array_equal(full[1], full[2])
    assert printable(" a\n\tb\x00c ") == "a b c"


def test_a_line_is_as_wide_as_told_and_where_it_was_told() -> None:
    canvas = Canvas((-1, -1), (1, 1), 100)
    canvas.line(np.array([[-0.5, 0.5], [0.5, 0.5]]), 0.1, "#2c7bd4")
    blue = (np.asarray(canvas.finished()) == BLUE).all(axis=-1)
    rows, columns = blue.any(axis=1).nonzero()[0], blue.any(axis=0).nonzero()[0]
    assert rows.mean() == pytest.approx(50, abs=1) and len(rows) == pytest.approx(10, abs=1)
    assert columns.mean() == pytest.approx(100, abs=1) and len(columns) == pytest.approx(110, abs=2)


def test_projection_keeps_up_upright_and_lengths_on_the_paper() -> None:
    right, up, near = project(np.array([0.0, 1.0, 0.0]))
    assert right == 0 and up > 0.9
    assert np.hypot(np.hypot(right, up), near) == pytest.approx(1.0)
    pose = drifting(1)[0]
    assert np.allclose(project(pose[0] * (1, 0, 1))[:2] + under_root(pose), 0)
