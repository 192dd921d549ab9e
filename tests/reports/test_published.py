"""Published figures: the paper's numbers, and never mistaken for measured ones."""

import json
import math
from pathlib import Path

import pytest

from sopo.reports.published import published_figures, published_table
from sopo.reports.tables import as_markdown

NAMES = {"MM Dist": "MMDist", "generation_time_X": "time"}


def test_systems_of_the_paper_are_all_there() -> None:
    assert len(published_figures("humanml3d")) == 18 and len(published_figures("kit")) == 11
    figures = published_figures("humanml3d")
    assert figures["published: MLD* + SoPo"]["FID"].mean == 0.174
    assert math.isnan(figures["published: MLD* + SoPo"]["FID"].ci)
    assert "published: OMG" in as_markdown(figures)
    assert published_table("table1")["MLD + MoDiPO-T"]["time"].mean == 121_000


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
