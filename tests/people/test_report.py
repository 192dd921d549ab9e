"""What is made of answers: counts, agreement, who wins; files out, and files in."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from browser import open_page
from moving_body import make_joints
from small_study import MakeStudy

from sopo.cli.main import main
from sopo.errors import UserError
from sopo.motion.encode import encode_joints
from sopo.motion.skeleton import HUMANML3D
from sopo.people.import_pairs import import_pairs
from sopo.people.report import agreement, duels, persons, report
from sopo.people.study import Study, answers
from sopo.preference.labels import Label, read_labels

A, B = Path("a.npy"), Path("b.npy")


def label(preferred: str, pair: int, who: str = "Ann", kind: str = "choice", turned: bool = False) -> Label:
    """Of base against new; ``turned``: new is a."""
    sources = ("new", "base") if turned else ("base", "new")
    expected = "a" if kind == "attention" else ""
    return Label("walk", A, B, preferred, str(pair), who, kind, *sources, "a", pair + 1, 2.0, "", expected)


def quiet(done: int, total: int, note: str = "") -> None:
    pass


def test_who_wins() -> None:
    said = [label("a", n) for n in range(6)] + [label("b", n, turned=True) for n in range(6, 8)]  # 8 for base
    said += [label("both_good", 8), label("both_bad", 9), label("skip", 10), label("b", 11)]
    said += [label("b", 12, kind="open"), label("b", 13, kind="attention"), label("b", 0, kind="repeat")]
    (duel,) = duels(said)
    assert (duel.first, duel.second, duel.pairs) == ("base", "new", 11)
    assert (duel.won, duel.lost, duel.both_good, duel.both_bad) == (8, 1, 1, 1)
    assert duel.rate == pytest.approx((8 + 0.5 + 0.5) / 11, abs=1e-4)
    assert duel.low is not None and duel.high is not None and duel.low < duel.rate < duel.high
    assert duel.decided == pytest.approx((8 / 9, 0.5650, 0.9801), abs=1e-4)  # Wilson's interval, by hand


def test_answers_to_one_pair_hang_together() -> None:
    ones = [label("a", 0, f"p{n}") for n in range(9)] + [label("b", 1)]
    (duel,) = duels(ones)
    assert duel.rate == 0.5 and duel.pairs == 2


def test_alpha_by_hand() -> None:
    """Krippendorff (2011), nominal, two observers: alpha = 1 - D_o / D_e."""
    first, second = "aabb", "abbb"
    said = [label(x, n, "Ann") for n, x in enumerate(first)] + [label(x, n, "Ben") for n, x in enumerate(second)]
    a, b = 3, 5  # values of each kind among the 8
    observed, expected = 2 / 8, 2 * a * b / (8 * 7)
    assert agreement([*said, label("a", 9)]) == (pytest.approx(1 - observed / expected, abs=1e-3), 4)
    assert agreement([label("a", 0), label("a", 0, "Ben")]) == (None, 1)


def test_who_attends() -> None:
    said = [label("a", 0), label("b", 1), label("a", 0, kind="repeat"), label("a", 1, kind="repeat"), label("skip", 2)]
    said += [label("a", 7, kind="attention"), label("b", 8, kind="attention"), label("a", 0, "Ben")]
    ann, ben = persons(said)
    assert (ann.answers, ann.skips, ann.tests, ann.repeats, ann.agree) == (7, 1, (1, 2), (1, 2), (1, 1))
    assert ann.left == pytest.approx(4 / 6, abs=1e-3) and ann.median_s == 2.0 and ben.tests == (0, 0)


def test_the_page_and_the_files(make_study: MakeStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = make_study(8, shared=8, tests=1, attention=0.2)
    with pytest.raises(UserError, match="nobody has answered"):
        answers(study.folder)
    for name, said in (("Ann", "left"), ("<b>Ben</b>", "both_bad")):
        who = study.store.begin(name)
        while question := study.store.ask(who):
            study.store.answer(who, question.id, said, 1.5)
    main(["label", "report", str(study.folder)])
    assert "base against new" in capsys.readouterr().out
    page = open_page(study.folder / "report.html", tmp_path / "profile", "--dump-dom")
    assert 'data-ready="true"' in page and "data-error" not in page and "<b>Ben" not in page.partition("</script>")[0]
    assert json.loads((study.folder / "report.json").read_text())["shared"] == 8
    for out in (study.folder / "labels.jsonl", tmp_path / "elsewhere" / "labels.parquet"):
        main(["label", "export", str(study.folder), "--out", str(out)])
        read = read_labels(out)
        assert len(read) == len(study.store.labels()) and all(x.motion_a.is_file() for x in read)
        assert report(out, tmp_path / "again.html")[:-1] == report(study.folder, tmp_path / "page.html")[:-1]


def test_pairs_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = make_joints(HUMANML3D, 24, 0), make_joints(HUMANML3D, 16, 1)
    np.save(tmp_path / "good.npy", good)
    np.save(tmp_path / "bad.npy", encode_joints(bad, HUMANML3D))
    rows = [{"caption": f"walk {n}", "winner": "good.npy", "loser": "bad.npy", "source_winner": "x"} for n in range(12)]
    rows.append({"caption": "inside", "winner": good.tolist(), "loser": bad.tolist(), "annotator": "Zoe"})
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    main(["label", "import", str(tmp_path / "pairs.jsonl"), "--out", str(tmp_path / "study")])
    assert "13 pairs of humanml3d" in capsys.readouterr().out
    labels = Study(tmp_path / "study").store.labels()
    assert {x.preferred for x in labels} == {"a", "b"}  # the winner is not always a
    for x in labels:
        winner = np.load(x.motion_a if x.preferred == "a" else x.motion_b)
        assert winner.shape == (24, 22, 3) and (x.source_a == "x") == (x.preferred == "a" and x.annotator == "imported")
    assert labels[-1].annotator == "Zoe"
    with pytest.raises(UserError, match="exists already"):
        import_pairs(tmp_path / "pairs.jsonl", tmp_path / "study", quiet)


def test_without_the_extra_one_line_says_so(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "sopo.people.report")
    monkeypatch.setitem(sys.modules, "krippendorff", None)
    with pytest.raises(SystemExit, match="2"):
        main(["label", "report", str(make_study(1).folder)])
    assert "pip install 'sopo[people]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"winner": "good.npy", "loser": "good.npy"}, ":2: no caption"),
        ({"caption": "walk", "winner": "good.npy"}, ":2: no loser"),
        ({"caption": "walk", "winner": "good.npy", "loser": "gone.npy"}, "gone.npy"),
        ({"caption": "walk", "winner": "good.npy", "loser": [[1, 2], [3]]}, ":2: loser is no array"),
        ({"caption": "walk", "winner": "good.npy", "loser": [[[0, 0, 0]] * 21]}, ":2: loser: shape"),
        ({"caption": "walk", "winner": "good.npy", "loser": "good.npy", "annotator": 3}, ":2: annotator is 3"),
    ],
)
def test_pairs_that_are_none_leave_nothing(tmp_path: Path, row: dict, says: str) -> None:
    np.save(tmp_path / "good.npy", make_joints(HUMANML3D, 24, 0))
    good = {"caption": "walk", "winner": "good.npy", "loser": "good.npy"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(good) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(UserError, match=says):
        import_pairs(tmp_path / "pairs.jsonl", tmp_path / "study", quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.npy", "pairs.jsonl"]
