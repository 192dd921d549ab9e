"""Fixtures that every test may use."""

from pathlib import Path

import pytest
import torch

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that lies beside a development checkout."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared folder with reference data beside this checkout")
    return SHARED
