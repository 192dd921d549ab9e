"""What pages tell to type: every command parses, every block runs, and the site builds without a warning.

A block that is not run says why, in a comment above it: <!-- not run: needs AMASS -->. Its commands are parsed still.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import sopo
from sopo.cli.main import VERBS, main, parsed
from sopo.folders import CHECKPOINTS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"(<!-- not run: (?P<why>[^>]+) -->\n+)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"(?:^    .*\n?)+", re.M)
PLAIN = ("mermaid", "text")  # nothing to run in them

# Flags that make a command short; the last of two wins.
TINY_MODEL = ["--width", "8", "--feedforward", "8", "--layers", "1", "--heads", "2", "--text_encoder", "hashed-16"]
SMALL: dict[str, list[str]] = {
    "data make": ["--train", "8", "--val", "0", "--test", "36"],
    "align": ["--steps", "1", "--batch_size", "2", "--rollout.steps", "1"],
    "eval": ["--runs", "1", "--sampling.steps", "1"],
    "film": ["--seconds", "1", "--sampling.steps", "1"],
    "train reward": ["--steps", "1", "--batch_size", "2", *TINY_MODEL],
    "train evaluator": ["--steps", "1", "--batch_size", "2"],
    "train generator mdm": ["--steps", "1", "--batch_size", "2", *TINY_MODEL],
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. why: it is not run, where the page says so."""

    page: str
    line: int
    language: str
    code: str
    why: str

    def commands(self) -> list[list[str]]:
        """The words of each ``sopo`` command in it; of others nothing, but see ``others``."""
        return [words[1:] for words in _lines(self.code) if words[0] == "sopo"]

    def others(self) -> list[str]:
        return [words[0] for words in _lines(self.code) if words[0] != "sopo"]


def _lines(code: str) -> Iterator[list[str]]:
    """Commands of a shell, as words: lines joined, comments and settings of variables off, variables filled in."""
    variables: dict[str, str] = {}
    for line in code.replace("\\\n", " ").splitlines():
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
        if words[:4] == ["accelerate", "launch", "-m", "sopo.cli.main"]:
            words = ["sopo", *words[4:]]
        if words:
            yield words


def _blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text[: match.start("language")].count("\n") + 1
            name = str(page.relative_to(ROOT))
            found.append(Block(name, line, match["language"], match["code"], (match["why"] or "").strip()))
    return found


BLOCKS = _blocks()


def _name(block: Block) -> str:
    return f"{block.page}:{block.line}"


def _indented() -> list[Block]:
    found = []
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        found += [Block(str(page.relative_to(ROOT)), 0, "sh", code, "") for code in INDENTED.findall(text)]
    return [block for block in found if re.search(r"^    sopo ", block.code, re.M)]


@pytest.mark.parametrize("block", [*(b for b in BLOCKS if b.language == "sh"), *_indented()], ids=_name)
def test_commands_of_blocks_parse(block: Block) -> None:
    for words in block.commands():
        if "..." not in words:
            parsed(words)


@cache
def _flags(verb: tuple[str, ...]) -> set[str]:
    """Every flag of a verb."""
    told = io.StringIO()
    with redirect_stdout(told), suppress(SystemExit):
        parsed([*verb, "--help"])
    return set(re.findall(r"--[\w.]+", told.getvalue()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_exist(page: Path) -> None:
    """Verbs and flags of what stands in backticks, whole commands or not."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for command in sorted(set(re.findall(r"`sopo ([a-z][^`]*)`", text))):
        words = re.sub(r"\\\|\S+", "", command).replace('"..."', "x").split()
        verbs: Any = VERBS
        named = 0
        while isinstance(verbs, dict) and named < len(words) and words[named] in verbs:
            verbs, named = verbs[words[named]], named + 1
        assert named, f"{page.name}: `sopo {command}`: there is no such command"
        flags = {word.partition("=")[0] for word in words[named:] if word.startswith("--")}
        if flags:
            assert not isinstance(verbs, dict), f"{page.name}: `sopo {command}`: no such command"
            assert flags <= _flags(tuple(words[:named])), f"{page.name}: `sopo {command}`"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pages take for granted: data, a folder of motion files, aligned models."""
    folder = tmp_path_factory.mktemp("inputs")
    main(["data", "make", "--out", str(folder / "corpus"), *SMALL["data make"]])
    formats = ["--formats", "bvh", "--split", "train", "--out", str(folder / "motions")]
    main(["data", "export", str(folder / "corpus"), *formats])
    for name in ("runs/aligned", "runs/quickstart/aligned"):
        shutil.copytree(CHECKPOINTS / "mdm", folder / name)
    for example in (ROOT / "examples").glob("*.py"):
        shutil.copy(example, folder)
    return folder


@pytest.fixture
def sandbox(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in; ``provide`` brings what a block takes for granted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(webbrowser, "open", lambda *_: True)
    return tmp_path


def provide(inputs: Path, sandbox: Path, code: str) -> None:
    for name in ("corpus", "motions", "runs/aligned", "runs/quickstart/aligned"):
        made_by_it = re.search(rf"--out {re.escape(name)}(\s|$)", code)
        if re.search(rf"\b{re.escape(name)}\b", code) and not made_by_it:
            shutil.copytree(inputs / name, sandbox / name)
    for example in inputs.glob("*.py"):
        shutil.copy(example, sandbox)


RUN = [block for block in BLOCKS if block.language == "sh" and not block.why]


@pytest.mark.slow
@pytest.mark.parametrize("block", RUN, ids=_name)
def test_commands_run(block: Block, inputs: Path, sandbox: Path) -> None:
    assert not block.others(), f"{_name(block)}: no test runs {block.others()}; say why above it"
    provide(inputs, sandbox, block.code)
    for words in block.commands():
        verb = next((verb for verb in SMALL if " ".join(words).startswith(verb)), None)
        main([*words, *(SMALL[verb] if verb else [])])
    sys.modules.pop("own_generator", None)


def _once(blocks: list[Block]) -> list[Block]:
    return list({block.code: block for block in blocks}.values())


@pytest.mark.slow
@pytest.mark.parametrize("block", _once([b for b in BLOCKS if b.language == "python" and not b.why]), ids=_name)
def test_python_runs(block: Block, inputs: Path, sandbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a smaller size."""
    align, evaluate = sopo.align, sopo.evaluate
    tiny: dict[str, Any] = {"steps": 1, "batch_size": 2, "rollout": {"steps": 1}}
    few: dict[str, Any] = {"runs": 1, "sampling": {"steps": 1}}
    monkeypatch.setattr(sopo, "align", lambda *given, **named: align(*given, **named | tiny), raising=False)
    monkeypatch.setattr(sopo, "evaluate", lambda *given, **named: evaluate(*given, **named | few), raising=False)
    provide(inputs, sandbox, 'load_data("corpus")')
    exec(compile(block.code, _name(block), "exec"), {})


@pytest.mark.parametrize("block", BLOCKS, ids=_name)
def test_each_block_is_of_a_known_kind(block: Block) -> None:
    assert block.language in ("sh", "python", "json", *PLAIN), f"{_name(block)}: nothing tries {block.language}"
    if block.language == "json":
        json.loads(block.code)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    asked = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    quiet = {"NO_MKDOCS_2_WARNING": "1"}  # of what comes after MkDocs 1
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | quiet)
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert "before-after.gif" in home and (tmp_path / "site/images/before-after.gif").is_file()
    reference = (tmp_path / "site/reference.html").read_text(encoding="utf-8")
    assert all(f'id="sopo.{name}"' in reference for name in sopo.__all__)
