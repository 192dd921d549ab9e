"""What the command imports before it works: nothing heavy to list verbs and flags or to refuse a word."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sopo.cli.main import VERBS, Entry, main
from sopo.cli.parser import Verb

HEAVY = {"torch", "transformers", "scipy", "matplotlib", "accelerate", "pyarrow", "PIL"}


def entries(verbs: Mapping[str, Any] = VERBS, words: tuple[str, ...] = ()) -> Iterator[tuple[list[str], Entry]]:
    for name, entry in verbs.items():
        if isinstance(entry, Entry):
            yield [*words, name], entry
        else:
            yield from entries(entry, (*words, name))


SCRIPT = """
import contextlib, sys
from sopo.cli.main import main
for arguments in COMMANDS:
    with contextlib.suppress(SystemExit):
        main(arguments)
    print("imported:", *arguments, "|", *{name.split(".")[0] for name in sys.modules} & HEAVY)
"""


def test_lists_and_refuses_without_torch() -> None:
    """All in one process: what a verb imports, the lines behind it show too."""
    commands = [[], ["tarin"], ["align", "--stepz", "3"], ["align", "--K", "many"], ["--help"], ["train", "--help"]]
    commands += [[*words, "--help"] for words, _ in entries()]
    code = SCRIPT.replace("COMMANDS", repr(commands)).replace("HEAVY", repr(HEAVY))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("imported:")]
    assert len(lines) == len(commands)
    assert not [line for line in lines if line.partition("|")[2].strip()]


def test_sample_imports_nothing_that_takes_longer_than_the_model(tmp_path: Path) -> None:
    """matplotlib for a film, or torch._dynamo for a rotation, would double its time."""
    code = (
        "import sys\nfrom sopo.cli.main import main\n"
        f"main(['sample', 'a person waves', '--seconds', '1', '--sampling.steps', '1', '--out', {str(tmp_path)!r}])\n"
        "print({'matplotlib', 'torch._dynamo', 'pandas', 'pygltflib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".bvh", ".gif", ".json"}


@pytest.mark.parametrize(
    ("words", "entry"), entries(), ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_every_verb_is_where_its_entry_says(words: list[str], entry: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(entry.load(), Verb)
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--help"])
    assert not stopped.value.code and entry.help.split()[0] in capsys.readouterr().out
