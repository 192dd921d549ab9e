"""Which settings ``sopo align`` starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopo.cli.align import preset_flags


@pytest.mark.parametrize(("generator", "scale"), [("shipped/mdm", 30.0), ("shipped/momask", 10.0), ("gone", 30.0)])
def test_stable_is_that_of_the_generator(generator: str, scale: float) -> None:
    """MoMask's nll is in nats a token; a folder that is none is refused later, where it is loaded."""
    flags = preset_flags(["--generator", generator])
    assert f"--scale={scale}" in flags and ("--noisiest=0.3" in flags) == (generator == "shipped/mdm")


def test_the_learning_rate_is_that_of_the_generator_too() -> None:
    assert "--learning_rate=0.0003" in preset_flags(["--generator", "shipped/mld"])
    assert not any(flag.startswith("--learning_rate") for flag in preset_flags(["--generator", "shipped/mdm"]))


def test_a_named_preset_is_taken_as_it_is() -> None:
    assert "--scale=1.0" in preset_flags(["--generator", "shipped/momask", "--preset", "paper"])


def test_a_config_file_names_them_too(tmp_path: Path) -> None:
    """Flags override the file, as everywhere."""
    config = tmp_path / "align.yaml"
    config.write_text("generator: shipped/momask\n")
    assert "--scale=10.0" in preset_flags(["--config", str(config)])
    assert "--scale=30.0" in preset_flags(["--config", str(config), "--generator", "shipped/mdm"])
    config.write_text("preset: paper\n")
    assert "--scale=1.0" in preset_flags(["--config", str(config)])


@pytest.mark.parametrize("text", ["a: [", "- no mapping", "\x00"])
def test_a_broken_config_file_is_left_to_the_parser(tmp_path: Path, text: str) -> None:
    config = tmp_path / "align.yaml"
    config.write_text(text)
    assert "--scale=30.0" in preset_flags(["--config", str(config)])
