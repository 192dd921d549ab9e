"""Studies and servers for the tests of pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from small_study import MakeStudy, Server, small_study


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """``small_study`` in a folder of its own."""
    return partial(small_study, tmp_path / "study")


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers, and ends them."""
    running: list[Server] = []

    def start(*arguments: str, port: int = 0) -> Server:
        running.append(Server(*arguments, port=port))
        return running[-1]

    yield start
    for server in running:
        server.kill()
