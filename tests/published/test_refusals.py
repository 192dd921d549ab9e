"""What must not get in: damaged files, other systems and data sets, and files that would execute something."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from released import Manifest, write_guo, write_mdm, write_mld, write_momask, write_statistics, write_tmr

from sopo.cli.main import main
from sopo.folders import read_config
from sopo.recipes.convert import SYSTEMS

Refused = Callable[..., str]
SINGLE_FILES = [system for system in SYSTEMS if system != "momask"]


@pytest.fixture
def evaluator(tmp_path: Path, manifest: Manifest) -> Path:
    return write_guo(tmp_path / "t2m", manifest, "t2m")


def test_another_data_set_is_named(tmp_path: Path, manifest: Manifest, evaluator: Path, refused: Refused) -> None:
    said = refused("guo", evaluator, tmp_path / "out", "--dataset", "kit")
    assert "reads 263 features, kit has 251" in said
    write_statistics(tmp_path / "other", 251)
    flags = [f"--{name}={tmp_path / 'other' / name}.npy" for name in ("mean", "std")]
    assert "shape [251]" in refused("guo", evaluator, tmp_path / "out", *flags)
    assert "both" in refused("guo", evaluator, tmp_path / "out", flags[0])


def test_statistics_are_needed(tmp_path: Path, evaluator: Path, refused: Refused) -> None:
    assert "--mean" in refused("guo", evaluator, tmp_path / "out")


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "absent", "list", "numbers"])
def test_damaged_files(tmp_path: Path, evaluator: Path, refused: Refused, damage: str) -> None:
    content = evaluator.read_bytes()
    if damage in ("truncated", "empty", "text"):
        evaluator.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "text": b"<html>"}[damage])
    elif damage == "absent":
        evaluator.unlink()
    else:
        torch.save([1, 2] if damage == "list" else {"movement_encoder": {"main": 3}}, evaluator)
    assert str(evaluator) in refused("guo", evaluator, tmp_path / "out")


def test_tensors_that_are_larger_than_their_file(tmp_path: Path, manifest: Manifest, refused: Refused) -> None:
    """One number may stand for any amount, and sizes are read off the shapes."""
    path = write_mdm(tmp_path / "save", manifest, "humanml_trans_enc_512_clip")
    tree = torch.load(path, weights_only=True)
    tree["input_process.poseEmbedding.weight"] = torch.zeros(1).expand(10**6, 10**6)
    torch.save(tree, path)
    assert "many times what the file holds" in refused("mdm", path, tmp_path / "out")


@pytest.mark.parametrize("system", SINGLE_FILES)
def test_weights_of_another_system(tmp_path: Path, refused: Refused, system: str) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "w.pt")
    (tmp_path / "args.json").write_text("{}")
    assert "w.pt" in refused(system, tmp_path / "w.pt", tmp_path / "out")


def write_release(system: str, folder: Path, manifest: Manifest) -> tuple[Path, Path]:
    """What is given to ``sopo convert``, and one file of it."""
    if system == "mdm":
        path = write_mdm(folder, manifest, "humanml_trans_enc_512_clip")
    elif system.startswith("mld"):
        folder.mkdir()
        path = write_mld(folder, manifest, "mld_star/manifest_humanml3d_v1" if "star" in system else "mld/manifest_kit")
    elif system == "guo":
        path = write_guo(folder, manifest, "t2m")
        write_statistics(path.parent, 263)
    elif system == "tmr":
        write_statistics(folder, 263)
        return write_tmr(folder, manifest), folder / "last_weights" / "text_encoder.pt"
    else:
        write_momask(folder, manifest, "kit")
        return folder, folder / "t2m_nlayer8_nhead6" / "model" / "latest.tar"
    return path, path


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_key_renamed_or_reshaped(tmp_path: Path, manifest: Manifest, refused: Refused, system: str) -> None:
    path, file = write_release(system, tmp_path / "run", manifest)
    tree = torch.load(file, weights_only=True)
    tensors = next((part for part in tree.values() if isinstance(part, dict)), tree)
    key = [key for key in tensors if key.endswith("norm1.bias") or key == "main.0.bias"][-1]
    whole = tensors.pop(key)
    tensors[f"{key}_renamed"] = whole
    torch.save(tree, file)
    said = refused(system, path, tmp_path / "out")
    assert str(path) in said and ("missing" in said or "not a key" in said)
    del tensors[f"{key}_renamed"]
    tensors[key] = whole[:-1]
    torch.save(tree, file)
    said = refused(system, path, tmp_path / "out")
    assert str(path) in said and f"[{len(whole) - 1}], expected [{len(whole)}]" in said


class Trap:
    """Loading its pickle the trusting way would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


class Hidden(Trap):
    """The same through a builtin that makes it look harmless."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"open({str(self.target)!r}, 'w')",))


class Shell(Trap):
    """The same by a shell."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.target}",))


def in_a_zip(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save({"state_dict": {"w": torch.zeros(1)}, "hyper_parameters": content}, file)
    return file.getvalue()


def before_zip(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save({"state_dict": content}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def in_an_archive(content: Any) -> bytes:
    """The oldest format of torch: a tar archive of pickles."""
    file, parts = io.BytesIO(), {"sys_info": {}, "pickle": content, "storages": content, "tensors": content}
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, part in parts.items():
            entry, data = tarfile.TarInfo(name), pickle.dumps(part)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def in_a_strange_zip(content: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content))
        archive.writestr("archive/version", "3")
    return file.getvalue()


FORMS: list[Callable[[Any], bytes]] = [in_a_zip, before_zip, in_an_archive, in_a_strange_zip]
FORMS += [lambda content, p=protocol: pickle.dumps(content, p) for protocol in (0, 2, 4, 5)]  # type: ignore[misc]


@pytest.mark.parametrize("kind", [Trap, Hidden, Shell])
@pytest.mark.parametrize("form", FORMS)
def test_a_hostile_file_is_never_executed(
    tmp_path: Path, refused: Refused, form: Callable[[Any], bytes], kind: type[Trap]
) -> None:
    """Also not under a name that settings may have."""
    target, bad = tmp_path / "executed", tmp_path / "bad.ckpt"
    bad.write_bytes(form(kind(target)))
    (tmp_path / "args.json").write_text("{}")
    for system in SINGLE_FILES:
        said = refused(system, bad, tmp_path / "out")
        assert "weights_only" not in said and "bad.ckpt: " in said
        if form in (in_a_zip, before_zip):
            assert "refused" in said and any(word in said for word in ("touch", "getattr", "exec", "system"))
    assert not target.exists()


@pytest.mark.parametrize("system", ["momask", "tmr"])
def test_a_hostile_file_inside_a_folder(tmp_path: Path, manifest: Manifest, refused: Refused, system: str) -> None:
    target = tmp_path / "executed"
    path, file = write_release(system, tmp_path / "run", manifest)
    files = [file, *sorted(path.glob("length_estimator/model/*")), *sorted(path.glob("*/motion_decoder.pt"))]
    for one in files:
        whole = one.read_bytes()
        one.write_bytes(in_a_zip(Shell(target)))
        assert f"{one}: refused" in refused(system, path, tmp_path / "out")
        one.write_bytes(whole)
    file.unlink()
    assert str(path) in refused(system, path, tmp_path / "out")
    assert len(files) == 2 and not target.exists()


def test_places_that_cannot_be_read_or_written(tmp_path: Path, manifest: Manifest, refused: Refused) -> None:
    path = write_mdm(tmp_path / "save", manifest, "kit_trans_enc_512_clip")
    assert "a folder; name the checkpoint inside (model000600000.pt)" in refused("mdm", path.parent, tmp_path / "out")
    assert "cannot be created" in refused("mdm", path, path / "out")
    assert "exists" in refused("mdm", path, path.parent)


def test_settings_beside_the_weights(tmp_path: Path, manifest: Manifest, refused: Refused) -> None:
    path = write_mdm(tmp_path / "save", manifest, "kit_trans_enc_512_clip")
    for text, word in (("[1", "not readable"), ("[]", "an object"), ('{"diffusion_steps": "50"}', "of type int")):
        (path.parent / "args.json").write_text(text)
        assert word in refused("mdm", path, tmp_path / "out")
    (path.parent / "args.json").unlink()
    assert "--diffusion_steps" in refused("mdm", path, tmp_path / "out")
    assert "diffusion_steps is 0" in refused("mdm", path, tmp_path / "out", "--diffusion_steps=0", "--mask_frames=true")
    main(["convert", "mdm", str(path), str(tmp_path / "out"), "--diffusion_steps", "1000", "--mask_frames", "false"])
    settings = read_config(tmp_path / "out")
    assert (settings["diffusion_steps"], settings["mask_frames"], settings["features"]) == (1000, False, 251)
    folder = write_momask(tmp_path / "kit", manifest, "kit")
    assert "reads 251" in refused("momask", folder, tmp_path / "other", "--dataset", "humanml3d")
    (folder / "tres_nlayer8_ld384" / "opt.txt").write_text("n_heads: many\n")
    assert "opt.txt: has no line" in refused("momask", folder, tmp_path / "other")
