"""GLB: other programs find the joints, the mesh and the motion that were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pygltflib
import pytest
import trimesh
from numpy.testing import assert_allclose

from sopo.errors import UserError
from sopo.formats.gltf_write import STRAY_M, write_glb
from sopo.formats.stick_body import SKULL_M, STICK_M
from sopo.motion.encode import uniform_skeleton
from sopo.motion.skeleton import HUMANML3D, SKELETONS, Skeleton

EVERY = pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)
NUMBERS = {pygltflib.FLOAT: "<f4", pygltflib.UNSIGNED_BYTE: "u1", pygltflib.UNSIGNED_SHORT: "<u2"}
COLUMNS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Scene:
    """A GLB as pygltflib loads it; node matrices by trimesh."""

    def __init__(self, path: Path) -> None:
        self.gltf = pygltflib.GLTF2().load(path)
        self.blob = self.gltf.binary_blob()
        self.skin = self.gltf.skins[0]
        self.names = [self.gltf.nodes[node].name for node in self.skin.joints]

    def array(self, number: int) -> np.ndarray:
        accessor = self.gltf.accessors[number]
        view = self.gltf.bufferViews[accessor.bufferView]
        raw = self.blob[view.byteOffset : view.byteOffset + view.byteLength]
        return np.frombuffer(raw, NUMBERS[accessor.componentType]).reshape(accessor.count, COLUMNS[accessor.type])

    def frames(self, frame: int | None) -> np.ndarray:
        """World matrices of the skin's joints [J, 4, 4], in a frame of the animation or, None, at rest."""
        nodes = [(node.translation or (0, 0, 0), node.rotation or (0, 0, 0, 1)) for node in self.gltf.nodes]
        if frame is not None:
            for channel in self.gltf.animations[0].channels:
                values = self.array(self.gltf.animations[0].samplers[channel.sampler].output)[frame]
                moved, turned = nodes[channel.target.node]
                pair = (values, turned) if channel.target.path == "translation" else (moved, values)
                nodes[channel.target.node] = pair
        world = np.zeros((len(nodes), 4, 4))

        def walk(node: int, above: np.ndarray) -> None:
            moved, (x, y, z, w) = nodes[node]
            turn = trimesh.transformations.quaternion_matrix((w, x, y, z))
            world[node] = above @ trimesh.transformations.translation_matrix(moved) @ turn
            for child in self.gltf.nodes[node].children or ():
                walk(child, world[node])

        for root in self.gltf.scenes[self.gltf.scene].nodes:
            walk(root, np.eye(4))
        return world[self.skin.joints]

    def surface(self, frame: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the mesh as its joints carry them [N, 3], and the joint of each."""
        bind = self.array(self.skin.inverseBindMatrices).reshape(-1, 4, 4).swapaxes(1, 2)
        carry = self.frames(frame) @ bind
        corners, joints = [], []
        for primitive in self.gltf.meshes[0].primitives:
            points, bound = (self.array(getattr(primitive.attributes, name)) for name in ("POSITION", "JOINTS_0"))
            weights = self.array(primitive.attributes.WEIGHTS_0) / 255
            assert_allclose(weights.sum(axis=1), 1)
            matrices = np.einsum("nk,nkij->nij", weights, carry[bound])
            corners.append(np.einsum("nij,nj->ni", matrices[:, :3, :3], points) + matrices[:, :3, 3])
            joints.append(bound[:, 0])
        return np.concatenate(corners), np.concatenate(joints)


@pytest.fixture(params=SKELETONS, ids=lambda s: s.name)
def case(request: pytest.FixtureRequest, tmp_path: Path, make_joints) -> tuple[Skeleton, np.ndarray, Scene]:
    skeleton: Skeleton = request.param
    joints = make_joints(skeleton, 12)
    joints *= 1 + 0.02 * np.sin(np.arange(12))[:, None, None]  # bones that change their lengths
    write_glb(tmp_path / "clip.glb", joints, skeleton)
    return skeleton, joints * skeleton.metres_per_unit, Scene(tmp_path / "clip.glb")


def test_every_joint_is_where_it_was_in_every_frame(case: tuple[Skeleton, np.ndarray, Scene]) -> None:
    skeleton, metres, scene = case
    assert tuple(scene.names) == skeleton.joints
    times = scene.array(scene.gltf.animations[0].samplers[0].input)[:, 0]
    assert_allclose(times, np.arange(12) / skeleton.fps, atol=1e-6)
    for frame in range(12):
        error = np.linalg.norm(scene.frames(frame)[:, :3, 3] - metres[frame], axis=-1)
        assert error.max() < 10 * STRAY_M  # 1 mm; strays add up along a limb


def test_the_mesh_stands_on_the_floor_at_rest_and_follows_its_joints(case: tuple[Skeleton, np.ndarray, Scene]) -> None:
    _, metres, scene = case
    rest, bound = scene.surface(None)
    assert rest[:, 1].min() == pytest.approx(-STICK_M, abs=0.01) and 1.2 < np.ptp(rest[:, 1]) < 2.4
    at_rest = scene.frames(None)[:, :3, 3]
    for frame in (0, 7):
        moved, _ = scene.surface(frame)
        for joint, place in enumerate(at_rest):
            ball = (bound == joint) & (np.abs(np.linalg.norm(rest - place, axis=-1) - STICK_M) < 1e-6)
            assert ball.sum() > 50
            radii = np.linalg.norm(moved[ball] - metres[frame, joint], axis=-1)
            assert_allclose(radii, STICK_M, atol=1e-3)


def test_trimesh_loads_a_closed_body_with_outward_faces(tmp_path: Path, make_joints) -> None:
    write_glb(tmp_path / "clip.glb", make_joints(HUMANML3D, 3), HUMANML3D)
    mesh = trimesh.load(tmp_path / "clip.glb", force="mesh")
    pieces = [piece for piece in mesh.split(only_watertight=False) if len(piece.vertices) > 50]
    assert len(pieces) == 23  # a ball for each joint, and the head
    volumes = sorted(piece.volume for piece in pieces)
    for volume, radius in ((volumes[0], STICK_M), (volumes[-1], SKULL_M)):
        assert 0.8 < volume / (4 / 3 * np.pi * radius**3) < 1  # of a polyhedron inside the ball, faces outward


def test_bones_of_constant_length_need_no_positions_but_the_roots(tmp_path: Path, make_joints) -> None:
    joints = uniform_skeleton(make_joints(HUMANML3D, 12), HUMANML3D)
    write_glb(tmp_path / "clip.glb", joints, HUMANML3D)
    gltf = Scene(tmp_path / "clip.glb").gltf
    placed = {
        gltf.nodes[each.target.node].name for each in gltf.animations[0].channels if each.target.path == "translation"
    }
    several = {"left_hip", "right_hip", "spine1", "neck", "left_collar", "right_collar"}  # leave one joint together
    assert "pelvis" in placed and placed <= {"pelvis"} | several


def test_neighbouring_keys_turn_the_short_way(case: tuple[Skeleton, np.ndarray, Scene]) -> None:
    scene = case[2]
    for channel in scene.gltf.animations[0].channels:
        if channel.target.path == "rotation":
            keys = scene.array(scene.gltf.animations[0].samplers[channel.sampler].output)
            assert ((keys[1:] * keys[:-1]).sum(axis=1) >= 0).all()
            assert_allclose(np.linalg.norm(keys, axis=1), 1, atol=1e-6)


def test_materials_take_the_colours_in_linear_light(tmp_path: Path, make_joints) -> None:
    colours = {"left": "#ffffff", "right": "#000000", "middle": "#808080"}
    write_glb(tmp_path / "clip.glb", make_joints(HUMANML3D, 2), HUMANML3D, colours)
    materials = Scene(tmp_path / "clip.glb").gltf.materials
    shown = {each.name: each.pbrMetallicRoughness.baseColorFactor[0] for each in materials}
    assert shown == {"left": pytest.approx(1), "right": 0, "middle": pytest.approx(0.2158605, rel=1e-5)}


@EVERY
def test_refuses_joints_of_another_body(tmp_path: Path, skeleton: Skeleton) -> None:
    with pytest.raises(UserError, match="shape"):
        write_glb(tmp_path / "clip.glb", np.zeros((4, 5, 3)), skeleton)
    assert not (tmp_path / "clip.glb").exists()
