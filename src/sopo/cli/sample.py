"""``sopo sample "a person ..."``: captions -> motions as joints, animations and films."""

from __future__ import annotations

from jsonargparse import Namespace

from sopo.cli.files import add_formats, show_files
from sopo.cli.parser import GENERATOR, Parser, Verb, add_path, config_from
from sopo.diffusion.settings import Sampling


def _prepare(parser: Parser) -> None:
    parser.add_argument("captions", nargs="+", type=str, help="what the motions should show")
    add_path(parser, "--generator", GENERATOR, default="shipped/mdm")
    add_path(parser, "--out", "folder for the motions", default="runs/sample")
    parser.add_argument(
        "--seconds", type=float, default=None, help="duration of each motion (default: as estimated, or 3.2)"
    )
    parser.add_argument("--repeats", type=int, default=1, help="motions for each caption")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another motion")
    add_formats(parser, ["npy", "bvh", "gif"])
    parser.add_class_arguments(Sampling, "sampling")


def _run(flags: Namespace) -> None:
    from sopo.recipes.sample import sample

    sampling = config_from(flags, Sampling, "sampling")
    outputs = sample(
        flags.captions, flags.generator, flags.out, flags.seconds, flags.repeats, flags.seed, sampling, flags.formats
    )
    show_files(outputs.written, outputs.failed)


SAMPLE = Verb(_prepare, _run, networks=True)
