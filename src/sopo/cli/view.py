"""``sopo view``: a page where a caption is drawn by every generator, to be compared with one's own eyes."""

from __future__ import annotations

import secrets
from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.extras import needs
from sopo.cli.parser import GENERATOR, REWARD, Parser, Verb, add_config, add_path, config_from
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.people.settings import ServeConfig


def _prepare(parser: Parser) -> None:
    parser.add_argument("--generator", nargs="+", type=str, default=["shipped/mdm"], help=f"each {GENERATOR}")
    parser.add_argument("--names", nargs="+", type=str, default=[], help="what stands above each (default: its path)")
    parser.add_argument(
        "--reward", nargs="*", type=str, default=["shipped/reward"], help=f"whose scores are shown: {REWARD}"
    )
    parser.add_argument("--data", type=Path, default=None, help="a procedural corpus: rules judge its captions too")
    add_path(parser, "--study", "folder for what people find better", default="runs/view")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    add_config(parser, ServeConfig)
    parser.add_class_arguments(Sampling, "sampling")
    parser.set_defaults({"sampling.steps": 10})


def _run(flags: Namespace) -> None:
    with needs("people"):
        from sopo.people.serve import serve
        from sopo.people.viewing import Viewing, application
    from sopo.people.drawing import Drawer

    names = flags.names or flags.generator
    if len(set(names)) != len(flags.generator):
        raise UserError(f"--names: give {len(flags.generator)} different ones, one for each --generator")
    sampling = config_from(flags, Sampling, "sampling")
    drawer = Drawer(dict(zip(names, flags.generator, strict=True)), flags.reward, flags.data, sampling)
    serve(
        application(Viewing(drawer, flags.study)),
        secrets.token_urlsafe(16),
        config_from(flags, ServeConfig),
        flags.open,
    )


VIEW = Verb(_prepare, _run, networks=True)
