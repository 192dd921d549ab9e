"""What the command imports before it works: nothing heavy to list verbs or to refuse a word."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sopo.cli.main import VERBS, Entry, main
from sopo.cli.parser import Verb

HEAVY = {"torch", "transformers", "scipy", "matplotlib"}


def entries(verbs: Mapping[str, Any] = VERBS, words: tuple[str, ...] = ()) -> Iterator[tuple[list[str], Entry]]:
    for name, entry in verbs.items():
        if isinstance(entry, Entry):
            yield [*words, name], entry
        else:
            yield from entries(entry, (*words, name))


def imported(arguments: list[str]) -> set[str]:
    """Packages that are in memory when ``sopo`` with these arguments ends."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('\\n' + ' '.join({name.split('.')[0] for name in sys.modules})))\n"
        f"from sopo.cli.main import main\nmain({arguments})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["tarin"], []], ids=str)
def test_lists_and_refuses_without_torch(arguments: list[str]) -> None:
    assert not imported(arguments) & HEAVY


@pytest.mark.parametrize(
    ("words", "entry"), entries(), ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_every_verb_is_where_its_entry_says(words: list[str], entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(entry.load(), Verb)
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--help"])
    assert not stopped.value.code and entry.help.split()[0] in capsys.readouterr().out
