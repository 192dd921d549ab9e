"""KIT-ML's captions on AMASS's motions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_release import lists, write_archives, write_bodies
from synthetic_smpl import motion_arrays

from sopo.cli.main import main
from sopo.data.layout import MotionFolder
from sopo.data.official.kit import plan_kit
from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, KIT

SECONDS = 4.0


def entry(path: str, *texts: str, end: float = SECONDS) -> dict[str, Any]:
    annotations = [{"seg_id": "x", "text": text, "start": 0.0, "end": end} for text in texts]
    return {"path": path, "duration": SECONDS, "annotations": annotations}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kit")
    entries = {
        "00001": entry("KIT/4/Walk01_poses", "A person walks left.", "Somebody walks."),
        "M00001": entry("M/KIT/4/Walk01_poses", "A person walks right.", "Somebody walks."),
        "00002": entry("CMU/01/01_01_poses", "A human kicks with his left foot.", end=2.5),
        "00003": entry("EKUT/125/SLP101_poses", "A human jumps."),
    }
    write_archives(
        root / "amass",
        {
            "KIT/4/Walk01_poses": motion_arrays(400, 100.0, 1),
            "CMU/01/01_01_poses": motion_arrays(480, 120.0, 2, gender=np.array("female")),
            "EKUT/125/SLP101_poses": motion_arrays(400, 100.0, 3),
        },
    )
    write_bodies(root / "bodies")
    (root / "splits").mkdir()
    (root / "annotations.json").write_text(json.dumps(entries))
    for name, ids in lists(["00001", "00002", "00003"]).items():
        (root / "splits" / f"{name}.txt").write_text("\n".join(ids))
    return root


@pytest.mark.parametrize("skeleton", [KIT, HUMANML3D])
def test_both_layouts(inputs: Path, tmp_path: Path, skeleton, capsys) -> None:
    flags = ("--amass", "amass", "--body_model", "bodies", "--annotations", ".")
    words = [word if word.startswith("--") else str(inputs / word) for word in flags]
    main(["data", "kit", *words, "--out", str(tmp_path / "out"), "--skeleton", skeleton.name, "--processes", "1"])
    assert "6 of 6 motions (2 train, 2 val, 2 test)" in capsys.readouterr().out
    folder = MotionFolder(tmp_path / "out")
    assert folder.skeleton is skeleton
    for key in ("00001", "M00001", "00002", "M00003"):
        features = folder.features(key)
        assert features.shape == (int(SECONDS * skeleton.fps) - 1, skeleton.num_features)
        assert 0.7 < features[:, 3].mean() * skeleton.metres_per_unit < 1.3
    captions = {key: [line.caption.text for line in folder.captions(key)] for key in ("00001", "M00001", "M00002")}
    assert captions["00001"] == ["A person walks left.", "Somebody walks."]
    assert captions["M00001"] == ["A person walks right.", "Somebody walks."]
    assert captions["M00002"] == ["A human kicks with his right foot."]  # told by nobody, so mirrored here
    assert folder.captions("00001")[0].whole and folder.captions("00001")[0].caption.tokens
    assert (folder.captions("M00002")[0].start_s, folder.captions("M00002")[0].end_s) == (0.0, 2.5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "expected an object"),
        ("{", "not readable as JSON"),
        ('{"00001": 3}', "entry '00001' has no path, duration and annotations"),
        ('{"00001": {"path": "a", "duration": 1, "annotations": [{"text": 3}]}}', "entry '00001' has no path"),
    ],
)
def test_annotations_that_are_none(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "annotations.json").write_text(content)
    with pytest.raises(UserError, match=said):
        plan_kit(tmp_path, KIT)


def test_the_published_annotations(shared: Path) -> None:
    plan = plan_kit(shared / "texts" / "kitml", KIT)
    assert len(plan.cuts) == 2883 and len(plan.lists["all"]) == 5766
    assert set(plan.lists["all"]) == set(plan.captions) and len({cut.key for cut in plan.cuts}) == 2883
