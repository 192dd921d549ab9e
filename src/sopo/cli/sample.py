"""``sopo sample "a person ..."``: captions -> motions as joints, animations and films."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_path
from sopo.diffusion.settings import Sampling

FORMATS_HELP = "kinds of files: npy (joints), bvh, glb, smpl (.npz as in AMASS), gif, mp4, png (film strip)"


def _prepare(parser: Parser) -> None:
    parser.add_argument("captions", nargs="+", type=str, help="what the motions should show")
    add_path(parser, "--generator", "folder of a generator", default="shipped/mdm")
    add_path(parser, "--out", "folder for the motions", default="runs/sample")
    parser.add_argument(
        "--seconds", type=float, default=None, help="duration of each motion (default: as estimated, or 3.2)"
    )
    parser.add_argument("--repeats", type=int, default=1, help="motions for each caption")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another motion")
    parser.add_argument("--formats", nargs="+", type=str, default=["npy", "bvh", "gif"], help=FORMATS_HELP)
    parser.add_class_arguments(Sampling, "sampling")


def _run(flags: Namespace) -> None:
    from sopo.recipes.sample import sample

    sampling = Sampling(**vars(flags.sampling))
    outputs = sample(
        flags.captions, flags.generator, flags.out, flags.seconds, flags.repeats, flags.seed, sampling, flags.formats
    )
    report(outputs.written, outputs.failed)


def report(written: Iterable[Path], failed: Sequence[str]) -> None:
    """Print what was written, then what was not; exit with code 2 if any was not."""
    for path in written:
        print(path)
    for line in failed:
        print(f"sopo: {line}", file=sys.stderr)
    if failed:
        sys.exit(2)


SAMPLE = Verb(_prepare, _run)
