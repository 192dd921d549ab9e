"""What is kept beside results."""

from __future__ import annotations

import shutil

import pytest

from sopo.recipes.record import PACKAGES, environment


def test_the_environment_is_told_with_and_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment()["packages"].keys() == set(PACKAGES)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert environment()["commit"] is None
