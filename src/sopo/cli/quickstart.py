"""``sopo quickstart`` and ``sopo results``: the main job on a laptop, small and full."""

from __future__ import annotations

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.recipes.quickstart import QuickstartConfig, quickstart
from sopo.recipes.results import ResultsConfig, results
from sopo.recipes.shipped import CHECKPOINTS


def _prepare_quickstart(parser: Parser) -> None:
    add_path(parser, "--out", "folder for data, model, results.json and report.html", default="runs/quickstart")
    add_path(parser, "--checkpoints", "folder of generator/, reward/, evaluator/", default=str(CHECKPOINTS))
    add_config(parser, QuickstartConfig)


def _quickstart(flags: Namespace) -> None:
    quickstart(flags.out, config_from(flags, QuickstartConfig), flags.checkpoints)


def _prepare_results(parser: Parser) -> None:
    add_path(parser, "--out", "folder for the runs", default="runs/results")
    add_path(parser, "--markdown", "where to write the tables", default="docs/results.md")
    add_path(parser, "--checkpoints", "folder of generator/, reward/, evaluator/", default=str(CHECKPOINTS))
    add_config(parser, ResultsConfig)


def _results(flags: Namespace) -> None:
    results(flags.out, flags.markdown, config_from(flags, ResultsConfig), flags.checkpoints)


QUICKSTART = Verb(_prepare_quickstart, _quickstart)
RESULTS = Verb(_prepare_results, _results)
