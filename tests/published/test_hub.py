"""Names on the Hugging Face hub: fetched where there is a network, one line where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from sopo.errors import UserError
from sopo.matching.settings import TMRConfig
from sopo.matching.tmr import TMR
from sopo.recipes.build import load_matcher


def test_a_model_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = TMR(TMRConfig(text_encoder="hashed-16", width=16, feedforward=32)).save_pretrained(tmp_path / "cache")
    asked: list[str] = []

    def download(name: str, **_: Any) -> str:
        asked.append(name)
        return str(saved)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    assert load_matcher("org/tmr-small").config.width == 16
    assert asked == ["org/tmr-small"] * 2  # once for its kind; the second time it lies in the cache


def test_no_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(name: str, **_: Any) -> str:
        raise ConnectionError("no route to host\nand a long story")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^org/name: no such folder.*no route to host\)$"):
        TMR.from_pretrained("org/name")


def test_paths_ask_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the hub"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for path in ("runs/mistyped", "gone", "./a/b", str(tmp_path / "x"), "a/b/c"):
        with pytest.raises(UserError, match=r"no config\.json"):
            TMR.from_pretrained(path)
