"""Body models of strangers: .npz, and .pkl that must never be executed."""

import os
import pickle
import struct
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial.transform import Rotation
from synthetic_smpl import body_arrays, parents, write_body_model

from sopo.errors import UserError
from sopo.formats.body_model import JOINTS, BodyModel, find_body_model, read_body_model

FAMILIES = ("smpl", "smplh", "smplx")


def pkl(path: Path, tree: Any, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(tree, protocol=protocol))
    return path


def python2_array(values: NDArray) -> bytes:
    """An array as Python 2 pickles it: its bytes are a string."""
    raw = values.tobytes()
    shape = b"".join(b"J" + struct.pack("<i", size) for size in values.shape)
    dtype = (
        b"cnumpy\ndtype\nU\x02"
        + values.dtype.str[1:].encode()
        + b"K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
    return made + b"(K\x01(" + shape + b"t" + dtype + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"


@pytest.mark.parametrize("family", FAMILIES)
def test_npz_and_pkl_of_every_family(tmp_path: Path, family: str) -> None:
    body = read_body_model(write_body_model(tmp_path / "a.npz", family))
    assert body.family == family and body.names == JOINTS[family] and body.parents == parents(family)
    arrays = body_arrays(family)
    shaped = arrays["v_template"] + arrays["shapedirs"] @ np.arange(16.0)
    np.testing.assert_allclose(body.rest + body.shapes @ np.arange(16.0), arrays["J_regressor"] @ shaped, atol=1e-12)
    for protocol in (0, 2, 5):
        again = read_body_model(pkl(tmp_path / "a.pkl", arrays, protocol))
        assert (again.rest == body.rest).all() and (again.shapes == body.shapes).all() and again.parents == body.parents


@pytest.fixture
def chumpy(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Stands for the package that SMPL's own files were pickled with."""
    classes = {"ch.Ch": None, "reordering.Select": None}
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    for full in classes:
        module, _, name = full.partition(".")
        classes[full] = type(name, (), {"__module__": f"chumpy.{module}"})
        made = types.ModuleType(f"chumpy.{module}")
        setattr(made, name, classes[full])
        monkeypatch.setitem(sys.modules, f"chumpy.{module}", made)
    return types.SimpleNamespace(Ch=classes["ch.Ch"], Select=classes["reordering.Select"])


def filled(kind: type, **state: Any) -> Any:
    thing = kind()
    thing.__dict__.update(state)
    return thing


@pytest.mark.parametrize("sparsity", [sparse.csc_matrix, sparse.csr_matrix])
def test_what_smpls_own_files_hold(tmp_path: Path, chumpy: types.SimpleNamespace, sparsity: type) -> None:
    arrays = body_arrays("smpl")
    plain = read_body_model(write_body_model(tmp_path / "a.npz", "smpl"))
    order = np.random.default_rng(0).permutation(arrays["shapedirs"].size)
    shuffled = np.empty(order.size)
    shuffled[order] = arrays["shapedirs"].ravel()
    tree = arrays | {
        "J_regressor": sparsity(arrays["J_regressor"]),
        "v_template": filled(chumpy.Ch, x=arrays["v_template"], _dirty_vars={"x"}),
        "shapedirs": filled(
            chumpy.Select, a=filled(chumpy.Ch, x=shuffled), idxs=order, preferred_shape=arrays["shapedirs"].shape
        ),
        "bs_style": "lbs",
    }
    path = pkl(tmp_path / "a.pkl", tree)
    del sys.modules["chumpy.ch"], sys.modules["chumpy.reordering"]  # nobody needs to have it
    body = read_body_model(path)
    np.testing.assert_allclose(body.rest, plain.rest, atol=1e-12)
    np.testing.assert_allclose(body.shapes, plain.shapes, atol=1e-12)


def test_python_2_pickles(tmp_path: Path) -> None:
    arrays = body_arrays("smpl")
    items = b"".join(
        b"U" + bytes([len(name)]) + name.encode() + python2_array(arrays[name]) + b"s"
        for name in ("v_template", "shapedirs", "J_regressor", "kintree_table")
    )
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}" + items + b".")
    body = read_body_model(tmp_path / "a.pkl")
    assert (body.rest == read_body_model(write_body_model(tmp_path / "a.npz", "smpl")).rest).all()


class Hostile:
    def __init__(self, call: Any, *args: Any) -> None:
        self.called = (call, args)

    def __reduce__(self) -> Any:
        return self.called


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_that_would_run_something_runs_nothing(tmp_path: Path, protocol: int) -> None:
    victim = tmp_path / "victim"
    victim.touch()
    tree = body_arrays("smpl") | {"v_template": Hostile(os.unlink, str(victim))}
    with pytest.raises(UserError, match=r"a\.pkl: refused, because loading it would run posix") as caught:
        read_body_model(pkl(tmp_path / "a.pkl", tree, protocol))
    assert victim.exists() and "\n" not in str(caught.value)
    for call, *args in ((eval, "1"), (getattr, Path, "cwd"), (np.load, str(victim)), (exec, "")):
        with pytest.raises(UserError):
            read_body_model(pkl(tmp_path / "a.pkl", body_arrays("smpl") | {"v_template": Hostile(call, *args)}))


def test_a_memo_or_an_array_as_large_as_the_file_pleases_is_not_made(tmp_path: Path) -> None:
    hostile = [
        b"\x80\x02}r\xf0\xff\xff\x7f.",  # a place in the memo two thousand million slots on
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc.",  # a terabyte of bytes
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc.",
        b"\x80\x02}U\x0av_templatecnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85U\x01btRs.",
        b"\x80\x02}U\x0av_templatec__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85Rs.",
    ]
    for data in hostile:
        (tmp_path / "a.pkl").write_bytes(data)
        with pytest.raises(UserError):
            read_body_model(tmp_path / "a.pkl")


def test_sparse_indices_beyond_the_matrix_are_refused(tmp_path: Path) -> None:
    arrays = body_arrays("smpl")
    matrix = sparse.csc_matrix(arrays["J_regressor"])
    matrix.indices[5] = 1 << 30
    with pytest.raises(UserError, match="J_regressor: not an array that is understood"):
        read_body_model(pkl(tmp_path / "a.pkl", arrays | {"J_regressor": matrix}))


def test_any_damage_is_one_line(tmp_path: Path) -> None:
    good = pickle.dumps({k: v for k, v in body_arrays("smpl").items() if k != "posedirs"}, protocol=2)
    rng = np.random.default_rng(0)
    for _ in range(150):
        bad = bytearray(good)
        for at in rng.integers(0, len(bad), size=3):
            bad[at] = rng.integers(0, 256)
        (tmp_path / "a.pkl").write_bytes(bad[: rng.integers(1, len(bad) + 1)])
        try:
            read_body_model(tmp_path / "a.pkl")
        except UserError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kintree_table": np.zeros((2, 23))}, "not SMPL"),
        ({"kintree_table": np.zeros((2, 24))}, "hang together in another way"),
        ({"kintree_table": np.full((2, 24), np.nan)}, "hang together in another way"),
        ({"v_template": np.full((96, 3), np.nan)}, "not finite"),
        ({"v_template": np.zeros((95, 3))}, "not SMPL"),
        ({"shapedirs": np.zeros(5)}, "not SMPL"),
        ({"J_regressor": np.array("J")}, "no numbers"),
    ],
)
def test_what_is_no_body_is_refused(tmp_path: Path, changed: dict[str, NDArray], said: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **(body_arrays("smpl") | changed))
    with pytest.raises(UserError, match=said):
        read_body_model(path)


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> BodyModel:
    return read_body_model(write_body_model(tmp_path_factory.mktemp("body") / "a.npz"))


def test_posing_is_a_chain_of_rigid_motions(body: BodyModel) -> None:
    rng = np.random.default_rng(0)
    poses, root, betas = rng.normal(size=(3, 52, 3)), rng.normal(size=(3, 3)), rng.normal(size=10)
    rest = body.rest + body.shapes[..., :10] @ betas
    positions = body.pose(poses, root, betas)
    for frame in range(3):
        worlds: list[NDArray] = []
        for joint, parent in enumerate(body.parents):
            step = np.eye(4)
            step[:3, :3] = Rotation.from_rotvec(poses[frame, joint]).as_matrix()
            step[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0)
            worlds.append(worlds[parent] @ step if parent >= 0 else step)
        expected = np.array([world[:3, 3] for world in worlds]) + root[frame]
        np.testing.assert_allclose(positions[frame], expected, atol=1e-12)
    np.testing.assert_allclose(body.pose(poses, root, betas, joints=22), positions[:, :22], atol=1e-12)


def test_at_rest_and_turned_as_a_whole(body: BodyModel) -> None:
    none, still = np.zeros(0), np.zeros((1, 52, 3))
    np.testing.assert_allclose(body.pose(still, np.zeros((1, 3)), none)[0], body.rest, atol=1e-12)
    still[0, 0] = (np.pi / 2, 0, 0)
    turned = body.pose(still, np.array([[1.0, 2.0, 3.0]]), none)[0] - body.rest[0] - (1, 2, 3)
    about = Rotation.from_euler("x", 90, degrees=True).apply(body.rest - body.rest[0])
    np.testing.assert_allclose(turned, about, atol=1e-12)


NAMES = {
    "smplh/male/model.npz": ("smplh", "male"),
    "smplh/SMPLH_FEMALE.pkl": ("smplh", "female"),
    "smpl/SMPL_NEUTRAL.pkl": ("smpl", "neutral"),
    "smpl/basicModel_m_lbs_10_207_0_v1.0.0.pkl": ("smpl", "male"),
    "SMPL+H/female/model.npz": ("smplh", "female"),
    "models/smplx/SMPLX_MALE.npz": ("smplx", "male"),
    "models_smplx_v1_1/models/smplx/SMPLX_NEUTRAL.npz": ("smplx", "neutral"),
}


@pytest.mark.parametrize("name", NAMES)
def test_files_are_found_by_the_names_that_they_are_published_under(tmp_path: Path, name: str) -> None:
    for other in ("dmpls/male/model.npz", "dmpls/female/model.npz", "mano/MANO_LEFT.pkl", name):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).touch()
    family, gender = NAMES[name]
    assert find_body_model(tmp_path, [family], gender) == (tmp_path / name, "")
    another = "smplh" if family == "smplx" else "smplx"
    with pytest.raises(UserError, match=f"no {another} body model for gender '{gender}' there"):
        find_body_model(tmp_path, [another], gender)


def test_family_and_gender_choose_and_neutral_stands_in_aloud(tmp_path: Path) -> None:
    for name in ("smpl/SMPL_MALE.pkl", "smplh/male/model.npz", "smplh/neutral/model.npz", "smplx/SMPLX_MALE.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_body_model(tmp_path, ["smplh", "smpl"], "male")[0] == tmp_path / "smplh/male/model.npz"
    assert find_body_model(tmp_path, ["smpl", "smplh"], "male")[0] == tmp_path / "smpl/SMPL_MALE.pkl"
    assert find_body_model(tmp_path / "smplh", ["smplh"], "male")[0] == tmp_path / "smplh/male/model.npz"
    path, note = find_body_model(tmp_path, ["smplh"], "female")
    assert path == tmp_path / "smplh/neutral/model.npz" and "no female body model: the neutral one stands in" in note
    with pytest.raises(UserError, match="no smplx body model for gender 'female' there"):
        find_body_model(tmp_path, ["smplx"], "female")
