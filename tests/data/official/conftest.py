"""A small release, made once, and how to build from it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_release import Release, write_release

from sopo.data.official.amass import Motions
from sopo.data.official.build import Built, build
from sopo.data.official.humanml3d import plan_humanml3d
from sopo.data.official.settings import BuildConfig

Build = Callable[..., Built]


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return write_release(tmp_path_factory.mktemp("release"))


@pytest.fixture
def build_from() -> Build:
    """``sopo data humanml3d``, in this process."""

    def build_(release: Release, out: Path, amass: Path | None = None, report=lambda *_: None, **settings) -> Built:
        sources = [Motions(release.checkout / "pose_data", ".npy"), Motions(amass or release.amass)]
        config = BuildConfig(**({"processes": 1} | settings))
        return build(plan_humanml3d(release.checkout), sources, release.bodies, out, config, report)

    return build_
