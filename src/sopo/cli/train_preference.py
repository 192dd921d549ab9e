"""``sopo train preference-reward``: a reward from people's A/B choices."""

from __future__ import annotations

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.recipes.settings import ChoicesConfig


def _prepare(parser: Parser) -> None:
    add_path(
        parser, "--labels", "what `sopo label export` writes, or your own .csv, .jsonl or .parquet (docs/people.md)"
    )
    add_path(parser, "--reward", "folder of the TMR to stand on")
    add_path(parser, "--out", "folder for the reward; its record lies in OUT/run")
    add_config(parser, ChoicesConfig)


def _run(flags: Namespace) -> None:
    from sopo.recipes.preference_reward import train_preference_reward

    accuracy = train_preference_reward(flags.labels, flags.reward, flags.out, config_from(flags, ChoicesConfig))
    print(", ".join(f"{name.replace('_', ' ')} {share:.1%}" for name, share in accuracy.items()))
    print(f"trained: {flags.out}")


PREFERENCE_REWARD = Verb(_prepare, _run)
