"""`sopo film`: generators side by side, a scene a caption, from the same noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sopo.cli.main import main
from sopo.viewer.video import PAUSE

FEW = ["--seconds", "1", "--fps", "10", "--sampling.steps", "1"]


def test_the_same_model_twice_does_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = ["--generator", "shipped/mdm", "shipped/mdm", "--names", "one", "two"]
    main(["film", "a person walks", "someone jumps", *models, *FEW, "--out", str(tmp_path / "film.gif")])
    assert capsys.readouterr().out.strip() == str(tmp_path / "film.gif")
    film = Image.open(tmp_path / "film.gif")
    assert film.n_frames <= 2 * 10 + PAUSE and film.info["duration"] == 100  # equal frames may be joined
    film.seek(film.n_frames - 1)
    picture = np.asarray(film.convert("RGB"))[60:]  # below caption and names
    left, right = np.split(picture, 2, axis=1)
    assert np.array_equal(left, right) and (left < 200).any()


def test_names_are_as_many_as_generators(capsys: pytest.CaptureFixture[str]) -> None:
    for names in (["--names", "one"], []):
        with pytest.raises(SystemExit):
            main(["film", "a person walks", "--generator", "shipped/mdm", "shipped/mdm", *names])
        assert "--names: give 2 different ones" in capsys.readouterr().err
