"""``sopo quickstart``: the main job on a laptop."""

from __future__ import annotations

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.folders import CHECKPOINTS
from sopo.recipes.settings import QuickstartConfig


def _prepare(parser: Parser) -> None:
    add_path(parser, "--out", "folder for data, model, results.json and report.html", default="runs/quickstart")
    add_path(
        parser, "--checkpoints", "folder of mdm/, mld/, momask/, flow/, reward/, evaluator/", default=str(CHECKPOINTS)
    )
    add_config(parser, QuickstartConfig)


def _run(flags: Namespace) -> None:
    from sopo.recipes.quickstart import quickstart

    quickstart(flags.out, config_from(flags, QuickstartConfig), flags.checkpoints)


QUICKSTART = Verb(_prepare, _run, networks=True)
