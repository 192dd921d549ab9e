"""``sopo curves``: what runs have logged, as a picture."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_path


def _prepare(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, help="folders that `sopo align` wrote; named as they are")
    add_path(parser, "--out", "picture to write: .png, .svg or .pdf", default="runs/curves.png")


def _run(flags: Namespace) -> None:
    from sopo.reports.plots import training_curves

    print(training_curves({run.name: run / "run" / "log.jsonl" for run in flags.runs}, flags.out))


CURVES = Verb(_prepare, _run)
