import json
from pathlib import Path
from typing import Any

import pytest

from sopo.data.importers.mapping import Given, choose, read_mapping, written
from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D

PLAIN: dict[str, Any] = {joint: f"my {joint}" for joint in HUMANML3D.joints}


def _read(tmp_path: Path, content: object) -> list[Given]:
    path = tmp_path / "mapping.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_mapping(path)


def test_one_joint_a_mean_shares_and_the_sole(tmp_path: Path) -> None:
    (given,) = _read(
        tmp_path, {**PLAIN, "spine1": ["a", "b"], "spine2": {"a": 0.2, "b": 0.8}, "left_foot": [], "right_foot": []}
    )
    assert given.joints["head"] == {"my head": 1.0} and given.joints["spine1"] == {"a": 0.5, "b": 0.5}
    assert given.joints["spine2"] == {"a": 0.2, "b": 0.8} and given.joints["left_foot"] == {}
    assert given == Given(given.joints) and given.fits([*PLAIN.values(), "a", "b"]) and not given.fits(["a", "b"])
    assert _read(tmp_path, {"skeletons": [{"joints": written(given.joints)}]}) == [given]


def test_the_skeleton_that_lists_a_clip_comes_before_the_first_that_fits(tmp_path: Path) -> None:
    entries = [{"joints": PLAIN}, {"joints": PLAIN, "clips": ["a"], "up": "-z", "unit": 0.01, "mirrored": True}]
    first, second = _read(tmp_path, {"skeletons": entries})
    names = list(PLAIN.values())
    assert choose([first, second], "a", names) is second and choose([first, second], "b", names) is first
    assert (second.up, second.unit, second.mirrored) == ("-z", 0.01, True)
    assert choose([first, second], "a", names[1:]) is None


def test_skeletons_left_blank_are_left_out(tmp_path: Path) -> None:
    blank = {"joints": dict.fromkeys(PLAIN), "names": ["x"], "refused": "no legs", "clips": ["a"]}
    assert len(_read(tmp_path, {"skeletons": [blank, {"joints": PLAIN}]})) == 1
    with pytest.raises(UserError, match="'left_hip' must name"):
        _read(tmp_path, {"skeletons": [{"joints": {**dict.fromkeys(PLAIN), "pelvis": "Hips"}}]})


BAD = {
    "not readable": "[",
    "expected an object": [],
    "missing or unknown joints head": {joint: name for joint, name in PLAIN.items() if joint != "head"},
    "'pelvis' must name": {**PLAIN, "pelvis": []},
    "'head' must name": {**PLAIN, "head": {"a": 0.5, "b": 0.4}},
    "must be a list of objects": {"skeletons": ["a"]},
    "a skeleton needs 'joints'": {"skeletons": [{"up": "y"}]},
    "'up' is 'Y'": {"skeletons": [{"joints": PLAIN, "up": "Y"}]},
    "'unit' is 0": {"skeletons": [{"joints": PLAIN, "unit": 0}]},
    "'mirrored' is 1.5": {"skeletons": [{"joints": PLAIN, "mirrored": 1.5}]},
    "'clips' must be": {"skeletons": [{"joints": PLAIN, "clips": "a"}]},
    "unknown entry 'scale'": {"skeletons": [{"joints": PLAIN, "scale": 1}]},
}


@pytest.mark.parametrize("message", BAD)
def test_what_is_wrong_is_said(tmp_path: Path, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("'", ".")):
        _read(tmp_path, BAD[message])
