"""``sopo convert SYSTEM PATH OUT``: a released checkpoint -> a folder that every command takes."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, config_from
from sopo.published.settings import Given, System


def _prepare(parser: Parser) -> None:
    parser.add_argument("system", choices=get_args(System), help="whose checkpoint it is")
    parser.add_argument("path", type=Path, help="the checkpoint: a file, or the folder of TMR or MoMask")
    parser.add_argument("out", type=Path, help="folder to write; must not exist")
    add_config(parser, Given)


def _run(flags: Namespace) -> None:
    from sopo.recipes.convert import convert

    print(convert(flags.system, flags.path, flags.out, config_from(flags, Given)))


CONVERT = Verb(_prepare, _run)
