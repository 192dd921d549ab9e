"""``sopo VERB``: one line for a user's mistake, exit code 2; 130 when interrupted."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sopo.cli.align import ALIGN, preset_flags
from sopo.cli.data import CHECK, IMPORT, MAKE
from sopo.cli.evaluate import EVALUATE
from sopo.cli.parser import Parser, Verb
from sopo.cli.quickstart import QUICKSTART, RESULTS
from sopo.cli.sample import SAMPLE
from sopo.cli.train import EVALUATOR, GENERATOR, REWARD
from sopo.errors import UserError

VERBS: dict[str, Verb | dict[str, Verb]] = {
    "quickstart": QUICKSTART,
    "align": ALIGN,
    "eval": EVALUATE,
    "sample": SAMPLE,
    "data": {"make": MAKE, "check": CHECK, "import": IMPORT},
    "train": {"generator": GENERATOR, "reward": REWARD, "evaluator": EVALUATOR},
    "results": RESULTS,
}


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(prog="sopo", description="Preference alignment for text-to-motion models.")
    commands = parser.add_subcommands(required=True, dest="verb")
    for name, entry in VERBS.items():
        if isinstance(entry, Verb):
            commands.add_subcommand(name, _leaf(entry), help=entry.help)
            continue
        group = Parser(description=f"sopo {name} ...")
        commands.add_subcommand(name, group, help=", ".join(entry))
        leaves = group.add_subcommands(required=True, dest="what")
        for leaf, verb in entry.items():
            leaves.add_subcommand(leaf, _leaf(verb), help=verb.help)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the ``sopo`` command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["align"]:
        given[1:1] = preset_flags(given)
    flags = build_parser().parse_args(given)
    entry, flags = VERBS[flags.verb], flags[flags.verb]
    if isinstance(entry, dict):
        entry, flags = entry[flags.what], flags[flags.what]
    try:
        entry.run(flags)
    except UserError as error:
        print(f"sopo: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("sopo: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        sys.exit(130)


def _leaf(verb: Verb) -> Parser:
    parser = Parser(description=verb.help)
    parser.add_argument("--config", action="config", help="YAML file of the flags below; flags override it")
    verb.prepare(parser)
    return parser


if __name__ == "__main__":
    main()
