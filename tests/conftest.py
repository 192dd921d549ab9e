"""Fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import moving_body
import parity_table
import pytest
import torch
from recordings import Recordings, variants

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--parity", type=Path, default=SHARED / "parity", help="folder of recordings of published code")
    parser.addoption("--parity-table", type=Path, help="write the page of parity errors here")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "recordings(argument, pattern, expected): a test for each (recordings.each)")
    given = config.getoption("--parity")
    if given != SHARED / "parity" and not given.is_dir():
        raise pytest.UsageError(f"--parity {given}: no such folder")
    path = config.getoption("--parity-table")
    if path and not hasattr(config, "workerinput"):  # one page, also where several processes test
        config.pluginmanager.register(parity_table.ParityTable(path))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for mark in metafunc.definition.iter_markers("recordings"):
        argument, pattern, expected = mark.args
        found = variants(Recordings(metafunc.config.getoption("--parity")), pattern, expected)
        metafunc.parametrize(argument, found)


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
def recordings(request: pytest.FixtureRequest) -> Recordings:
    """What published code gave on small inputs: ../shared/parity, or the folder that --parity names."""
    folder = request.config.getoption("--parity")
    if not folder.is_dir():
        pytest.skip("no ../shared/parity with recordings beside this checkout; --parity DIR names another")
    return Recordings(folder)


@pytest.fixture(scope="session")
def make_joints() -> moving_body.MakeJoints:
    """Joints of a body that moves, without any data."""
    return moving_body.make_joints
