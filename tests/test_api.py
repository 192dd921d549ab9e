"""The face: what ``import sopo`` offers, that it is light, and that its examples hold."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sopo
import sopo.api
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = [test for test in doctest.DocTestFinder().find(sopo.api, globs={"sopo": sopo}) if test.examples]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("face")
    make_corpus(folder / "corpus", CorpusConfig(train=8, val=0, test=36))
    return folder


def test_every_name_is_there_and_on_the_page() -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `sopo\.(\w+)", page, re.MULTILINE)) == set(sopo.__all__)
    assert all(getattr(sopo, name).__doc__ for name in sopo.__all__)
    assert set(sopo.__all__) <= set(dir(sopo))
    with pytest.raises(AttributeError, match="no attribute 'algin'"):
        sopo.algin  # noqa: B018


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import sys, sopo; dir(sopo); print(any(name in sys.modules for name in ('torch', 'numpy')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_function_has_an_example() -> None:
    functions = {name for name in sopo.__all__ if not isinstance(getattr(sopo, name), type)}
    assert {test.name.rpartition(".")[2] for test in EXAMPLES} == functions


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda test: test.name)
def test_the_examples_hold(example: doctest.DocTest, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(corpus)
    result = doctest.DocTestRunner(verbose=False).run(example)
    assert result.attempted and not result.failed


def test_ten_lines() -> None:
    """Those of the page and of the README, which tests/test_docs.py runs."""
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("docs/api.md", "README.md")]
    codes = [page.partition("```python\n")[2].partition("```")[0] for page in pages]
    assert codes[0] == codes[1] and len(codes[0].strip().splitlines()) <= 10


def test_what_is_misspelt_is_named(corpus: Path) -> None:
    with pytest.raises(sopo.UserError, match="no setting is called 'stepz'"):
        sopo.align("shipped/mdm", "shipped/reward", corpus / "corpus", corpus / "out", stepz=3)
    with pytest.raises(sopo.UserError, match="no setting is called 'step'"):
        sopo.sample("a person waves", sampling={"step": 3})
    with pytest.raises(sopo.UserError, match="preset 'stabel' is unknown"):
        sopo.align("shipped/mdm", "shipped/reward", corpus / "corpus", corpus / "out", preset="stabel")
