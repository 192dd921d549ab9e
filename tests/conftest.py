"""Fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import moving_body
import parity_table
import pytest
import torch

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--parity-table", type=Path, help="write the page of parity errors here")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--parity-table")
    if path and not hasattr(config, "workerinput"):  # one page, also where several processes test
        config.pluginmanager.register(parity_table.ParityTable(path))


@pytest.fixture(autouse=True)
def _parity_rows(request: pytest.FixtureRequest) -> Iterator[None]:
    parity_table.drain()
    yield
    request.node.user_properties += parity_table.drain()


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def float64() -> Iterator[None]:
    """Networks and draws in 64 bits: two orders of one computation then agree far better than any tolerance.

    In 32 bits how well they agree hangs on the CPU, and so may which of two near ties is drawn.
    """
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that lies beside a development checkout."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared folder with reference data beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def make_joints() -> moving_body.MakeJoints:
    """Joints of a body that moves, without any data."""
    return moving_body.make_joints
