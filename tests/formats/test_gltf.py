"""glTF and GLB: joints that move, as the file's keys say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gltf_samples import Sample
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation, Slerp

from sopo.errors import UserError
from sopo.formats.gltf import read_gltf

TURN = (0.0, 0.0, np.sin(np.pi / 4), np.cos(np.pi / 4))  # a quarter about Z
STILL = (0.0, 0.0, 0.0, 1.0)


def _arm() -> Sample:
    """An armature in centimetres, Z up, with a skin: hips, spine, head, a prop in hand, a leaf outside of the skin."""
    nodes: list[dict[str, Any]] = [
        {"name": "Armature", "children": [1], "scale": [0.01] * 3, "rotation": [-np.sqrt(0.5), 0, 0, np.sqrt(0.5)]},
        {"name": "Hips", "children": [2], "translation": [0, 0, 100]},
        {"name": "Spine", "children": [3, 4, 5], "translation": [0, 0, 20]},
        {"name": "Head", "translation": [0, 0, 40]},
        {"name": "Sword", "mesh": 0, "translation": [0, 90, 0]},
        {"name": "Tip", "translation": [10, 0, 0]},
    ]
    sample = Sample(nodes, skin=[1, 2, 3])
    sample.json["meshes"] = [{"primitives": []}]
    times = np.arange(3) / 30
    sample.animation({
        (1, "translation"): (times, [(0, 0, 100), (3, 0, 100), (6, 0, 100)], "LINEAR"),
        (2, "rotation"): (times[::2], [STILL, TURN], "LINEAR"),
    })  # fmt: skip
    return sample


@pytest.mark.parametrize("name", ["arm.glb", "arm.gltf", "beside.gltf"])
def test_a_skins_joints_in_metres(tmp_path: Path, name: str) -> None:
    sample = _arm()
    (tmp_path / "its data.bin").write_bytes(sample.data)
    clip = read_gltf(sample.write(tmp_path / name, "its%20data.bin" if name.startswith("beside") else None))
    assert clip.names == ("Hips", "Spine", "Head", "Tip") and clip.parents == (-1, 0, 1, 1)
    assert (clip.fps, clip.unit, clip.up, clip.notes) == (30, 1.0, "y", ())
    # The armature turns its Z to our Y; the spine turns about its own Z by 45 degrees a frame.
    side = np.sqrt(0.5) / 10
    expected = [
        [(0, 1, 0), (0, 1.2, 0), (0, 1.6, 0), (0.1, 1.2, 0)],
        [(0.03, 1, 0), (0.03, 1.2, 0), (0.03, 1.6, 0), (0.03 + side, 1.2, -side)],
        [(0.06, 1, 0), (0.06, 1.2, 0), (0.06, 1.6, 0), (0.06, 1.2, -0.1)],
    ]
    assert_allclose(clip.positions, expected, atol=1e-7)


def test_without_a_skin_all_below_what_moves(tmp_path: Path) -> None:
    sample = _arm()
    del sample.json["skins"]
    clip = read_gltf(sample.write(tmp_path / "arm.glb"))
    assert clip.names == ("Hips", "Spine", "Head", "Sword", "Tip") and clip.parents == (-1, 0, 1, 1, 1)


def _one(tracks: dict[str, tuple[Any, Any, str]]) -> Sample:
    sample = Sample([{"name": "a", "children": [1]}, {"translation": [1, 0, 0]}])
    sample.animation({(0, which): track for which, track in tracks.items()})
    return sample


def test_between_keys(tmp_path: Path) -> None:
    times = [0.0, 0.4, 1.0]
    turns = Rotation.from_euler("xyz", [(0, 0, 0), (70, 20, -50), (10, 200, 30)], degrees=True)
    quaternions = turns.as_quat() * [[1], [-1], [1]]  # signs do not matter
    clip = read_gltf(_one({"rotation": (times, quaternions, "LINEAR")}).write(tmp_path / "a.glb"))
    assert clip.fps == 20 and len(clip.positions) == 21 and clip.names == ("a", "node 1")
    expected = Slerp(times, turns)(np.arange(21) / 20).apply((1, 0, 0))
    assert_allclose(clip.positions[:, 1], expected, atol=1e-6)

    steps = read_gltf(_one({"translation": (times, np.eye(3), "STEP")}).write(tmp_path / "a.glb"))
    assert_allclose(steps.positions[:, 0], np.eye(3)[[0] * 8 + [1] * 12 + [2]])

    # A parabola has its slope at both ends, so a cubic spline meets it everywhere.
    at = np.array(times)[:, None, None]
    slope = np.concatenate([2 * at, at**2 / 2 * 2, 2 * at], axis=1) * (1, 0, 0)
    slope[:, 1] = at[:, 0] ** 2 * (1, 0, 0)
    cubic = read_gltf(_one({"translation": (times, slope.reshape(-1, 3), "CUBICSPLINE")}).write(tmp_path / "a.glb"))
    assert_allclose(cubic.positions[:, 0, 0], (np.arange(21) / 20) ** 2, atol=1e-6)


@pytest.mark.parametrize(
    ("times", "fps", "frames"),
    [
        (np.arange(10) / 24 + 1 / 24, 24, 10),
        (np.arange(300) / 30, 30, 300),
        (np.arange(600) * 1.001 / 60, 60 / 1.001, 600),
        (np.arange(5) / 10, 20, 9),
        ([0, 0.5, 3 / 30, 1.0], 20, 21),
        ([0.0, 7 / 30, 8 / 30, 2.0], 30, 61),
        ([0.0], 20, 1),
        ([0.0, 0.12345, 0.19876, 0.5171], 60, 32),
    ],
)
def test_the_rate_is_that_of_the_keys(tmp_path: Path, times: Any, fps: float, frames: int) -> None:
    times = np.sort(times)
    clip = read_gltf(_one({"scale": (times, np.ones((len(times), 3)), "LINEAR")}).write(tmp_path / "a.glb"))
    assert clip.fps == pytest.approx(fps) and len(clip.positions) == frames
    assert bool(clip.notes) == (len(times) == 4 and times[1] == 0.12345)


def test_the_longest_animation_is_taken_and_said(tmp_path: Path) -> None:
    sample = _one({"translation": ([0, 1], [(0, 0, 0), (1, 0, 0)], "LINEAR")})
    sample.animation({(0, "translation"): ([0, 2], [(0, 5, 0), (1, 5, 0)], "LINEAR")}, name="dance")
    clip = read_gltf(sample.write(tmp_path / "a.glb"))
    assert clip.positions[0, 0, 1] == 5 and "2 animations; the longest is taken, 'dance' of 2.0 s" in clip.notes[0]


def test_all_kinds_of_arrays(tmp_path: Path) -> None:
    times = [0, 0.05]
    sample = _one({"rotation": (times, [STILL, TURN], "LINEAR")})
    sampler = sample.json["animations"][0]["samplers"][0]
    for kind, most in (("i1", 127), ("u1", 255), ("i2", 32767), ("u2", 65535)):
        sampler["output"] = sample.accessor(np.round(np.array([STILL, TURN]) * most), kind, normalized=True)
        clip = read_gltf(sample.write(tmp_path / "a.glb"))
        assert_allclose(clip.positions[1, 1], (0, 1, 0), atol=2 / most)
    padded = np.zeros((2, 6), "<f4")
    padded[:, 1:5] = [STILL, TURN]
    sampler["output"] = sample.accessor(padded.reshape(-1, 1), type="VEC4", count=2, byteOffset=4)
    sample.json["bufferViews"][-1]["byteStride"] = 24
    assert_allclose(read_gltf(sample.write(tmp_path / "a.glb")).positions[1, 1], (0, 1, 0), atol=1e-7)

    sparse = {
        "count": 1,
        "indices": {"bufferView": sample.view(b"\1"), "componentType": 5121},
        "values": {"bufferView": sample.view(np.array([7, 0, 0], "<f4").tobytes())},
    }
    sample.json["accessors"].append({"componentType": 5126, "type": "VEC3", "count": 2, "sparse": sparse})
    sampler["output"] = len(sample.json["accessors"]) - 1
    sample.json["animations"][0]["channels"][0]["target"]["path"] = "translation"
    assert_allclose(read_gltf(sample.write(tmp_path / "a.glb")).positions[:, 0, 0], (0, 7))


Damage = Callable[[dict[str, Any]], Any]
HOSTILE: dict[str, tuple[Damage, str]] = {
    "no animation": (lambda gltf: gltf["animations"].clear(), "no animation in it moves a node"),
    "a huge count": (lambda gltf: gltf["accessors"][0].update(count=10**12), "do not fit a buffer view"),
    "huge zeros": (
        lambda gltf: (gltf["accessors"][0].pop("bufferView"), gltf["accessors"][0].update(count=10**12)),
        "zeros is larger than the file",
    ),
    "a negative count": (lambda gltf: gltf["accessors"][0].update(count=-1), "'count' is -1"),
    "a huge offset": (lambda gltf: gltf["bufferViews"][0].update(byteOffset=2**70), "do not fit a buffer view"),
    "overlapping": (lambda gltf: gltf["bufferViews"][0].update(byteStride=1), "do not fit"),
    "an accessor outside": (lambda gltf: gltf["animations"][0]["samplers"][0].update(input=99), "no accessors 99"),
    "no such node": (lambda gltf: gltf["animations"][0]["channels"][0]["target"].update(node=99), "no nodes 99"),
    "a circle": (lambda gltf: gltf["nodes"][3].update(children=[1]), "hangs on two|in a circle"),
    "a circle apart": (lambda gltf: (gltf["nodes"][0].clear(), gltf["nodes"][3].update(children=[1])), "circle"),
    "a child outside": (lambda gltf: gltf["nodes"][3].update(children=[99]), "no list of numbers below 6"),
    "words for numbers": (lambda gltf: gltf["nodes"][3].update(translation=["a", 0, 0]), "no list of numbers"),
    "not finite": (lambda gltf: gltf["nodes"][3].update(translation=[float("nan"), 0, 0]), "plausible size"),
    "far away": (lambda gltf: gltf["nodes"][0].update(scale=[1e6] * 3), "farther than any body"),
    "nodes of another kind": (lambda gltf: gltf.update(nodes=5), "no list of objects"),
    "a list for an object": (lambda gltf: gltf["accessors"].__setitem__(0, []), "accessors 0 is no object"),
    "a type of no sense": (lambda gltf: gltf["accessors"][0].update(type=["VEC3"]), "moves nothing"),
    "a buffer too short": (lambda gltf: gltf["buffers"][0].update(byteLength=10**9), "truncated"),
    "a skin of none": (lambda gltf: gltf["skins"][0].clear(), "a skin has no joints"),
    "meshopt": (lambda gltf: gltf["bufferViews"][0].update(extensions={"EXT_meshopt_compression": {}}), "meshopt"),
    "fewer values": (lambda gltf: gltf["accessors"][0].update(count=2), "3 keys of a translation|have values"),
    "a matrix that moves": (lambda gltf: gltf["nodes"][1].update(matrix=list(np.eye(4).ravel())), "fixed matrix"),
    "no turn": (lambda gltf: gltf["nodes"][3].update(rotation=[0, 0, 0, 0]), "no quaternion"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("suffix", ["glb", "gltf"])
def test_what_contradicts_itself_is_one_line(tmp_path: Path, name: str, suffix: str) -> None:
    damage, message = HOSTILE[name]
    with pytest.raises(UserError, match=message) as caught:
        read_gltf(_arm().write(tmp_path / f"arm.{suffix}", damage=damage))
    assert f"arm.{suffix}: " in str(caught.value) and "\n" not in str(caught.value)


def test_hours_between_two_keys_are_refused(tmp_path: Path) -> None:
    sample = _one({"scale": ([0, 1e9], np.ones((2, 3)), "LINEAR")})
    with pytest.raises(UserError, match="more than a file of"):
        read_gltf(sample.write(tmp_path / "a.glb"))


@pytest.mark.parametrize(
    "uri", ["../secret.bin", "/etc/hostname", "file:///etc/hostname", "http://example.org/a.bin", "%2e%2e/secret.bin"]
)
def test_buffers_outside_of_the_folder_stay_closed(tmp_path: Path, uri: str) -> None:
    sample = _arm()
    (tmp_path / "secret.bin").write_bytes(sample.data)
    (tmp_path / "inside").mkdir()
    with pytest.raises(UserError, match="not in its folder"):
        read_gltf(sample.write(tmp_path / "inside" / "arm.gltf", uri))


def test_truncated_files_are_one_line(tmp_path: Path) -> None:
    raw = _arm().write(tmp_path / "arm.glb").read_bytes()
    for length in range(0, len(raw), 37):
        (tmp_path / "cut.glb").write_bytes(raw[:length])
        with pytest.raises(UserError) as caught:
            read_gltf(tmp_path / "cut.glb")
        assert "\n" not in str(caught.value)
    (tmp_path / "deep.gltf").write_text("[" * 100_000)
    with pytest.raises(UserError, match="nests too deep"):
        read_gltf(tmp_path / "deep.gltf")


def test_independent_readers_agree(tmp_path: Path) -> None:
    pygltflib = pytest.importorskip("pygltflib")
    trimesh = pytest.importorskip("trimesh")
    path = _arm().write(tmp_path / "arm.glb")
    document = pygltflib.GLTF2().load(str(path))
    document.save(str(tmp_path / "saved.glb"))
    clip = read_gltf(tmp_path / "saved.glb")
    assert_allclose(clip.positions, read_gltf(path).positions)
    graph = trimesh.load_scene(path).graph
    for name, place in zip(clip.names, clip.positions[0], strict=True):  # the first frame is the pose of the nodes
        assert_allclose(graph.get(name)[0][:3, 3], place, atol=1e-7)
    assert json.loads(document.to_json())["animations"][0]["name"] == "walk"
