"""Published figures: the paper's numbers, and never mistaken for measured ones."""

import json
import math
from pathlib import Path

import pytest

from sopo.reports.published import judge_real_row, published_figures, published_table
from sopo.reports.results import Row, Stat
from sopo.reports.tables import as_markdown

NAMES = {"MM Dist": "MMDist", "generation_time_X": "time"}


def test_systems_of_the_paper_are_all_there() -> None:
    assert len(published_figures("humanml3d")) == 18 and len(published_figures("kit")) == 11
    figures = published_figures("humanml3d")
    assert figures["published: MLD* + SoPo"]["FID"].mean == 0.174
    assert math.isnan(figures["published: MLD* + SoPo"]["FID"].ci)
    assert "published: OMG" in as_markdown(figures)
    assert published_table("table1")["MLD + MoDiPO-T"]["time"].mean == 121_000


def real(**changed: float) -> Row:
    """The published row of HumanML3D's real motions, but for some columns."""
    row = {name: stat.mean for name, stat in published_table("table1")["Real"].items()}
    return {name: Stat(value, 0.0) for name, value in (row | {"FID": 0.0} | changed).items()}


def test_the_real_row_is_judged_in_words() -> None:
    assert judge_real_row(real(), "humanml3d")[0].startswith("real row as published: R@1 0.511 (published 0.511)")
    assert len(judge_real_row(real(MMDist=2.98, Diversity=9.4), "humanml3d")) == 1
    # 2.794 is a misprint of the paper's Table 2: whoever measures that has another evaluator, or other data.
    assert "real row NOT as published" in judge_real_row(real(MMDist=2.794), "humanml3d")[0]
    lost = judge_real_row(real(**{"R@1": 0.05, "R@2": 0.09, "R@3": 0.13, "MMDist": 7.1}), "humanml3d")
    assert "other statistics than its own" in lost[1] and "no row of this table is comparable" in lost[2]
    worse = judge_real_row(real(**{"R@3": 0.77, "MMDist": 3.1}), "humanml3d")
    assert "clips that are missing" in worse[1]
    assert "the spread alone is off" in judge_real_row(real(Diversity=8.5), "humanml3d")[1]
    assert len(judge_real_row({k: Stat(s.mean, 0) for k, s in published_table("table3")["Real"].items()}, "kit")) == 1


def test_every_number_is_the_papers(shared: Path) -> None:
    for name, table in json.loads((shared / "paper" / "tables.json").read_text()).items():
        if not name.startswith("table"):
            continue
        ours = published_table(name.partition("_")[0])
        for row in table["rows"]:
            cells = dict(zip(table["columns"], row, strict=True))
            for column in ("R@1", "R@2", "R@3", "MM Dist", "Diversity", "FID"):
                value = cells[column]
                stat = ours[row[0]].get(NAMES.get(column, column))
                if value is None:
                    assert stat is None
                    continue
                mean, ci = value if isinstance(value, list) else (value, math.nan)
                assert stat is not None and (stat.mean, stat.ci) == pytest.approx((mean, ci), nan_ok=True)
