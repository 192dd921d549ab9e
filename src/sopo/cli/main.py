"""``sopo VERB``: one line for a user's mistake, exit code 2; 130 when interrupted."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, config_from
from sopo.errors import UserError
from sopo.recipes.settings import MachineConfig


@dataclass(frozen=True)
class Entry:
    """A verb by its place, ``module:NAME``: its flags are imported when it is chosen, torch when it runs."""

    place: str
    help: str

    def load(self) -> Verb:
        module, _, name = self.place.partition(":")
        verb: Verb = getattr(import_module(f"sopo.cli.{module}"), name)
        return verb


Verbs = Mapping[str, "Entry | Verbs"]
VERBS: Verbs = {
    "quickstart": Entry("quickstart:QUICKSTART", "align the shipped generator, measure it and show it"),
    "align": Entry("align:ALIGN", "fine-tune a generator with SoPo or a rival objective"),
    "eval": Entry("evaluate:EVALUATE", "measure generators, or files of motions, under the protocol"),
    "sample": Entry("sample:SAMPLE", "draw motions for captions"),
    "film": Entry("film:FILM", "film generators side by side on the same captions and noise"),
    "view": Entry("view:VIEW", "serve a page that draws your captions with several generators, to compare by eye"),
    "data": {
        "make": Entry("data:MAKE", "write the procedural corpus"),
        "check": Entry("data:CHECK", "say what a motion folder holds, what is off and what to do"),
        "view": Entry("data:VIEW", "write a page of moving bodies with captions and warnings, 24 at a time"),
        "import": Entry("data:IMPORT", "turn a folder of motion files and captions into the layout"),
        "export": Entry("data:EXPORT", "write clips as BVH, GLB, SMPL-style .npz or films"),
        "humanml3d": Entry("official:HUMANML3D", "build HumanML3D from AMASS, a body and what its authors publish"),
        "kit": Entry("official:KIT", "put KIT-ML's captions on the motions of AMASS"),
    },
    "pairs": {
        "mine": Entry("pairs:MINE", "draw and score samples of a pretrained generator once, for dpo and modipo"),
    },
    "label": {
        "make": Entry("label:MAKE", "draw pairs of motions that people are to choose between"),
        "serve": Entry("label:SERVE", "serve the page on which people choose"),
        "export": Entry("label:EXPORT", "write people's answers as JSONL or Parquet"),
        "report": Entry("label:REPORT", "count answers: agreement, attention, win rates with intervals"),
        "simulate": Entry(
            "label:SIMULATE", "answer a study by rules or by a reward, to try it before people are asked"
        ),
        "import": Entry("label:IMPORT", "make a study of somebody else's pairs of winner and loser"),
    },
    "train": {
        "generator": {
            "mdm": Entry("train:MDM", "pre-train an MDM: diffusion on the motion's features"),
            "flow": Entry("train:FLOW", "pre-train a FlowDiT: flow matching on the motion's features"),
            "mld": Entry("train:MLD", "pre-train an MLD: diffusion on the latents of a trained vae"),
            "momask": Entry("train:MOMASK", "pre-train a MoMask: masked tokens of a trained rvq"),
        },
        "rvq": Entry("train:RVQ", "train the residual VQ-VAE that a MoMask works on"),
        "vae": Entry("train:VAE", "train the motion VAE that an MLD works on"),
        "reward": Entry("train:REWARD", "train the reward, TMR"),
        "preference-reward": Entry(
            "train_preference:PREFERENCE_REWARD", "train a reward on people's A/B choices, on top of a TMR"
        ),
        "evaluator": Entry("train:EVALUATOR", "train the Guo et al. evaluator"),
    },
    "push": Entry("push:PUSH", "send a model or mined pairs to the Hugging Face hub, with their card"),
    "check-generator": Entry(
        "check_generator:CHECK_GENERATOR", "say which promises of the contract your own generator keeps"
    ),
    "profile": Entry("profile:PROFILE", "time a few steps of align, part by part"),
    "convert": Entry("convert:CONVERT", "turn a released checkpoint into a folder that every command takes"),
    "curves": Entry("curves:CURVES", "draw what runs of align have logged, side by side"),
    "toy": Entry("toy:TOY", "train and draw Figure 2 of the paper on points of the plane"),
    "bench": {
        "tune": Entry("bench:TUNE", "the same budget of settings for every method, chosen on the validation split"),
        "table1": Entry("bench:TABLE1", "alignment methods against each other, Table 1 of the paper"),
        "table4": Entry("bench:TABLE4", "objectives, tau, K and C, Table 4 of the paper"),
        "figure1": Entry("bench:FIGURE1", "motions before and after alignment, a strip for each seed, Figure 1"),
        "folds": Entry("bench:FOLDS", "cross-validation: every clip tested once, by models that never saw it"),
        "time-to-gain": Entry("bench:TIME_TO_GAIN", "the shortest run whose gain is apart from the base"),
    },
}
GOES_ON = "the same command goes on from the last checkpoint"
LEVELS = ("verb", "what", "which")  # where the parser keeps the words that name a verb


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the ``sopo`` command."""
    verb, flags = parsed(sys.argv[1:] if arguments is None else arguments)
    try:
        if verb.networks:
            _choose_machine(config_from(flags, MachineConfig))
        with _termination_told() if verb.networks else nullcontext():
            verb.run(flags)
    except UserError as error:
        print("sopo:", " ".join(str(error).splitlines()), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"sopo: interrupted; {GOES_ON}", file=sys.stderr)
        sys.exit(130)
    except RuntimeError as error:
        if not verb.networks or not (meaning := _explained(error)):
            raise
        print(f"sopo: {meaning}; {GOES_ON}", file=sys.stderr)
        sys.exit(1)


def parsed(arguments: Sequence[str]) -> tuple[Verb, Namespace]:
    """The verb of a command and its flags; what is mistyped ends the process in one line."""
    given = list(arguments)
    chosen: Entry | Verbs | None = VERBS
    words = 0  # of the given ones, those that name the verb
    while isinstance(chosen, Mapping):
        chosen = chosen.get(given[words]) if words < len(given) else None
        words += 1
    verb = chosen.load() if chosen else None
    if verb:
        given[words:words] = verb.before(given[words:])
    parser = _parser(chosen, verb)
    try:
        flags = parser.parse_args(given)
    except UnicodeDecodeError as error:
        parser.error(f"a file of settings is not UTF-8 text ({error.reason} at byte {error.start})")
    assert verb  # the parser has refused, or answered --help, where no verb is named
    for depth in range(words):
        flags = flags[flags[LEVELS[depth]]]
    return verb, flags


def _explained(error: RuntimeError) -> str:
    from sopo.device import explained

    return explained(error)


@contextmanager
def _termination_told() -> Iterator[None]:
    """A run that a scheduler ends says how it goes on."""
    if threading.current_thread() is not threading.main_thread():  # which alone is told of signals
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminated(*_: object) -> NoReturn:
    print(f"sopo: told to stop (SIGTERM); {GOES_ON}", file=sys.stderr)
    sys.exit(128 + signal.SIGTERM)


def _choose_machine(config: MachineConfig) -> None:
    """Where networks run from here on. Of several processes the first alone speaks."""
    from sopo.device import state
    from sopo.recipes.machine import choose_machine
    from sopo.training.progress import console

    choose_machine(config)
    if not state().is_main_process:
        console.quiet = True
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115


def _parser(chosen: Entry | None, verb: Verb | None) -> Parser:
    """The command line: every verb with its line of help, the flags of the chosen one."""

    def leaf(entry: Entry) -> Parser:
        parser = Parser(description=entry.help)
        if verb and entry is chosen:
            parser.add_argument("--config", action="config", help="YAML file of the flags below; flags override it")
            verb.prepare(parser)
            if verb.networks:
                add_config(parser, MachineConfig)
        return parser

    def grow(parser: Parser, verbs: Verbs, depth: int = 0) -> None:
        branches = parser.add_subcommands(required=True, dest=LEVELS[depth])
        for name, entry in verbs.items():
            if isinstance(entry, Entry):
                branches.add_subcommand(name, leaf(entry), help=entry.help)
            else:
                branches.add_subcommand(name, branch := Parser(), help=", ".join(entry))
                grow(branch, entry, depth + 1)

    root = Parser(prog="sopo", description="Preference alignment for text-to-motion models.")
    grow(root, VERBS)
    return root


if __name__ == "__main__":
    main()
