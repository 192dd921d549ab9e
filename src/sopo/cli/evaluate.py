"""``sopo eval``: a generator, or any system's motions, under the protocol."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.diffusion.schedule import Sampling
from sopo.errors import UserError
from sopo.evaluation.protocol import ProtocolConfig, Source
from sopo.evaluation.sources import FileSource
from sopo.recipes.build import check_features, load_dataset, load_generator, load_matcher
from sopo.recipes.evaluate import measure
from sopo.recipes.record import environment, write_json
from sopo.recipes.sources import generator_source
from sopo.reports.published import COMPARISONS, published_figures
from sopo.reports.tables import as_json, print_table


def _prepare(parser: Parser) -> None:
    add_path(parser, "--data", "folder in the HumanML3D layout")
    add_path(parser, "--evaluator", "folder of the evaluator (never the reward that was optimised)")
    parser.add_argument("--generator", type=Path, nargs="*", default=[], help="folders of generators")
    parser.add_argument("--motions", type=Path, nargs="*", default=[], help="motions of other systems")
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
    if not flags.generator and not flags.motions:
        raise UserError("nothing to evaluate: give --generator FOLDER or --motions FILE_OR_FOLDER")
    protocol = config_from(flags, ProtocolConfig)
    matcher = load_matcher(flags.evaluator)
    dataset = load_dataset(flags.data, flags.split)
    check_features(matcher.config.features, dataset.skeleton.num_features, str(flags.evaluator))
    sources: dict[str, Source] = {}
    for folder in flags.generator:
        generator = load_generator(folder)
        check_features(generator.config.features, dataset.skeleton.num_features, str(folder))
        sources[str(folder)] = generator_source(generator, Sampling(**vars(flags.sampling)), protocol.seed)
    for path in flags.motions:
        sources[str(path)] = FileSource(path, dataset.skeleton)
    table = measure(sources, dataset, matcher, protocol)
    print_table(table, base=next(iter(sources)))
    record = {**as_json(table), "seed": protocol.seed, "environment": environment()}
    if flags.published:
        print("published: figures of the systems' own papers, not measured here")
        figures = published_figures(flags.published)
        print_table(figures)
        record["published"] = as_json(figures)
    if flags.out:
        write_json(flags.out, record)


EVALUATE = Verb(_prepare, _run)
