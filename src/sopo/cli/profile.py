"""``sopo profile``: what a step of ``sopo align`` costs, part by part."""

from __future__ import annotations

from jsonargparse import Namespace

from sopo.cli.align import add_run, preset_flags, run_from
from sopo.cli.parser import Parser, Verb, config_from
from sopo.recipes.presets import LOOP_STABLE
from sopo.recipes.settings import Plan


def _prepare(parser: Parser) -> None:
    add_run(parser, LOOP_STABLE | {"steps": 10})
    parser.add_class_arguments(Plan, "plan")


def _run(flags: Namespace) -> None:
    from sopo.recipes.profile import profile

    print(profile(**run_from(flags), plan=config_from(flags, Plan, "plan")))


PROFILE = Verb(_prepare, _run, before=preset_flags, networks=True)
