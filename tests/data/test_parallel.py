"""The map over processes: in order, and its processes say nothing in the command's name."""

from __future__ import annotations

import pytest

from sopo.data.parallel import in_order


@pytest.mark.usefixtures("silence")
def test_results_come_in_order_and_processes_end_in_silence() -> None:
    assert list(in_order(abs, range(-200, 0), workers=2)) == list(range(200, 0, -1))
    with pytest.raises(TypeError):
        list(in_order(abs, ["a"] * 200, workers=2))  # type: ignore[arg-type]
