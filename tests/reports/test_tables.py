"""What a table says: directions, changes as in the paper's Table 1, and what is not known."""

import io
import json
import math

import pytest
from rich.console import Console

from sopo.errors import UserError
from sopo.reports.plots import comparison, training_curves
from sopo.reports.results import Stat, apart, relative_change
from sopo.reports.tables import as_json, as_markdown, console_tables, pooled

# Published (SoPo, Table 1).
TABLE = {
    "real": {"R@3": Stat(0.797, 0.002), "MMDist": Stat(2.974, 0.008), "Diversity": Stat(9.503, 0.065)},
    "MLD": {
        "R@3": Stat(0.755, 0.003),
        "MMDist": Stat(3.292, 0.010),
        "Diversity": Stat(9.793, 0.072),
        "FID": Stat(0.459, 0.011),
    },
    "MLD + SoPo": {
        "R@3": Stat(0.763, 0.003),
        "MMDist": Stat(3.185, 0.012),
        "Diversity": Stat(9.525, 0.065),
        "FID": Stat(0.374, 0.007),
    },
}


def test_changes_are_those_the_paper_prints():
    change = relative_change(TABLE["MLD"], TABLE["MLD + SoPo"], TABLE["real"])
    assert {name: round(value, 4) for name, value in change.items()} == {
        "R@3": 0.0106,
        "MMDist": 0.0325,
        "Diversity": 0.268,
        "FID": 0.1852,
    }
    assert "Diversity" not in relative_change(TABLE["MLD"], TABLE["MLD + SoPo"])
    assert relative_change({"x": Stat(1, 0)}, {"x": Stat(2, 0)}) == {}


def test_apart_means_that_intervals_do_not_overlap():
    assert apart(Stat(1, 0.1), Stat(1.3, 0.1)) and not apart(Stat(1, 0.2), Stat(1.3, 0.1))
    assert not apart(Stat(1, math.nan), Stat(9, 0))


def test_markdown():
    lines = as_markdown(TABLE, base="MLD").splitlines()
    assert lines[0] == "|  | R@3 ↑ | MMDist ↓ | Diversity → | FID ↓ |"
    assert lines[2] == "| real | 0.797 ± 0.002 | 2.974 ± 0.008 | 9.503 ± 0.065 | – |"
    assert lines[3] == "| MLD | 0.755 ± 0.003 | 3.292 ± 0.010 | 9.793 ± 0.072 | 0.459 ± 0.011 |"
    assert lines[4] == (
        "| MLD + SoPo | **0.763** ± 0.003 (+1.06%\\*) | **3.185** ± 0.012 (+3.25%\\*) "
        "| **9.525** ± 0.065 (+0.268\\*) | **0.374** ± 0.007 (+18.52%\\*) |"
    )


def test_rows_may_have_bases_of_their_own():
    table = {name: {"R@1": Stat(value, 0.01)} for name, value in {"a": 0.4, "a+": 0.42, "b": 0.5, "b+": 0.6}.items()}
    text = as_markdown(table, {"a+": "a", "b+": "b"})
    assert "(+5.00%)" in text and "(+20.00%\\*)" in text
    with pytest.raises(UserError, match="no row 'c'"):
        as_markdown(table, {"a": "c"})


def test_unknown_numbers_are_dashes_and_null():
    table = {"a": {"R@1": Stat(math.nan, math.nan)}, "b": {"R@1": Stat(0.4, math.nan)}, "c|d": {}}
    assert [line.split("|")[-2].strip() for line in as_markdown(table, "a").splitlines()[2:]] == [
        "–",
        "0.400",
        "–",
    ]
    assert as_json(table)["a"] == {"R@1": {"mean": None, "ci": None}}
    assert json.loads(json.dumps(as_json(TABLE)))["MLD"]["FID"] == {"mean": 0.459, "ci": 0.011}


def test_console_shows_whole_cells_and_names_as_they_are():
    rows = {"[bold]x": TABLE["MLD"], **TABLE, "/a/folder/with/a/long/name": TABLE["MLD"]}
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(*console_tables(rows, "MLD", console.width))
    text = console.export_text()
    assert "[bold]x" in text and "(+18.52%*)" in text and "…" not in text
    assert text.count("0.459 ± 0.011") == 3


def test_nothing_is_minus_zero():
    assert "| 0.000 ± 0.000 |" in as_markdown({"a": {"FID": Stat(-1e-9, 0)}})


def test_pooling_keeps_the_shared_interval_and_adds_the_spread():
    rows = [{"R@1": Stat(0.4, 0.03)}, {"R@1": Stat(0.6, 0.03), "FID": Stat(1, 0)}]
    both = pooled(rows)
    assert both["R@1"].mean == pytest.approx(0.5) and list(both) == ["R@1"]
    assert both["R@1"].ci == pytest.approx(math.hypot(0.03, 1.96 * 0.1))
    assert pooled(rows[:1]) == rows[0]
    with pytest.raises(UserError):
        pooled([])


def test_plots_are_written(tmp_path):
    log = tmp_path / "log.jsonl"
    lines = [{"step": i, "loss": 1 / i, "h_w": 0.1, "h_l": -0.1, "vu": 0.5} for i in range(1, 300)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for out in (
        training_curves({"a": log, "b": log}, tmp_path / "p" / "curves.png"),
        comparison(TABLE, tmp_path / "c.svg"),
    ):
        assert out.stat().st_size > 1000


def test_plots_name_what_is_missing(tmp_path):
    with pytest.raises(UserError, match="no such log"):
        training_curves({"a": tmp_path / "none"}, tmp_path / "x.png")
    (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(UserError, match="no curve"):
        training_curves({"a": tmp_path / "log.jsonl"}, tmp_path / "x.png")
    with pytest.raises(UserError, match="no values"):
        comparison({}, tmp_path / "x.png")
    with pytest.raises(UserError, match="cannot be written"):
        comparison(TABLE, tmp_path / "x.nonsense")
