"""The contact sheet: what it carries, and that a browser finds, filters, turns pages and shows one clip large."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import open_page, play
from PIL import Image

import sopo.viewer.sheet as sheet
from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D
from sopo.viewer.sheet import SheetClip, SheetText, write_sheet

HOSTILE = "</script><script>document.documentElement.dataset.error='owned'</script><!-- {{script}} \u2028 \"&' <b> שלום"
TEXT = SheetText(f"motions {HOSTILE}", ("30 clips.",), {"lies": "on its side"}, {"lies": ("most lie", "import again")})


def joints(seed: int, frames: int = 20) -> np.ndarray:
    """A resting body that drifts and trembles, [T, 22, 3] metres."""
    rest = np.zeros((22, 3))
    for joint in range(1, 22):
        rest[joint] = rest[HUMANML3D.parents[joint]] + HUMANML3D.target_offsets[joint]
    rest[:, 1] -= rest[:, 1].min()
    drift = np.linspace(0, 1, frames)[:, None, None] * np.array([0.3, 0.0, 1.0])
    return rest + drift + np.random.default_rng(seed).normal(scale=0.01, size=(frames, 22, 3))


def clips(count: int = 30) -> list[SheetClip]:
    """Every third is of the test split, every fifth has a warning, the last cannot be drawn."""
    return [
        SheetClip(
            f"{number:06d}",
            None if number == count - 1 else joints(number),
            (f"a person walks {number} steps {HOSTILE}", "someone goes along"),
            "test" if number % 3 == 0 else "train",
            {"lies": "by 3"} if number % 5 == 0 else {},
            {"source": f"take-{number}"},
        )
        for number in range(count)
    ]


def write(path: Path, count: int = 30) -> list[Path]:
    return list(write_sheet(path, clips(count), count, TEXT, HUMANML3D))


def payload_of(page: Path) -> dict:
    found = re.search(r'<script type="application/json" id="payload">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def unpack(motion: dict) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(motion["data"]), dtype="<i2").astype(np.float64)
    return values.reshape(motion["frames"], -1, 3) * motion["step"]


def test_the_page_stands_alone_with_every_clip_to_a_millimetre(tmp_path: Path) -> None:
    (page,) = write(tmp_path / "deep" / "view.html")
    found = payload_of(page)
    for given, shown in zip(clips(), found["clips"], strict=True):
        assert (shown["id"], shown["split"], tuple(shown["captions"])) == (given.id, given.split, given.captions)
        if given.joints is None:
            assert shown["motion"] is None and shown["frames"] == 0
        else:
            assert np.abs(unpack(shown["motion"]) - given.joints).max() <= 0.001
    assert re.search(r"https?://|@import|url\(|src=|href=\"(?!data:)", page.read_text()) is None


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    text = write(tmp_path / "view.html")[0].read_text()
    assert text.count("</script") == 2  # the data's and the program's own
    assert "dataset.error='owned'</script>" not in text and "<!--" not in text and "<b>" not in text


def test_what_most_clips_share_is_said_above_them(tmp_path: Path) -> None:
    lying = [SheetClip(str(number), joints(0), warnings={"lies": ""} if number else {}) for number in range(4)]
    page, *_ = write_sheet(tmp_path / "view.html", lying, 4, TEXT, HUMANML3D)
    assert payload_of(page)["alarms"] == ["Most lie (3 of 4): import again."]
    page, *_ = write_sheet(tmp_path / "view.html", lying[:2], 2, TEXT, HUMANML3D)
    assert payload_of(page)["alarms"] == []


def test_many_motions_lie_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "INSIDE", 29)
    beside = tmp_path / "view.motions"
    beside.mkdir()
    (beside / "7.js").write_text("of a page before")
    (beside / "notes.js").write_text("somebody's own")
    page, *scripts = write(tmp_path / "view.html")
    assert [script.name for script in scripts] == ["0.js", "1.js"]
    assert sorted(path.name for path in beside.iterdir()) == ["0.js", "1.js", "notes.js"]
    stored = [json.loads(re.fullmatch(r"sopoMotions\(\d,(.*)\);\n", path.read_text())[1]) for path in scripts]
    for given, shown in zip(clips()[:-1], payload_of(page)["clips"], strict=False):
        chunk, place = shown["motion"]
        assert np.abs(unpack(stored[chunk][place]) - given.joints).max() <= 0.001


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write(tmp_path / "file" / "view.html")


READER = """
    const root = document.documentElement, notes = [];
    const find = (selector) => document.querySelector(selector), all = (selector) => [...document.querySelectorAll(selector)];
    const later = (wait = 60) => new Promise((done) => setTimeout(done, wait));
    const ids = () => all(".card").map((card) => Number(card.dataset.id)).join(",");
    const type = (text) => { find("input").value = text; find("input").dispatchEvent(new Event("input")); };
    const choose = (label, value) => { const menu = find(`select[aria-label=${label}]`); menu.value = value; menu.dispatchEvent(new Event("change")); };
    const press = (key, node = document.body) => node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    const note = (text) => notes.push(text);
    const told = () => { root.dataset.notes = notes.join("|"); };
"""  # noqa: E501


def noted(opening: str) -> list[str]:
    assert 'data-ready="true"' in opening and "data-error" not in opening, opening
    return re.search(r'data-notes="([^"]*)"', opening)[1].split("|")


def test_a_browser_pages_searches_and_filters(tmp_path: Path) -> None:
    acts = """(async () => {
        note(all(".card").length + " " + find(".count").textContent + " " + find(".pager span").textContent);
        find(".pager button[aria-label='Next page']").click(); note(ids());
        press("ArrowLeft"); note(ids().slice(0, 5));
        type("STEPS walks 27"); note(ids());
        type("nobody"); note(find(".nothing").textContent); find(".nothing button").click(); note(all(".card").length);
        choose("Split", "test"); note(ids()); choose("Split", "");
        choose("Warnings", "*"); note(find(".count").textContent); choose("Warnings", "lies"); note(ids());
        type("someone"); choose("Split", "train"); note(ids()); note(find(".caption").textContent);
        press("/"); note(document.activeElement.type);
        told(); })();"""
    page = write(tmp_path / "view.html")[0]
    assert noted(play(page, tmp_path / "profile", READER + acts)) == [
        "24 30 clips 1–24", "24,25,26,27,28,29", "0,1,2", "27", "No clip fits. Show all", "24",
        "0,3,6,9,12,15,18,21,24,27", "6 of 30 clips", "0,5,10,15,20,25", "5,10,20,25", "someone goes along",
        "search",
    ]  # fmt: skip


def test_a_browser_shows_one_clip_large(tmp_path: Path) -> None:
    acts = """(async () => {
        await later();
        const dialog = find("dialog"), window = (n) => all(".window button")[n];
        find(".picture").focus(); note(document.activeElement.ariaLabel); document.activeElement.click(); await later();
        note(dialog.open + dialog.querySelector("h3").textContent + dialog.querySelector(".known").textContent);
        note(dialog.querySelectorAll(".captions li").length + dialog.querySelector(".warnings").textContent);
        note(window(0).disabled); window(1).click(); await later();
        note(dialog.querySelector("h3").textContent + dialog.querySelectorAll("canvas").length);
        press("End", dialog.querySelector(".example")); await later(); note(dialog.querySelector("time").textContent);
        window(2).click(); await later(); note(dialog.open);
        find(".theme").click(); note(root.dataset.theme !== undefined);
        told(); })();"""
    page = write(tmp_path / "view.html")[0]
    assert noted(play(page, tmp_path / "profile", READER + acts)) == [
        "Show 000000 large", "true000000splittestlength20 frames, 1.0 ssourcetake-0", "2lies on its side (by 3)",
        "true", "0000011", "0.9 / 0.9 s", "false", "true",
    ]  # fmt: skip


def test_a_browser_fetches_motions_from_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "INSIDE", 29)
    page, *scripts = write(tmp_path / "a view.html")
    scripts[1].unlink()
    acts = """(async () => {
        await later(300); note(all(".card canvas").length); note(all(".blank").length);
        press("ArrowRight"); await later(300); note(find(".blank").textContent);
        told(); })();"""
    found = noted(play(page, tmp_path / "profile", READER + acts))
    assert found == ["24", "0", "a view.motions/1.js is not beside this page: keep them together"]


def test_a_browser_draws_the_bodies(tmp_path: Path) -> None:
    picture, page = tmp_path / "page.png", write(tmp_path / "view.html")[0]
    open_page(page, tmp_path / "profile", f"--screenshot={picture}", "--window-size=500,900")
    colours = {colour[:3] for _, colour in Image.open(picture).getcolors(maxcolors=1 << 22) or []}
    left, right = ({(0x2C, 0x7B, 0xD4), (0x58, 0xA3, 0xF2)}, {(0xE4, 0x6F, 0x33), (0xF2, 0x8A, 0x50)})
    assert colours & left and colours & right
