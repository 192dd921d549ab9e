"""``sopo eval``: a generator, or any system's motions, under the protocol."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from sopo.cards import CARD
from sopo.cli.parser import GENERATOR, REWARD, Parser, Verb, add_config, config_from
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.evaluation.settings import ProtocolConfig
from sopo.reports.published import COMPARISONS


def _prepare(parser: Parser) -> None:
    parser.add_argument("--data", type=Path, default=None, help="folder in the HumanML3D layout")
    parser.add_argument(
        "--evaluator", type=Path, default=None, help="folder of the evaluator (never the reward that was optimised)"
    )
    parser.add_argument("--generator", type=Path, nargs="*", default=[], help=f"generators: {GENERATOR}")
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
    parser.add_argument(
        "--best_of", type=int, default=1, help="N > 1: a further row for each generator, of N motions the reward's best"
    )
    parser.add_argument("--reward", type=str, default=None, help=f"of --best_of: {REWARD}")
    parser.add_argument("--split", type=str, default="test", help="which split to use")
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        help="JSON file for the table, each run's values, and what they were measured with",
    )
    parser.add_argument(
        "--card", type=bool, default=False, help="put the table into the model card of each folder of --generator"
    )
    parser.add_argument(
        "--compare",
        type=str,
        nargs=2,
        default=None,
        metavar=("FILE[:ROW]", "FILE[:ROW]"),
        help="measure nothing: the paired differences between two systems of such files",
    )
    parser.add_class_arguments(Sampling, "sampling")
    add_config(parser, ProtocolConfig)


def _run(flags: Namespace) -> None:
    if flags.compare:
        _compare(*flags.compare)
        return
    for name in ("data", "evaluator"):
        if getattr(flags, name) is None:
            raise UserError(f"give --{name} FOLDER (or --compare FILE FILE)")
    from sopo.recipes.compare import evaluation_record
    from sopo.recipes.evaluate import measure_systems
    from sopo.recipes.fingerprints import reward_hash
    from sopo.recipes.measured import add_measured, folders_with_cards
    from sopo.recipes.record import write_json
    from sopo.reports.published import judge_real_row, published_figures
    from sopo.reports.tables import as_json, print_table

    protocol, sampling = config_from(flags, ProtocolConfig), config_from(flags, Sampling, "sampling")
    generators, motions = ({str(path): path for path in given} for given in (flags.generator, flags.motions))
    where = (flags.data, flags.split, flags.evaluator, sampling, protocol)
    cards = folders_with_cards(flags.generator) if flags.card else {}
    table = measure_systems(generators, motions, *where, flags.motions_are, flags.best_of, flags.reward)
    print_table(table, base=next(iter([*generators, *motions])))
    published = {}
    if flags.published:
        print("published: figures of the systems' own papers, not measured here")
        for line in judge_real_row(table["real"], flags.published):
            print(line)
        figures = published_figures(flags.published)
        print_table(figures)
        published = {"published": as_json(figures)}
    for name, folder in cards.items():
        told = add_measured(folder, name, table, flags.data, flags.evaluator, sampling, protocol, flags.split)
        print(f"{folder / CARD}: {'tells it' if told else 'is none of ours, and left as it is'}")
    if flags.out:
        chosen = {"best_of": {"count": flags.best_of, "reward": reward_hash(flags.reward)}} if flags.reward else {}
        write_json(flags.out, evaluation_record(table, flags.generator, flags.motions, *where) | published | chosen)


def _compare(first: str, second: str) -> None:
    from sopo.recipes.compare import compare
    from sopo.reports.comparison import print_comparison

    table, names = compare(first, second)
    print_comparison(table, *names)
    print(
        "difference: second - first over paired runs (the same captions, crops and pools), t-test; *: the interval"
        " leaves out 0. Runs repeat draws on one test split of one training: another seed of it may differ by more."
    )


EVALUATE = Verb(_prepare, _run, networks=True)
