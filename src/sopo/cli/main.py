"""``sopo VERB``: one line for a user's mistake, exit code 2; 130 when interrupted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from sopo.cli.parser import Parser, Verb
from sopo.errors import UserError


@dataclass(frozen=True)
class Entry:
    """A verb by its place, ``module:NAME``: torch and the rest are imported when it is chosen, not to list it."""

    place: str
    help: str

    def load(self) -> Verb:
        module, _, name = self.place.partition(":")
        verb: Verb = getattr(import_module(f"sopo.cli.{module}"), name)
        return verb


VERBS: dict[str, Entry | dict[str, Entry]] = {
    "quickstart": Entry("quickstart:QUICKSTART", "align the shipped generator, measure it and show it"),
    "align": Entry("align:ALIGN", "fine-tune a generator with SoPo or a rival objective"),
    "eval": Entry("evaluate:EVALUATE", "measure generators, or files of motions, under the protocol"),
    "sample": Entry("sample:SAMPLE", "draw motions for captions"),
    "data": {
        "make": Entry("data:MAKE", "write the procedural corpus"),
        "check": Entry("data:CHECK", "say what a motion folder holds, what is off and what to do"),
        "import": Entry("data:IMPORT", "turn a folder of BVH and captions into the layout"),
    },
    "train": {
        "generator": Entry("train:GENERATOR", "pre-train an MDM"),
        "reward": Entry("train:REWARD", "train the reward, TMR"),
        "evaluator": Entry("train:EVALUATOR", "train the Guo et al. evaluator"),
    },
    "convert": Entry("convert:CONVERT", "turn a released checkpoint into a folder that every command takes"),
    "toy": Entry("toy:TOY", "train and draw Figure 2 of the paper on points of the plane"),
    "results": Entry("quickstart:RESULTS", "the full recipe: SoPo and the control over three seeds"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the ``sopo`` command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = VERBS.get(given[0]) if given else None
    words = 1  # of the given ones, those that name the verb
    if isinstance(chosen, dict):
        chosen, words = chosen.get(given[1]) if given[1:] else None, 2
    verb = chosen.load() if chosen else None
    if verb:
        given[words:words] = verb.before(given[words:])
    flags = _parser(chosen, verb).parse_args(given)
    assert verb  # the parser has refused, or answered --help, where no verb is named
    flags = flags[flags.verb]
    try:
        verb.run(flags[flags.what] if words == 2 else flags)
    except UserError as error:
        print(f"sopo: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("sopo: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        sys.exit(130)


def _parser(chosen: Entry | None, verb: Verb | None) -> Parser:
    """The command line: every verb with its line of help, the flags of the chosen one."""

    def leaf(entry: Entry) -> Parser:
        parser = Parser(description=entry.help)
        if verb and entry is chosen:
            parser.add_argument("--config", action="config", help="YAML file of the flags below; flags override it")
            verb.prepare(parser)
        return parser

    parser = Parser(prog="sopo", description="Preference alignment for text-to-motion models.")
    commands = parser.add_subcommands(required=True, dest="verb")
    for name, entry in VERBS.items():
        if isinstance(entry, Entry):
            commands.add_subcommand(name, leaf(entry), help=entry.help)
            continue
        group = Parser(description=f"sopo {name} ...")
        commands.add_subcommand(name, group, help=", ".join(entry))
        leaves = group.add_subcommands(required=True, dest="what")
        for what, member in entry.items():
            leaves.add_subcommand(what, leaf(member), help=member.help)
    return parser


if __name__ == "__main__":
    main()
