"""Which settings ``sopo align`` starts from."""

from __future__ import annotations

import pytest

from sopo.cli.align import preset_flags


@pytest.mark.parametrize(("generator", "scale"), [("shipped/mdm", 300.0), ("shipped/momask", 20.0), ("gone", 300.0)])
def test_stable_has_the_scale_of_the_generator(generator: str, scale: float) -> None:
    """MoMask's nll is in nats a token; a folder that is none is refused later, where it is loaded."""
    assert f"--scale={scale}" in preset_flags(["--generator", generator])


def test_a_named_preset_is_taken_as_it_is() -> None:
    assert "--scale=1.0" in preset_flags(["--generator", "shipped/momask", "--preset", "paper"])
