"""The page itself, in a browser: 20 pairs by keys and by touch, undo, reload, a second person, the power cut."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import Tab, browser
from small_study import MakeStudy, Server

Serve = Callable[..., Server]
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


def question(tab: Tab) -> str:
    return str(tab.run("document.documentElement.dataset.question"))


def moved_on(tab: Tab, before: str) -> None:
    tab.wait(f"document.documentElement.dataset.question !== {before!r} && !document.querySelector('.choice').disabled")


def press(tab: Tab, key: str) -> None:
    before = question(tab)
    tab.press(key, KEYS.get(key, 0))
    moved_on(tab, before)


def tap(tab: Tab, answer: str) -> None:
    before = question(tab)
    tab.tap(f".choice.{answer}")
    moved_on(tab, before)


def begin(tab: Tab, name: str) -> None:
    tab.write(name)
    tab.press("Enter", 13)
    tab.wait("document.documentElement.dataset.question")


def test_two_people_at_once_lose_nothing(make_study: MakeStudy, serve: Serve) -> None:
    """Scripts that answer as fast as they can, each answer sent twice; benchmarks/labelling.py times a thousand."""
    study = make_study(61)
    server = serve("label", "serve", str(study.folder))

    def answer(name: str) -> None:
        told = server.post("/begin", name=name)
        while told["question"]:
            said = {"name": name, "question": told["question"]["id"], "answer": "left", "seconds": 0.1}
            server.post("/answer", **said)
            told = server.post("/answer", **said)

    people = [threading.Thread(target=answer, args=(name,)) for name in ("Ann", "Ben")]
    for person in people:
        person.start()
    for person in people:
        person.join()
    labels = study.store.labels()
    assert len(labels) == len({x.pair for x in labels}) == 61
    assert {x.annotator for x in labels} == {"Ann", "Ben"}


@pytest.mark.slow
def test_twenty_pairs(make_study: MakeStudy, serve: Serve, tmp_path: Path) -> None:
    study = make_study(21)
    server = serve("label", "serve", str(study.folder))
    address = f"http://127.0.0.1:{server.port}/"
    with browser(tmp_path / "profile") as tab:
        tab.screen(1200, 800)
        tab.go(address)
        begin(tab, "Ann")
        for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "1", "2", "s"):
            press(tab, key)
        skipped = question(tab)
        press(tab, "u")  # the skip
        assert int(question(tab)) < int(skipped)
        press(tab, "3")
        assert [x.preferred for x in study.store.labels()][2:4] == ["both_good", "both_bad"]
        before = question(tab)
        tab.reload()
        tab.wait(f"document.documentElement.dataset.question === {before!r}")  # the name is known, the pair the same
        tab.press("p")
        tab.press("ArrowLeft", 37)  # paused: nothing is answered
        assert len(study.store.labels()) == 7
        tab.press("p")
        press(tab, "ArrowLeft")

        server.kill()
        tab.press("ArrowRight", 39)
        tab.wait("document.querySelector('.say').textContent.includes('sent again')")
        assert question(tab) != "none" and len(study.store.labels()) == 8
        before = question(tab)
        server = serve("label", "serve", str(study.folder), port=server.port)
        moved_on(tab, before)  # by itself
        assert len(study.store.labels()) == 9
        assert not [line for line in tab.trouble if "ERR_CONNECTION" not in line]
        assert all(url.startswith((address, "data:")) for url in tab.requests if url != "about:blank")

    with browser(tmp_path / "phone") as tab:
        tab.screen(390, 844, phone=True)
        tab.go(address)
        begin(tab, "Ben")
        width = "document.documentElement.scrollWidth"
        assert tab.run(width) == 390  # nothing to scroll to the side
        for answer in ("left", "right", "both_good", "both_bad"):
            tap(tab, answer)
        tap(tab, "undo")
        while question(tab) != "none":
            tap(tab, "left")
        assert not tab.trouble and all(
            url.startswith((address, "data:")) for url in tab.requests if url != "about:blank"
        )
        tab.wait("document.querySelector('.end').textContent.includes('Thank you')")
        tab.run("document.querySelector('.end .other').click()")
        tab.wait("document.activeElement === document.querySelector('.entry input')")

    labels = study.store.labels()
    assert len(labels) == len({x.pair for x in labels}) == 20  # the last one is still open with Ann
    assert Counter(x.annotator for x in labels) == {"Ann": 9, "Ben": 11}
