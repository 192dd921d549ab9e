"""The map over processes: in order, and its processes say nothing in the command's name."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sopo.data.parallel import in_order


def test_results_come_in_order_and_processes_end_in_silence(tmp_path: Path) -> None:
    def told(*_: object) -> None:  # as the command's own, which says how a run goes on
        (tmp_path / "told").touch()
        os._exit(1)

    before = signal.signal(signal.SIGTERM, told)
    try:
        assert list(in_order(abs, range(-200, 0), workers=2)) == list(range(200, 0, -1))
        with pytest.raises(TypeError):
            list(in_order(abs, ["a"] * 200, workers=2))  # type: ignore[arg-type]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not (tmp_path / "told").exists()
