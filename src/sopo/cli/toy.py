"""``sopo toy``: Figure 2 of the paper, trained and measured on points of the plane."""

from __future__ import annotations

import dataclasses

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.toy.settings import ToyConfig


def _prepare(parser: Parser) -> None:
    add_path(parser, "--out", "folder for toy.png, toy.gif and toy.json", default="runs/toy")
    add_config(parser, ToyConfig)


def _run(flags: Namespace) -> None:
    from sopo.recipes.record import environment, write_json
    from sopo.reports.tables import as_json, print_table
    from sopo.toy.pictures import draw_still, film
    from sopo.toy.run import REFERENCE, as_table, play
    from sopo.training.progress import progress

    config = config_from(flags, ToyConfig)
    with progress("the plane") as report:
        courses = play(config, report)
    table = as_table(courses)
    settings = {"config": dataclasses.asdict(config), "environment": environment()}
    write_json(flags.out / "toy.json", {"share_of_samples": as_json(table), **settings})
    draw_still(courses, flags.out / "toy.png")
    film(courses, flags.out / "toy.gif")
    print_table(table, base=REFERENCE)
    print(f"pictures: {flags.out / 'toy.png'} and {flags.out / 'toy.gif'}")


TOY = Verb(_prepare, _run)
