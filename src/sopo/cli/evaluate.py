"""``sopo eval``: a generator, or any system's motions, under the protocol."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.diffusion.settings import Sampling
from sopo.evaluation.settings import ProtocolConfig
from sopo.reports.published import COMPARISONS


def _prepare(parser: Parser) -> None:
    add_path(parser, "--data", "folder in the HumanML3D layout")
    add_path(parser, "--evaluator", "folder of the evaluator (never the reward that was optimised)")
    parser.add_argument("--generator", type=Path, nargs="*", default=[], help="folders of generators")
    parser.add_argument("--motions", type=Path, nargs="*", default=[], help="motions of other systems")
    parser.add_argument(
        "--motions_are",
        choices=["raw", "normalised"],
        help="what the features of --motions are; normalised: by the data's Mean.npy and Std.npy; not given: looked at",
    )
    parser.add_argument(
        "--published",
        choices=list(COMPARISONS),
        help="show below what other systems' papers report on this data set, labelled published",
    )
    parser.add_argument("--split", type=str, default="test", help="which split to use")
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the table")
    parser.add_class_arguments(Sampling, "sampling")
    add_config(parser, ProtocolConfig)


def _run(flags: Namespace) -> None:
    from sopo.recipes.evaluate import measure_files
    from sopo.recipes.record import environment, write_json
    from sopo.reports.published import published_figures
    from sopo.reports.tables import as_json, print_table

    protocol, sampling = config_from(flags, ProtocolConfig), Sampling(**vars(flags.sampling))
    table = measure_files(
        flags.generator,
        flags.motions,
        flags.data,
        flags.split,
        flags.evaluator,
        sampling,
        protocol,
        flags.motions_are,
    )
    print_table(table, base=str([*flags.generator, *flags.motions][0]))
    record = {**as_json(table), "seed": protocol.seed, "environment": environment()}
    if flags.published:
        print("published: figures of the systems' own papers, not measured here")
        figures = published_figures(flags.published)
        print_table(figures)
        record["published"] = as_json(figures)
    if flags.out:
        write_json(flags.out, record)


EVALUATE = Verb(_prepare, _run)
