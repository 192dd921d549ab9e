"""The record of people's answers: what is written comes back, in every kind of file; what is wrong is named by line."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sopo.errors import UserError
from sopo.preference import labels as module
from sopo.preference.labels import Label, read_labels, write_labels

TEXT = 'a person "waves", then\tjumps <b>שלום</b>'


def answers(folder: Path) -> list[Label]:
    a, b = folder / "motions/1a.npy", folder / "motions/1b.npy"
    when = "2026-11-28T04:00:00+00:00"
    return [
        Label(TEXT, a, b, "a", "1", "Ann", "choice", "base", "aligned", "b", 1, 2.5, when),
        Label(TEXT, a, b, "both_bad", "1", "Ann", "repeat", "base", "aligned", "a", 2, 0.25, when),
        Label(TEXT, b, a, "b", "2", "Ben", "attention", "real", "noise", "a", 1, 1e-3, when, "a"),
    ]


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.parquet", "elsewhere/deep/labels.parquet"])
def test_what_is_written_comes_back(tmp_path: Path, name: str) -> None:
    write_labels(tmp_path / name, answers(tmp_path))
    read = [
        dataclasses.replace(x, motion_a=x.motion_a.resolve(), motion_b=x.motion_b.resolve())
        for x in read_labels(tmp_path / name)
    ]
    assert read == answers(tmp_path.resolve())


def test_csv_says_the_same(tmp_path: Path) -> None:
    with (tmp_path / "x.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, module.FIELDS)
        writer.writeheader()
        writer.writerows({**dataclasses.asdict(label)} for label in answers(tmp_path))
    assert read_labels(tmp_path / "x.csv") == answers(tmp_path)


def test_four_columns_will_do(tmp_path: Path) -> None:
    row = {"caption": "walk", "motion_a": "a.npy", "motion_b": "/b.npy", "preferred": "skip", "mood": 3}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "x.parquet")
    assert read_labels(tmp_path / "x.parquet") == [Label("walk", tmp_path / "a.npy", Path("/b.npy"), "skip")]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('"preferred": "left"', "x.jsonl:1: preferred is 'left': write a or b or both_good"),
        ('"preferred": ["a"]', "no preferred"),
        ('"preferred": "a", "kind": "test"', "kind is 'test'"),
        ('"preferred": "a", "left": "c"', "left is 'c'"),
        ('"preferred": "a", "seconds": -1', "seconds is -1"),
        ('"preferred": "a", "order": "many"', "order is 'many'"),
        ('"preferred": "a", "annotator": 7', "annotator is 7: must be text"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, more: str, says: str) -> None:
    (tmp_path / "x.jsonl").write_text(f'{{"caption": "c", "motion_a": "a", "motion_b": "b", {more}}}\n')
    with pytest.raises(UserError, match=says.replace("[", "\\[")):
        read_labels(tmp_path / "x.jsonl")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    write_labels(tmp_path / "x.parquet", answers(tmp_path))
    whole = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"truncated or not a Parquet file"):
        read_labels(tmp_path / "x.parquet")
    with pytest.raises(UserError, match=r"written as \.jsonl or \.parquet"):
        write_labels(tmp_path / "x.csv", [])
