"""Which clips the contact sheet shows, of which folders, and what it says of them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from sopo.cli.main import main
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.data.layout import MotionFolder
from sopo.errors import UserError
from sopo.motion.encode import encode_joints
from sopo.motion.skeleton import HUMANML3D
from sopo.recipes.clip_folders import LONGEST
from sopo.recipes.view import view
from sopo.viewer.settings import ViewConfig


@pytest.fixture
def corpus(tmp_path: Path) -> MotionFolder:
    make_corpus(tmp_path / "data", CorpusConfig(train=12, val=2, test=4))
    return MotionFolder(tmp_path / "data")


def silent(done: int, total: int, note: str = "") -> None:
    pass


def shown(folder: Path, **how: object) -> dict:
    """The payload of the page of ``folder``."""
    page, _ = view(folder, folder.parent / "view.html", ViewConfig(**how), silent)
    found = re.search(r'<script type="application/json" id="payload">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def ids(page: dict) -> list[str]:
    return [clip["id"] for clip in page["clips"]]


def warnings(page: dict) -> dict[str, dict[str, str]]:
    return {clip["id"]: dict(clip["warnings"]) for clip in page["clips"] if clip["warnings"]}


def test_a_data_set_is_shown_with_its_captions_and_splits(corpus: MotionFolder) -> None:
    page = shown(corpus.root)
    assert ids(page) == [*corpus.ids("train"), *corpus.ids("val"), *corpus.ids("test")]
    assert page["title"] == "data" and page["summary"] == ["18 clips (12 train, 2 val, 4 test)."]
    first = page["clips"][0]
    assert first["split"] == "train" and first["frames"] == len(corpus.features("000000"))
    assert first["captions"] == [line.caption.text for line in corpus.captions("000000")]
    assert not warnings(page) and not page["alarms"]


def test_clips_are_chosen_by_split_by_words_and_by_a_seed(corpus: MotionFolder) -> None:
    assert ids(shown(corpus.root, split="test")) == list(corpus.ids("test"))
    word = corpus.captions("000003")[0].caption.text.split()[-1].strip(".")
    found = ids(shown(corpus.root, find=f"{word.upper()} 00000"))
    assert "000003" in found and len(found) < 18
    few = shown(corpus.root, most=5)
    assert len(few["clips"]) == 5 and "5 are shown, drawn with seed 0; --most 18 shows all" in few["summary"][0]
    assert ids(few) == sorted(ids(few)) == ids(shown(corpus.root, most=5))
    assert ids(few) != ids(shown(corpus.root, most=5, seed=1))
    for config, words in (({"split": "dev"}, "splits: test, train, val"), ({"find": "zebra"}, "no clip has 'zebra'")):
        with pytest.raises(UserError, match=words):
            shown(corpus.root, **config)


def test_warnings_are_those_of_the_check(corpus: MotionFolder) -> None:
    lying = encode_joints(corpus.joints("000001")[..., [0, 2, 1]] * (1, -1, 1), HUMANML3D)
    np.save(corpus.features_path("000001"), lying)
    np.save(corpus.features_path("000002"), np.full((60, 263), np.nan, dtype=np.float32))
    corpus.features_path("000003").write_bytes(b"none")
    corpus.features_path("000004").unlink()
    (corpus.root / "texts" / "000005.txt").write_text("")
    rotated = corpus.features("000006")
    rotated[:, 67:193] = np.tile([1, 0, 0, 0, 1, 0], 21)
    np.save(corpus.features_path("000006"), rotated)
    found = warnings(shown(corpus.root))
    kinds = {key: list(kinds) for key, kinds in found.items()}
    assert kinds == {
        "000001": ["lies"],
        "000002": ["unreadable"],
        "000003": ["unreadable"],
        "000004": ["unreadable"],
        "000005": ["no-captions"],
        "000006": ["disagrees"],
    }
    only = shown(corpus.root, only_warnings=True)
    assert ids(only) == list(found) and "6 of them fit --only_warnings true" in only["summary"][0]


def test_without_warnings_there_is_nothing_to_show_of_them(corpus: MotionFolder) -> None:
    with pytest.raises(UserError, match="no clip has a warning"):
        shown(corpus.root, only_warnings=True)


def test_an_import_says_where_clips_come_from_and_what_it_noted(corpus: MotionFolder) -> None:
    report = {
        "taken": [{"id": "000000", "source": "take 7"}, "odd"],
        "skipped": {"a": "no legs", "b": "no legs"},
        "notes": [f"note {number}" for number in range(9)],
    }
    (corpus.root / "import.json").write_text(json.dumps(report))
    page = shown(corpus.root)
    assert page["clips"][0]["facts"] == [["source", "take 7"]] and page["clips"][1]["facts"] == []
    assert page["summary"][1:3] == ["note 0", "note 1"] and "5 more notes" in page["summary"][-2]
    assert page["summary"][-1] == "The import left 2 files out: import.json says why."


def test_clips_of_no_split_are_counted_or_shown_alone(corpus: MotionFolder) -> None:
    (corpus.root / "train.txt").write_text("000000\n")
    page = shown(corpus.root)
    assert len(page["clips"]) == 7 and page["summary"][1].startswith("11 clips of new_joint_vecs/ are in no split")
    for split in ("train", "val", "test"):
        (corpus.root / f"{split}.txt").unlink()
    assert len(shown(corpus.root)["clips"]) == 18


def test_samples_are_shown_with_the_captions_beside_them(corpus: MotionFolder, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    names = ["00_0", "00_1", "01_0", "02_0", "03_0"]
    for name, key in zip(names, corpus.ids("train"), strict=False):
        np.save(samples / f"{name}.npy", corpus.joints(key))
    np.save(samples / "01_0.npy", corpus.features("000000"))
    np.save(samples / "02_0.npy", np.zeros((5, 7)))
    np.save(samples / "03_0.npy", np.resize(corpus.joints("000000"), (LONGEST + 5, 22, 3)))
    told = {
        "00_0": "a person walks",
        "00_1": {"captions": ["a", {"caption": "b", "start": 0.5}], "split": "val"},
        "01_0": ["c"],
        "02_0": 7,
    }
    (samples / "captions.json").write_text(json.dumps(told))
    page = shown(samples)
    assert [clip["captions"] for clip in page["clips"]] == [["a person walks"], ["a", "b"], ["c"], [], []]
    assert [clip["split"] for clip in page["clips"]] == ["", "val", "", "", ""]
    found = warnings(page)
    assert set(found) == {"02_0", "03_0"} and "shape [5, 7]" in found["02_0"]["unreadable"]
    assert found["03_0"]["long"] == f"of {LONGEST + 5}" and page["clips"][4]["frames"] == LONGEST


@pytest.mark.parametrize("content", ["[", "[]", "[" * 5000, "\udcff"])
def test_damaged_captions_are_refused(tmp_path: Path, content: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 22, 3)))
    (tmp_path / "captions.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"captions.json: "):
        shown(tmp_path)


def test_folders_without_motions_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="no motions to show"):
            shown(folder)
    np.save(tmp_path / "a.npy", np.zeros((5, 7)))
    with pytest.raises(UserError, match="file holds joints"):
        shown(tmp_path)


def test_the_command_says_what_it_shows(corpus: MotionFolder, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    page = tmp_path / "page.html"
    main(["data", "view", str(corpus.root), "--out", str(page), "--most", "3"])
    first, second = capsys.readouterr().out.splitlines()
    assert "3 are shown" in first and second == str(page) and page.is_file()
    for words in (["--out", str(tmp_path / "page.pdf")], ["--most", "0"]):
        with pytest.raises(SystemExit):
            main(["data", "view", str(corpus.root), *words])
