"""``sopo view``: drawn side by side from one noise, judged, downloaded, shared; wrong input is a message."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import browser, open_page
from small_study import Server

from sopo.cli.main import main
from sopo.corpus.checker import judge, observe
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.formats.bvh import read_bvh
from sopo.people.drawing import Drawer, file_name
from sopo.people.study import Study
from sopo.people.viewing import KEPT, Viewing
from sopo.recipes.build import load_generator

HOSTILE = "a person waves</script><script>document.documentElement.dataset.error='owned'</script>"
FAST = Sampling("ddim", 2, 2.5)


@pytest.fixture(scope="module")
def drawer() -> Iterator[Drawer]:
    yield Drawer({"base": "shipped/mdm", "other": "shipped/mld"}, ["shipped/reward", "physical"], None, FAST)


def request(caption: str = "a person walks", **more: Any) -> dict[str, Any]:
    return {"caption": caption, "seconds": 1.6, "seed": 3, **more}


def test_one_noise_for_all_and_again(tmp_path: Path) -> None:
    load_generator("shipped/mdm").save_pretrained(tmp_path / "twin")
    twins = Drawer({"one": "shipped/mdm", "two": str(tmp_path / "twin")}, [], None, FAST)
    drawn, again, other = (twins.draw("a person walks", 1.6, seed) for seed in (3, 3, 4))
    assert np.array_equal(drawn.joints["one"], drawn.joints["two"]) and drawn.joints["one"].shape == (32, 22, 3)
    assert np.array_equal(drawn.joints["one"], again.joints["one"])
    assert not np.array_equal(drawn.joints["one"], other.joints["one"])


def test_rewards_and_rules_judge_what_they_know(drawer: Drawer) -> None:
    caption, said = next(iter(drawer.suggestions.items()))
    drawn = drawer.draw(f"  {caption.upper().rstrip('.')} ", 3.2, 0)
    for name, joints in drawn.joints.items():
        assert drawn.scores[name]["all rules"] == judge(observe(joints), said).passed
        assert all(0 <= drawn.scores[name][reward] <= 1 for reward in ("shipped/reward", "physical"))
    assert "all rules" not in drawer.draw("somebody flies", 3.2, 0).scores["base"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"caption": "  "}, "the caption is"),
        ({"caption": "x" * 301}, "1 to 300"),
        ({"caption": "a\x00b"}, "the caption is"),
        ({"caption": 7}, "must be text"),
        ({"seconds": 99}, "last from"),
        ({"seconds": "2"}, "must be a number"),
        ({"seconds": float("nan")}, "last from"),
        ({"seed": -1}, "the noise is"),
        ({"seed": 1.5}, "the noise is"),
        ({"seed": 2**40}, "the noise is"),
    ],
)
def test_wrong_input_is_a_message(drawer: Drawer, tmp_path: Path, wrong: dict[str, Any], says: str) -> None:
    viewing = Viewing(drawer, tmp_path / "study")
    with pytest.raises(UserError, match=says):
        viewing.draw(request() | wrong)
    assert viewing.waiting({}) == {"waiting": 0}


def test_choices_go_to_the_store(drawer: Drawer, tmp_path: Path) -> None:
    viewing = Viewing(drawer, tmp_path / "study")
    first, second = (viewing.draw(request(seed=seed)) for seed in (0, 1))
    assert not (tmp_path / "study").exists()  # until somebody chooses
    viewing.choose({"id": first["id"], "better": "other", "name": "Ann"})
    viewing.choose({"id": second["id"], "better": "both_bad", "name": "Ann"})
    for better in ("both_bad", "base"):
        with pytest.raises(UserError, match="stored already"):
            viewing.choose({"id": first["id"], "better": better, "name": "ann"})
    for id, better in ((first["id"], "real"), ("0" * 16, "base")):
        with pytest.raises(UserError):
            viewing.choose({"id": id, "better": better, "name": "Ben"})
    labels = Study(tmp_path / "study").store.labels()
    assert [(x.preferred, x.kind, x.source_a, x.source_b) for x in labels] == [
        ("a", "open", "other", "base"),
        ("both_bad", "open", "base", "other"),
    ]
    assert np.load(labels[0].motion_a).shape == (32, 263)
    study = Study(tmp_path / "study")
    assert study.store.ask(study.store.begin("Ben")) is None  # nobody is asked these again
    for seed in range(KEPT):
        viewing._kept[str(seed)] = viewing._kept[second["id"]]
    viewing.draw(request())
    with pytest.raises(UserError, match="draw it again"):
        viewing.choose({"id": first["id"], "better": "base", "name": "Ben"})


def test_files_and_a_page_to_share(drawer: Drawer, tmp_path: Path) -> None:
    viewing = Viewing(drawer, tmp_path / "study")
    told = viewing.draw(request(HOSTILE))
    content, _, name = viewing.download(told["id"], 0, "bvh")
    assert name == "a-person-waves-script-script-document-documentelement-dataset-error-owned-script-3-base.bvh"
    (tmp_path / name).write_bytes(content)
    assert read_bvh(tmp_path / name).positions.shape[0] == 32
    assert viewing.download(told["id"], 1, "glb")[0][:4] == b"glTF"
    for number, kind in ((2, "bvh"), (0, "exe"), (-1, "bvh")):
        with pytest.raises(UserError, match="no such file"):
            viewing.download(told["id"], number, kind)
    page, _, name = viewing.share(told["id"])
    (tmp_path / name).write_bytes(page)
    seen = open_page(tmp_path / name, tmp_path / "profile", "--dump-dom").partition("<head>")[0]
    assert 'data-ready="true"' in seen and "data-error" not in seen and b"://" not in page
    assert file_name(drawer.draw("走る", 1.6, 0), "../x") == "0-x"


def test_requests_queue(drawer: Drawer, tmp_path: Path) -> None:
    viewing = Viewing(drawer, tmp_path / "study")
    told: list[dict[str, Any]] = []
    asking = [threading.Thread(target=lambda n=n: told.append(viewing.draw(request(seed=n)))) for n in range(6)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert {x["seed"] for x in told} == set(range(6)) and len({x["id"] for x in told}) == 6
    viewing._waiting = 16
    with pytest.raises(UserError, match="try again in a moment"):
        viewing.draw(request())


def test_the_page(serve: Callable[..., Server], tmp_path: Path) -> None:
    arguments = ["--generator", "shipped/mdm", "shipped/mld", "--names", "base", "other", "--sampling.steps", "2"]
    server = serve("view", *arguments, "--study", str(tmp_path / "study"))
    own = f"http://127.0.0.1:{server.port}/"
    assert server.ask("POST", "/draw", request(), {"Origin": "http://evil.example"})[0] == 403
    assert server.ask("GET", "/files/..%2f..%2f/0.bvh")[0] == 404 and server.ask("GET", "/share/x.html")[0] == 404
    drawn = "document.documentElement.dataset.drawn"
    with browser(tmp_path / "profile") as tab:
        tab.screen(390, 844, phone=True)
        tab.go(own)
        tab.run(f"document.querySelector('textarea').value = {json.dumps(HOSTILE)}")
        tab.tap(".go")
        tab.wait(drawn)
        assert tab.run("document.querySelectorAll('canvas').length") == 2
        assert tab.run("document.querySelector('.scores b').textContent.length > 2")
        assert tab.run("document.documentElement.scrollWidth") == 390
        tab.run("document.querySelector('[data-better=other]').click()")
        tab.wait("document.documentElement.dataset.chosen")
        before = tab.run(drawn)
        tab.run("document.querySelector('input[name=seed]').removeAttribute('max')")
        tab.run("document.querySelector('input[name=seed]').value = '99999999999'")
        tab.run("document.querySelector('.go').click()")
        tab.wait("document.querySelector('.say.wrong')")
        assert tab.run(drawn) == before and tab.run("document.documentElement.dataset.error") is None
        assert not [line for line in tab.trouble if "400 (Bad Request)" not in line]
        assert all(url.startswith((own, "data:")) for url in tab.requests if url != "about:blank")
    (label,) = Study(tmp_path / "study").store.labels()
    assert (label.preferred, label.source_a, label.caption) == ("a", "other", HOSTILE)


def test_what_does_not_fit_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [(["--names", "a", "b"], "--names: give 1"), (["--reward", "gone"], "gone")]
    for flags, says in (*wrong, (["--generator", "gone"], "gone")):
        with pytest.raises(SystemExit, match="2"):
            main(["view", *flags])
        assert says in capsys.readouterr().err
