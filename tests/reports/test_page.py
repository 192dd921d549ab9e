"""The report page: what it carries, what it judges, and that a browser opens it without an error."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import open_page, play
from PIL import Image

from sopo.errors import UserError
from sopo.evaluation.protocol import default_witnesses
from sopo.motion.skeleton import HUMANML3D, KIT
from sopo.reports.page import COLUMNS, Column, Example, Report, compare, thin, write_page
from sopo.viewer.page import body, quantise

HOSTILE = "</script><script>document.documentElement.dataset.error='owned'</script><!-- {{script}} \u2028 & <b>"


def joints(frames: int, seed: int = 0) -> np.ndarray:
    """A resting body that drifts and trembles, [T, 22, 3] metres."""
    rest = np.zeros((22, 3))
    for joint in range(1, 22):
        rest[joint] = rest[HUMANML3D.parents[joint]] + HUMANML3D.target_offsets[joint]
    rest[:, 1] -= rest[:, 1].min()
    rng = np.random.default_rng(seed)
    drift = np.linspace(0, 3, frames)[:, None, None] * np.array([0.3, 0.0, 1.0])
    return (rest + drift + rng.normal(scale=0.01, size=(frames, 22, 3))).astype(np.float32)


def report(examples: int = 2, frames: int = 30) -> Report:
    names = ("real", "before", "after")
    return Report(
        title=f"A title {HOSTILE}",
        summary=("FID falls", "a second line"),
        table={
            "base": {"R@1": {"mean": 0.4, "ci": 0.01}, "FID": {"mean": 0.5, "ci": 0.01}},
            "aligned": {"R@1": {"mean": 0.5, "ci": 0.01}, "FID": {"mean": 0.505, "ci": 0.01}},
            "real": {"R@1": {"mean": 0.6, "ci": 0.01}, "FID": {"mean": 0.0, "ci": float("nan")}},
        },
        curves={"loss": [(step, 1.0 / (1 + step)) for step in range(1000)], "empty": []},
        examples=[
            Example(
                caption=f"caption {index} {HOSTILE}",
                group="random" if index % 2 else "largest change",
                motions={name: joints(frames, 10 * index + k) for k, name in enumerate(names)},
                scores={
                    "before": {"reward": np.float32(0.25), "rule": np.bool_(False)},
                    "after": {"rule": True},
                },
            )
            for index in range(examples)
        ],
        config={"align": {"beta": 1.0, "betas": (0.9, 0.999)}, "out": Path("runs/a")},
        facts={"seed": 7, "note": HOSTILE},
    )


def payload_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="payload">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def unpack(motion: dict) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(motion["data"]), dtype="<i2").astype(np.float64)
    return values.reshape(motion["frames"], -1, 3) * motion["step"]


def test_every_joint_comes_back_to_a_millimetre(tmp_path: Path) -> None:
    given = report()
    found = payload_of(write_page(tmp_path / "deep" / "report.html", given).read_text())
    for example, shown in zip(given.examples, found["examples"], strict=True):
        assert shown["caption"] == example.caption
        assert shown["group"] == example.group
        for name, motion in example.motions.items():
            assert np.abs(unpack(shown["motions"][name]) - motion).max() <= 0.001


def test_all_data_is_present(tmp_path: Path) -> None:
    found = payload_of(write_page(tmp_path / "report.html", report()).read_text())
    assert found["summary"] == ["FID falls", "a second line"]
    assert found["table"]["rows"] == ["base", "aligned", "real"]
    assert [column["name"] for column in found["table"]["columns"]] == ["R@1", "FID"]
    assert found["table"]["columns"][1]["cells"]["real"] == {"mean": 0.0, "ci": None}
    assert [curve["name"] for curve in found["curves"]] == ["loss"]
    assert found["examples"][0]["scores"] == {
        "before": {"reward": 0.25, "rule": False},
        "after": {"rule": True},
    }
    assert found["config"] == {"align": {"beta": 1.0, "betas": [0.9, 0.999]}, "out": "runs/a"}
    assert found["facts"] == {"seed": 7, "note": HOSTILE}


def test_no_witness_is_hidden() -> None:
    """What gets worse stands beside what gets better."""
    assert {column.name for column in COLUMNS} >= {*default_witnesses(HUMANML3D), "rule_accuracy"}


def test_the_page_stands_alone(tmp_path: Path) -> None:
    page = write_page(tmp_path / "report.html", report()).read_text()
    assert re.search(r"https?://|@import|url\(|src=|href=\"(?!data:)", page) is None
    assert "default-src 'none'" in page


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    page = write_page(tmp_path / "report.html", report()).read_text()
    assert page.count("</script") == 2  # the data's and the program's own
    assert "dataset.error='owned'</script>" not in page
    assert "<!--" not in page
    assert "<b>" not in page


def test_twelve_examples_stay_small(tmp_path: Path) -> None:
    path = write_page(tmp_path / "report.html", report(examples=12, frames=100))
    assert path.stat().st_size < 1_500_000


def estimate(mean: float, ci: float = 0.01) -> dict:
    return {"mean": mean, "ci": ci}


@pytest.mark.parametrize(
    ("better", "value", "verdict"),
    [
        ("higher", 0.6, "better"),
        ("higher", 0.4, "worse"),
        ("higher", 0.515, "unclear"),
        ("lower", 0.6, "worse"),
        ("lower", 0.4, "better"),
        ("closer", 0.9, "better"),
        ("closer", 1.1, "better"),
        ("closer", 1.6, "worse"),
        ("closer", 1.5, "unclear"),
        ("higher", float("nan"), "unclear"),
    ],
)
def test_a_change_counts_only_beyond_both_intervals(better: str, value: float, verdict: str) -> None:
    found = compare(Column("x", better), estimate(value), estimate(0.5), estimate(1.0))
    assert found["verdict"] == verdict


def test_change_is_relative_to_base_and_for_closer_to_its_distance() -> None:
    assert compare(Column("x", "higher"), estimate(0.6), estimate(0.5), None)["change"] == pytest.approx(0.2)
    assert compare(Column("x", "closer"), estimate(0.75), estimate(0.5), estimate(1.0))["change"] == pytest.approx(-0.5)
    assert compare(Column("x", "lower"), estimate(0.6), estimate(0.0), None)["change"] is None


def test_kit_is_shown_in_metres_with_its_sides() -> None:
    units = np.full((4, 21, 3), 1000.0)
    assert np.allclose(unpack(quantise(units, KIT)), 1.7, atol=0.001)
    sides = body(KIT)["sides"]
    assert sides[5] == 1 and sides[8] == -1 and sides[0] == 0


def test_a_motion_beyond_the_integers_is_stored_in_coarser_steps() -> None:
    far = joints(10)
    far[-1] += 100.0
    assert np.abs(unpack(quantise(far, HUMANML3D)) - far).max() < 0.004


def test_long_curves_are_thinned_with_both_ends() -> None:
    points = thin([(step, float("nan") if step == 5 else 0.5 * step) for step in range(10_000)])
    assert len(points) <= 400
    assert points[0] == [0, 0] and points[-1] == [9999, 4999.5]
    assert thin([(1, float("inf"))]) == [[1.0, None]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"table": {"aligned": {}}}, "no row 'base'"),
        ({"table": {"base": {"speed": estimate(1.0)}}}, "unknown columns"),
        ({"examples": [Example("a", "best", {})]}, "unknown example groups"),
        ({"examples": [Example("a", "random", {"real": np.zeros((5, 21, 3))})]}, r"expected \[T, 22, 3\]"),
        ({"examples": [Example("a", "random", {"real": np.full((5, 22, 3), np.nan)})]}, "not finite"),
    ],
)
def test_data_that_cannot_be_shown_is_refused(tmp_path: Path, change: dict, words: str) -> None:
    fields = {"title": "t", "summary": (), "table": {}} | change
    with pytest.raises(UserError, match=words):
        write_page(tmp_path / "report.html", Report(**fields))
    assert not (tmp_path / "report.html").exists()


def test_a_browser_boots_the_page_without_an_error(tmp_path: Path) -> None:
    dom = open_page(write_page(tmp_path / "report.html", report()), tmp_path / "profile", "--dump-dom")
    opening = dom[: dom.index("<head>")]
    assert 'data-ready="true"' in opening
    assert "data-error" not in opening
    assert dom.count("<canvas") == 6
    assert dom.count('class="example"') == 2
    assert "align.beta" in dom and "✗ rule failed" in dom and "+25.0%" in dom
    assert dom.count("caption 0 &lt;/script&gt;") >= 1


def test_a_browser_boots_an_empty_report(tmp_path: Path) -> None:
    path = write_page(tmp_path / "report.html", Report(title="nothing yet", summary=(), table={}))
    opening = open_page(path, tmp_path / "profile", "--dump-dom").partition("<head>")[0]
    assert 'data-ready="true"' in opening and "data-error" not in opening


def test_keys_and_pointer_move_the_players(tmp_path: Path) -> None:
    """A script added to the page plays its reader and notes what the first example's clock says."""
    reader = """
    const card = document.querySelector(".example"), root = document.documentElement, notes = [];
    const later = () => new Promise((done) => setTimeout(done, 100));
    const press = (key) => card.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    (async () => {
      for (const key of ["Home", "ArrowRight", "End", " "]) {
        press(key);
        await later();
        notes.push(card.querySelector("time").textContent + card.querySelector(".play").ariaLabel);
      }
      for (const key of ["q", "+", "-", "f", "r", "x"]) press(key);
      card.querySelector("canvas").dispatchEvent(new WheelEvent("wheel", { deltaY: 100, ctrlKey: true }));
      document.querySelector("header button").click();
      document.querySelector("#curves svg").dispatchEvent(new PointerEvent("pointermove", { clientX: 0 }));
      root.dataset.notes = notes.join("|");
      root.dataset.read = document.querySelector("#curves output").textContent;
    })();"""
    opening = play(write_page(tmp_path / "report.html", report()), tmp_path / "profile", reader)
    assert "data-error" not in opening
    assert re.search(r'data-notes="0.0 / 1.4 sPlay\|0.1 / 1.4 sPlay\|1.4 / 1.4 sPlay\|.* sPause"', opening)
    assert 'data-read="1 @ 0"' in opening
    assert re.search(r'data-theme="(dark|light)"', opening)


def test_a_browser_draws_the_bodies(tmp_path: Path) -> None:
    path = write_page(tmp_path / "report.html", report())
    picture = tmp_path / "page.png"
    open_page(path, tmp_path / "profile", f"--screenshot={picture}", "--window-size=1000,2200")
    colours = {colour[:3] for _, colour in Image.open(picture).getcolors(maxcolors=1 << 22) or []}
    left, right = ({(0x2C, 0x7B, 0xD4), (0x58, 0xA3, 0xF2)}, {(0xE4, 0x6F, 0x33), (0xF2, 0x8A, 0x50)})
    assert colours & left and colours & right
