"""Damaged files of every format: a sound clip or one line, quickly, and never more memory than a file may ask for."""

import io
import random
import re
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_asf_amc import AMC, ASF

from sopo.errors import UserError
from sopo.formats.bvh_write import write_bvh
from sopo.formats.gltf_write import write_glb
from sopo.formats.reading import read_clip
from sopo.motion.skeleton import HUMANML3D

Random = random.Random
MUTANTS = 40  # of each format
EXTREMES = (b"1e308", b"-1e30", b"99999999999999999999", b"nan", b"-inf", b"1e-320", b"0", b"-1", b"4294967295")
SECONDS, BYTES = 2.0, 1 << 20


def _flip(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + random.randbytes(random.choice((1, 4))) + data[at + 1 :]


def _cut(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + data[at + random.choice((1, 10, 300, len(data))) :]


def _double(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + data[at : at + random.choice((1, 4, 300))] + data[at:]


def _swap(random: Random, data: bytes) -> bytes:
    words = [match.span() for match in re.finditer(rb"[-+.\w]+", data)]
    if len(words) < 2:
        return data
    (a, b), (c, d) = sorted(random.sample(words, 2))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _blow_up(random: Random, data: bytes) -> bytes:
    numbers = [match.span() for match in re.finditer(rb"-?\d[\d.]*", data)]
    start, end = random.choice(numbers or [(0, 0)])
    return data[:start] + random.choice(EXTREMES) + data[end:]


def _mutate(random: Random, data: bytes) -> bytes:
    for _ in range(random.choice((1, 1, 2, 4))):
        data = random.choice((_flip, _cut, _double, _swap, _blow_up))(random, data or b"\0")
    return data


def _inside_npz(random: Random, data: bytes) -> bytes:
    """One array mutated, its checksum right."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(changed, "w") as new:
        hit = random.choice(old.namelist())
        for name in old.namelist():
            new.writestr(name, _mutate(random, old.read(name)) if name == hit else old.read(name))
    return changed.getvalue()


Mutate = Callable[[Random, bytes], bytes]
KINDS: dict[str, tuple[str, Mutate]] = {
    "bvh": ("a.bvh", _mutate),
    "amc": ("a.amc", _mutate),
    "asf": ("a.asf", _mutate),
    "glb": ("a.glb", _mutate),
    "npy": ("a.npy", _mutate),
    "npz": ("a.npz", _mutate),
    "array in npz": ("a.npz", _inside_npz),
}


@pytest.fixture
def sound(tmp_path: Path, make_joints: Callable[..., np.ndarray]) -> Path:
    """A folder with a sound file of each format."""
    joints = make_joints(HUMANML3D)[:3]
    write_bvh(tmp_path / "a.bvh", joints, HUMANML3D)
    write_glb(tmp_path / "a.glb", joints, HUMANML3D)
    np.save(tmp_path / "a.npy", joints)
    np.savez(tmp_path / "a.npz", positions=joints, fps=30, names=HUMANML3D.joints, parents=HUMANML3D.parents)
    (tmp_path / "a.asf").write_text(ASF)
    (tmp_path / "a.amc").write_text(AMC)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_a_sound_clip_or_one_line(sound: Path, kind: str) -> None:
    name, mutate = KINDS[kind]
    original = (sound / name).read_bytes()
    random = Random(kind)
    outcomes = set()
    for _ in range(MUTANTS):
        data = mutate(random, original)
        (sound / name).write_bytes(data)
        tracemalloc.start()
        start = time.process_time()
        try:
            clip = read_clip((sound / name).with_suffix(".amc" if kind == "asf" else f".{name[2:]}"))
        except UserError as error:
            outcomes.add("refused")
            assert "\n" not in str(error) and len(str(error)) < 1000
        else:
            outcomes.add("taken")
            T, J, _ = clip.positions.shape
            assert T > 0 and J == len(set(clip.names)) == len(clip.parents)
            assert all(parent < joint for joint, parent in enumerate(clip.parents))
            assert np.isfinite(clip.positions).all() and np.abs(clip.positions).max() < 1e9 and 1 < clip.fps <= 1000
        finally:
            seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert seconds < SECONDS and peak < BYTES + 50 * len(data)
    assert "refused" in outcomes and ("taken" in outcomes or kind == "npz")  # whose checksums see every change
