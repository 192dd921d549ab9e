"""The recorded manifests, and ``sopo convert`` as a user who made a mistake meets it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sopo.cli.main import main


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def manifest(shared: Path) -> Callable[[str], Any]:
    """A recorded list of keys and shapes by its path in the parity folder."""
    return lambda name: json.loads((shared / "parity" / name).read_text())


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs ``sopo convert`` on bad input: exit code 2, one line, which is returned, and nothing written."""

    def run(system: str, path: Path, out: Path, *flags: str) -> str:
        before = sorted(out.parent.iterdir())
        with pytest.raises(SystemExit) as stopped:
            main(["convert", system, str(path), str(out), *flags])
        assert stopped.value.code == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("sopo: "), lines
        assert sorted(out.parent.iterdir()) == before
        return lines[0]

    return run
