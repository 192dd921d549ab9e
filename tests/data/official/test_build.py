"""Whatever happens to a build, it ends in the same bytes, or says what is missing."""

import os
import shutil
import signal
import tarfile
from pathlib import Path

import numpy as np
import pytest
from synthetic_release import Release, contents, write_archives

from sopo.cli.main import main
from sopo.data.layout import MotionFolder
from sopo.errors import UserError


@pytest.fixture(scope="module")
def expected(release: Release, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """An uninterrupted build."""
    out = tmp_path_factory.mktemp("expected") / "out"
    main(_words(release, out))
    return contents(out)


def _words(release: Release, out: Path, *more: str) -> list[str]:
    flags = {"--amass": release.amass, "--body_model": release.bodies, "--humanml3d": release.checkout, "--out": out}
    return ["data", "humanml3d", *(str(word) for pair in flags.items() for word in pair), *more]


def test_one_process_or_many_make_the_same(release: Release, build_from, tmp_path: Path, expected) -> None:
    told: list[tuple[int, int]] = []
    built = build_from(release, tmp_path / "out", report=lambda done, total, note: told.append((done, total)))
    assert contents(tmp_path / "out") == expected
    assert told[0] == (0, 13) and told[-1] == (13, 13) and not built.missing
    assert built.lines == ("26 of 26 motions (22 train, 2 val, 2 test, 24 train_val)",)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_folders_make_the_same_as_archives(release: Release, build_from, tmp_path: Path, expected) -> None:
    for archive in release.amass.glob("*.tar.bz2"):
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path / "amass", filter="data")
    build_from(release, tmp_path / "out", amass=tmp_path / "amass", processes=2)
    assert contents(tmp_path / "out") == expected


@pytest.mark.parametrize("clips", [1, 5, 11])
def test_killed_after_some_clips(release: Release, build_from, tmp_path: Path, expected, clips: int) -> None:
    def report(done: int, total: int, note: str) -> None:
        if done == clips:
            os.kill(os.getpid(), signal.SIGKILL)

    if not (building := os.fork()):
        build_from(release, tmp_path / "out", report=report, processes=2)
    assert os.waitstatus_to_exitcode(os.waitpid(building, 0)[1]) == -signal.SIGKILL
    assert not (tmp_path / "out").exists() and (tmp_path / "out.unfinished").is_dir()
    told: list[int] = []
    build_from(release, tmp_path / "out", report=lambda done, total, note: told.append(done))
    assert told[0] >= clips - 1 and contents(tmp_path / "out") == expected


def test_what_is_there_is_kept_and_what_is_cut_off_is_made_again(
    release: Release, build_from, tmp_path: Path, expected
) -> None:
    out = tmp_path / "out"
    build_from(release, out)
    out.rename(tmp_path / "out.unfinished")
    clips = tmp_path / "out.unfinished" / "new_joint_vecs"
    os.utime(clips / "000003.npy", (1, 1))
    (clips / "M000001.npy").write_bytes((clips / "M000001.npy").read_bytes()[:-5])
    (clips / "000002.npy").write_bytes(b"")
    build_from(release, out)
    assert contents(out) == expected
    assert (out / "new_joint_vecs" / "000003.npy").stat().st_mtime == 1


def test_missing_archives_are_known_at_once(release: Release, build_from, tmp_path: Path) -> None:
    amass = shutil.copytree(release.amass, tmp_path / "amass")
    (amass / "Eyes_Japan_Dataset.tar.bz2").unlink()
    (amass / "KIT.tar.bz2").unlink()
    said = r"no archive and no folder for 3 clips of KIT, 2 of Eyes_Japan_Dataset; .*--partial true"
    with pytest.raises(UserError, match=said):
        build_from(
            release, tmp_path / "out", amass=amass, report=lambda done, *_: pytest.fail("nothing was to be made")
        )
    built = build_from(release, tmp_path / "out", amass=amass, partial=True)
    assert len(built.missing) == 5 and len(built.ids) == 2 * (13 - 5)
    assert "missing: 3 clips of KIT, 2 of Eyes_Japan_Dataset (reasons: build.json)" in built.lines[1]
    folder = MotionFolder(tmp_path / "out")
    assert not set(built.missing) & {key.lstrip("M") for key in folder.ids("train")}
    assert folder.features(built.ids[0]).shape[1] == 263


def test_an_archive_is_not_read_again_for_what_it_does_not_hold(release: Release, build_from, tmp_path: Path) -> None:
    amass = tmp_path / "amass"
    lost = next(path for path in release.motions if path.startswith("KIT"))
    write_archives(amass, {path: arrays for path, arrays in release.motions.items() if path != lost})
    with pytest.raises(UserError, match=r"2 clips of KIT are missing, such as 000000: not in KIT.tar.bz2; mend that"):
        build_from(release, tmp_path / "out", amass=amass)
    stat = (amass / "KIT.tar.bz2").stat()
    (amass / "KIT.tar.bz2").write_bytes(bytes(stat.st_size))
    os.utime(amass / "KIT.tar.bz2", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    built = build_from(release, tmp_path / "out", amass=amass, partial=True)
    assert dict(built.missing) == dict.fromkeys(("000000", "000012"), "not in KIT.tar.bz2")


def test_a_new_download_goes_on(release: Release, build_from, tmp_path: Path, expected) -> None:
    amass = shutil.copytree(release.amass, tmp_path / "amass")
    whole = (amass / "KIT.tar.bz2").read_bytes()
    (amass / "KIT.tar.bz2").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"KIT.tar.bz2: damaged or truncated .*; download it again; mend that"):
        build_from(release, tmp_path / "out", amass=amass)
    (amass / "KIT.tar.bz2").write_bytes(whole)
    build_from(release, tmp_path / "out", amass=amass)
    assert contents(tmp_path / "out") == expected


def test_damaged_and_mistaken_motions_are_named(release: Release, build_from, tmp_path: Path) -> None:
    first, second, *_ = (path for path in release.motions if path.startswith("Transitions"))
    changed = dict(release.motions)
    changed[first] = {name: array for name, array in changed[first].items() if name != "mocap_framerate"}
    changed[second] = {**changed[second], "poses": np.full_like(changed[second]["poses"], np.nan)}
    write_archives(tmp_path / "amass", changed)
    built = build_from(release, tmp_path / "out", amass=tmp_path / "amass", partial=True)
    reasons = sorted(reason.split(": ", 1)[1] for reason in built.missing.values())
    assert len(reasons) == 2 and "poses has values that are not finite" in reasons[1] + reasons[0]
    assert any("says no frame rate" in reason for reason in reasons)


def test_other_inputs_do_not_go_on_with_a_build(release: Release, build_from, tmp_path: Path) -> None:
    (tmp_path / "out.unfinished").mkdir()
    (tmp_path / "out.unfinished" / "settings.json").write_text('{"index": "another"}')
    with pytest.raises(UserError, match="was begun with another index; remove it to start anew"):
        build_from(release, tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(UserError, match="exists already"):
        build_from(release, tmp_path / "out")


def test_only_smpl_h_of_both_genders_will_do(release: Release, build_from, tmp_path: Path) -> None:
    bodies = shutil.copytree(release.bodies, tmp_path / "bodies")
    shutil.rmtree(bodies / "smplh" / "male")
    changed = Release(**{**vars(release), "bodies": bodies})
    with pytest.raises(UserError, match="expected a folder with SMPL-H's male and female model"):
        build_from(changed, tmp_path / "out")
    changed = Release(**{**vars(release), "bodies": bodies / "smplh" / "female" / "model.npz"})
    with pytest.raises(UserError, match="expected a folder with SMPL-H's male and female model"):
        build_from(changed, tmp_path / "out")


def test_the_published_numbers_are_compared(release: Release, build_from, tmp_path: Path, expected, capsys) -> None:
    checkout = shutil.copytree(release.checkout, tmp_path / "checkout")
    reference = checkout / "HumanML3D"
    for name in ("Mean.npy", "Std.npy", "new_joint_vecs/000004.npy"):
        (reference / name).parent.mkdir(exist_ok=True)
        (reference / name).write_bytes(expected[name])
    changed = Release(**{**vars(release), "checkout": checkout})
    built = build_from(changed, tmp_path / "out")
    assert built.as_published and [line.split(":")[0] for line in built.lines[1:]] == [
        "statistics as published",
        "000004 as published",
    ]
    np.save(reference / "Mean.npy", np.load(reference / "Mean.npy") + 0.1)
    np.save(reference / "new_joint_vecs/000004.npy", np.load(reference / "new_joint_vecs/000004.npy") * 1.1)
    with pytest.raises(SystemExit) as ended:
        main(_words(changed, tmp_path / "out2"))
    assert ended.value.code == 2 and capsys.readouterr().out.count("NOT as published") == 2


def test_mistakes_on_the_command_line_are_one_line(release: Release, tmp_path: Path, capsys) -> None:
    for flag in ("--amass", "--body_model", "--humanml3d"):
        words = _words(release, tmp_path / "out")
        words[words.index(flag) + 1] = str(tmp_path / "absent")
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
