"""What an evaluation leaves behind, and two of them beside each other, through the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sopo.cli.main import main
from sopo.reports.tables import from_json


def evaluated(world: Any, out: Path, *flags: str) -> dict:
    common = ["--data", world.data, "--evaluator", world.evaluator, "--runs", "3", "--out", out]
    main(["eval", *map(str, common), "--generator", str(world.generators["mdm"]), "--sampling.steps", "2", *flags])
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def records(world: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("records")
    evaluated(world, folder / "a.json")
    evaluated(world, folder / "b.json", "--sampling.guidance", "1")
    return folder / "a.json", folder / "b.json"


def test_a_record_says_what_was_measured_with_what(world: Any, records: tuple[Path, Path]) -> None:
    record = json.loads(records[0].read_text())
    assert record["protocol"]["runs"] == 3 and record["sampling"]["steps"] == 2
    assert len(record["data"]["sha256"]) == len(record["evaluator"]["sha256"]) == 64
    assert len(record["systems"][str(world.generators["mdm"])]["generator"]) == 64
    row = from_json(record["rows"], "record")[str(world.generators["mdm"])]
    for stat in row.values():
        assert len(stat.runs) == 3 and sum(stat.runs) / 3 == pytest.approx(stat.mean)


def test_the_comparison_is_of_pairs(records: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    main(["eval", "--compare", *map(str, records)])
    told = capsys.readouterr().out
    assert "MMDist" in told and "difference" in told


def test_what_is_not_paired_is_refused_in_one_line(
    world: Any, records: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(world, tmp_path / "other.json", "--seed", "5")
    (tmp_path / "old.json").write_text('{"real": {}}')
    for pair, message in (
        ((records[0], tmp_path / "other.json"), "another protocol"),
        ((records[0], tmp_path / "old.json"), "not a record of `sopo eval --out`"),
        ((records[0], tmp_path / "none.json"), "cannot be read"),
        ((records[0], f"{records[1]}:nobody"), "no row 'nobody'"),
    ):
        with pytest.raises(SystemExit):
            main(["eval", "--compare", *map(str, pair)])
        assert message in capsys.readouterr().err
