"""``sopo train preference-reward``: a reward from people's A/B choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.recipes.settings import ChoicesConfig

GUESSERS = 5  # annotators named, those who guess most


def _prepare(parser: Parser) -> None:
    add_path(
        parser, "--labels", "what `sopo label export` writes, or your own .csv, .jsonl or .parquet (docs/people.md)"
    )
    add_path(parser, "--reward", "folder of the TMR to stand on")
    add_path(parser, "--out", "folder for the reward; its record lies in OUT/run")
    add_config(parser, ChoicesConfig)


def told(result: dict[str, Any]) -> Iterator[str]:
    """What a fit has found, in a line each."""
    for name in ("train", "held_out"):
        if found := result.get(name):
            rival = found["by_tmr_alone"]
            yield (
                f"{name.replace('_', ' ')}: {found['share']:.1%} of {found['choices']} choices foreseen"
                f" ({found['low']:.1%} to {found['high']:.1%}); by TMR alone {rival['share']:.1%}"
                f" ({rival['low']:.1%} to {rival['high']:.1%})"
            )
    for point in result.get("curve", ()):
        yield f"  from {point['answers']} answers: {point['share']:.1%}"
    if calibrated := result.get("calibration"):
        yield f"calibration: {calibrated['expected_calibration_error']:.3f} mean gap between expected and chosen"
    for name, guessed in sorted(result["guessed"].items(), key=lambda entry: -entry[1])[:GUESSERS]:
        yield f"guesses of {name or 'all'}: {guessed:.0%}"


def _run(flags: Namespace) -> None:
    from sopo.recipes.preference_reward import train_preference_reward

    result = train_preference_reward(flags.labels, flags.reward, flags.out, config_from(flags, ChoicesConfig))
    for line in told(result):
        print(line)
    print(f"trained: {flags.out}")


PREFERENCE_REWARD = Verb(_prepare, _run, networks=True)
