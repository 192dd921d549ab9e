"""``sopo film "a person ..."``: generators side by side on the same captions, before and after."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.parser import GENERATOR, Parser, Verb, add_path, config_from
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError


def _prepare(parser: Parser) -> None:
    parser.add_argument("captions", nargs="+", type=str, help="what the motions should show, a scene each")
    parser.add_argument("--generator", type=Path, nargs="+", default=[Path("shipped/mdm")], help=f"each {GENERATOR}")
    parser.add_argument("--names", type=str, nargs="+", default=[], help="what stands above each (default: its path)")
    add_path(parser, "--out", "the film, .gif or .mp4", default="runs/film.gif")
    parser.add_argument("--seconds", type=float, default=None, help="duration of each scene (default: 3.2)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another motion; all start from one noise")
    parser.add_argument("--fps", type=float, default=None, help="frames a second that are shown (default: all)")
    parser.add_class_arguments(Sampling, "sampling")


def _run(flags: Namespace) -> None:
    from sopo.recipes.film import film

    names = flags.names or [str(path) for path in flags.generator]
    if len(set(names)) != len(flags.generator):
        raise UserError(f"--names: give {len(flags.generator)} different ones, one for each --generator")
    generators = dict(zip(names, flags.generator, strict=True))
    if flags.fps is not None and not flags.fps > 0:
        raise UserError(f"--fps is {flags.fps}: must be above 0")
    sampling = config_from(flags, Sampling, "sampling")
    print(film(flags.captions, generators, flags.out, flags.seconds, flags.seed, sampling, flags.fps))


FILM = Verb(_prepare, _run, networks=True)
