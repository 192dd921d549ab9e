"""What a source offers, by names, captions and lists alone: the motion files here are empty."""

import json
from pathlib import Path

import pytest

from sopo.batch import Caption
from sopo.data.captions import CaptionLine
from sopo.data.importers.source import Source, read_source
from sopo.errors import UserError


@pytest.fixture
def offered(tmp_path: Path):
    """Writes files (name -> content) and reads the folder."""

    def offer(files: dict[str, str | bytes | object]) -> Source:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not isinstance(content, str | bytes):
                content = json.dumps(content)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_source(tmp_path, seed=0)

    return offer


def texts(source: Source) -> dict[str, list[str]]:
    return {clip.name: [line.caption.text for line in clip.captions] for clip in source.clips}


WALK = {"walk": ["a person walks"]}


@pytest.mark.parametrize(
    "content",
    [
        {"walk": "a person walks"},
        {"walk": ["a person walks"]},
        {"walk": {"captions": ["a person walks"]}},
        {"walk": {"caption": "a person walks"}},
        {"walk.bvh": "a person walks"},
        {"WALK.BVH": "a person walks"},
        {"./walk.bvh": "a person walks"},
        {"C:\\mocap\\walk.bvh": "a person walks"},
        {" walk ": ["", "a person walks"]},
        {"walk": [{"text": "a person walks", "start": None, "end": 0}]},
        {"walk": {"path": "KIT/walk", "duration": 2, "annotations": [{"text": "a person walks", "seg_id": "0"}]}},
        [{"name": "walk.bvh", "caption": "a person walks"}],
        [{"file": "walk", "captions": ["a person walks"]}],
        "\ufeff" + json.dumps({"walk": "a person walks"}),
        json.dumps({"walk": "a person walks"}).encode("utf-16"),
    ],
)
def test_shapes_of_captions_json(offered, content) -> None:
    source = offered({"walk.bvh": "", "captions.json": content})
    assert texts(source) == WALK and not source.skipped


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("captions.csv", "name,caption\nwalk,a person walks\n"),
        ("captions.csv", "\ufeffFile,Split,Caption\r\nwalk.bvh,train,a person walks\r\n\r\n"),
        ("captions.csv", "file;caption\nwalk;a person walks\n"),
        ("captions.csv", "walk.bvh,a person walks"),
        ("captions.tsv", "name\tcaption\nwalk\ta person walks\n"),
        ("Captions.CSV", 'caption,name\n"a person walks",walk\n'),
    ],
)
def test_shapes_of_captions_tables(offered, name: str, content: str) -> None:
    source = offered({"walk.bvh": "", name: content})
    assert texts(source) == WALK and not source.skipped


def test_rows_of_one_clip_and_commas_in_captions(offered) -> None:
    source = offered({"walk.bvh": "", "captions.csv": "name,caption\nwalk,walks, then stops\nwalk,he/she walks\n"})
    assert texts(source) == {"walk": ["walks, then stops", "he/she walks"]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("captions.json", "{", "not readable as JSON"),
        ("captions.json", "[" * 100_000, "not readable as JSON"),
        ("captions.json", '{"walk": "a", "walk": "b"}', "'walk' stands there twice"),
        ("captions.json", "3", "expected an object"),
        ("captions.json", '["walk"]', "item 1 of the list needs a 'name'"),
        ("captions.json", '{"walk": 3}', "entry 'walk' needs a caption"),
        ("captions.json", '{"walk": {"captions": [3]}}', "entry 'walk' needs a caption"),
        ("captions.json", '{"walk": {"caption": "a", "split": "later"}}', "unknown split 'later'"),
        ("captions.json", '{"walk": {"caption": "a", "start": "x"}}', "expected the seconds"),
        ("captions.json", '{"walk": "a#b/DET#1.0"}', "entry 'walk': 2 '#' where"),
        ("captions.csv", "name,caption,split\nwalk,a, b,train\n", "has 4 cells, expected 3"),
        ("captions.csv", "name,caption\nwalk,a\0b\n", "zero bytes"),
        ("captions.csv", "name,caption\n,a\n", "has no name"),
        ("captions.csv", "name,caption,split\nwalk,a,val\nwalk,b,test\n", "differ in their split"),
    ],
)
def test_other_tables_are_refused_in_one_line(offered, name: str, content: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        offered({"walk.bvh": "", name: content})
    assert "\n" not in str(raised.value)


def test_two_tables_are_refused(offered) -> None:
    with pytest.raises(UserError, match=r"captions\.csv and captions\.json; keep one"):
        offered({"walk.bvh": "", "captions.json": WALK, "captions.csv": "name,caption\n"})


LINES = (
    CaptionLine(Caption("walks", ("walk/VERB",)), 1.0, 2.0),
    CaptionLine(Caption("plain")),
    CaptionLine(Caption("all of it", ("all/DET",))),
)
WRITTEN = "walks#walk/VERB#1.0#2.0\r\n\r\n  plain \r\nall of it#all/DET#nan#nan"


@pytest.mark.parametrize(
    "content", [WRITTEN, "\ufeff" + WRITTEN, WRITTEN.encode("utf-16"), WRITTEN.replace("\r\n", "\r")]
)
def test_lines_of_humanml3d_and_plain_ones(offered, content: str | bytes) -> None:
    assert offered({"walk.bvh": "", "walk.txt": content}).clips[0].captions == LINES


def test_the_same_lines_in_a_table(offered) -> None:
    timed = {"text": "walks#walk/VERB", "start": 1, "end": 2.0}
    source = offered({"walk.bvh": "", "captions.json": {"walk": [timed, *WRITTEN.splitlines()[2:]]}})
    assert source.clips[0].captions == LINES


@pytest.mark.parametrize("place", ["walk.txt", "WALK.TXT", "walk.bvh.txt", "texts/walk.txt"])
def test_where_a_text_file_may_lie(offered, place: str) -> None:
    assert texts(offered({"walk.bvh": "", place: "a person walks"})) == WALK


def test_text_of_other_encodings_is_read_aloud_or_not_at_all(offered) -> None:
    files = {"a.bvh": "", "a.txt": "someone’s café walk".encode("cp1252")}
    files |= {"b.bvh": "", "b.txt": "人が歩く".encode("shift-jis"), "c.bvh": "", "c.txt": b"w\0a\0l\0k\0"}
    files |= {"d.bvh": "", "d.txt": "человек идёт".encode("koi8-r")}
    files |= {"e.bvh": "", "e.txt": "人走路".encode("euc-kr")}
    source = offered(files)
    assert texts(source) == {"a": ["someone’s café walk"], "b": ["人が歩く"]}
    assert source.notes == ("not UTF-8, read as cp1252: a.txt", "not UTF-8, read as cp932: b.txt")
    assert "zero bytes" in source.skipped["c"]
    assert all("unknown encoding" in source.skipped[name] for name in "de")


def test_other_formats_are_taken_or_named(offered) -> None:
    files = dict.fromkeys(["a.glb", "b.amc", "c.bvh", "c.glb", "d.c3d", "e/f.BVH"], "")
    captions = {"a": "x", "b.amc": "x", "c.bvh": "x", "e/f.bvh": "x", "d.c3d": "x"}
    source = offered({**files, "captions.json": captions})
    assert {clip.path.name for clip in source.clips} == {"a.glb", "b.amc", "c.bvh", "f.BVH"}
    assert "markers" in source.skipped["d.c3d"]
    assert source.notes == ("not taken, for another format of the same name is: c.glb (c.bvh)",)


def test_a_folder_of_markers_alone_is_refused_with_the_step_that_helps(offered) -> None:
    with pytest.raises(UserError, match=r"no motion file .*d\.c3d is a \.c3d file: holds markers"):
        offered({"d.c3d": "", "d.txt": "walks"})


def test_what_has_no_caption_or_a_bad_one_is_skipped_with_the_reason(offered) -> None:
    files = dict.fromkeys(["a.bvh", "b.bvh", "c.bvh", "d.bvh"], "")
    source = offered(
        {**files, "a.txt": "walks", "b.txt": " \n", "c.txt": "walks\nruns#run/VERB#x#y", "d.txt": "runs##2#1"}
    )
    assert texts(source) == {"a": ["walks"]}
    assert source.skipped["b"] == "no caption" == source.skipped["d"]
    assert "c.txt:2: 3 '#' where" in source.skipped["c"]
    assert source.notes == ("captions left out whose seconds end before they start: d",)


def test_the_table_goes_before_text_files_and_says_so(offered) -> None:
    source = offered({"walk.bvh": "", "run.bvh": "", "walk.txt": "old", "run.txt": "runs", "captions.json": WALK})
    assert texts(source) == {"run": ["runs"], **WALK}
    assert source.notes == ("not read, for the table has captions of the clip: walk.txt",)


def test_one_name_in_two_folders_makes_two_ids(offered) -> None:
    files = {"a/walk.bvh": "", "b/walk.bvh": "", "walk.bvh": "", "c/run.bvh": ""}
    entries = {"a/walk.bvh": "of a", "data\\b\\walk": "of b", "walk": "of none", "run": "runs", "stray/run": "of none"}
    source = offered({**files, "captions.json": entries})
    assert texts(source) == {"a_walk": ["of a"], "b_walk": ["of b"], "walk": ["of none"], "run": ["runs"]}
    assert list(source.skipped) == ["stray/run"]
    assert "a/walk.bvh is a_walk" in source.notes[0]


def test_a_name_of_several_files_is_not_guessed(offered) -> None:
    source = offered({"a/walk.bvh": "", "b/walk.bvh": "", "a/walk.txt": "of a", "captions.json": {"walk": "of which?"}})
    assert texts(source) == {"a_walk": ["of a"]}
    assert "several" in source.skipped["walk"] and source.skipped["b_walk"] == "no caption"


def test_ids_are_safe_names_of_files_and_lines_of_lists(offered) -> None:
    names = ["a:b", "a?b", "two words", "line\u2028break", " .x", "ä"]
    files = {f"{name}.bvh": "" for name in names} | {f"{name}.txt": "walks" for name in names}
    source = offered(files)
    assert {clip.name for clip in source.clips} == {"a_b", "a_b_2", "two words", "line_break", "x", "ä"}


def test_junk_of_other_systems_is_not_looked_at(offered) -> None:
    source = offered({"walk.bvh": "", "walk.txt": "walks", "._walk.bvh": "", "__MACOSX/walk.bvh": "", ".git/a.bvh": ""})
    assert texts(source) == {"walk": ["walks"]} and not source.skipped


def test_pairs_stay_together_and_are_marked(offered) -> None:
    names = [f"{m}{n:06}" for n in range(20) for m in ("", "M")] + ["Mary", "x", "M7"]
    source = offered({f"{name}.{suffix}": "walks" for name in names for suffix in ("bvh", "txt")})
    assert all(source.splits[f"{n:06}"] == source.splits[f"M{n:06}"] for n in range(20))
    assert len(set(source.splits.values())) == 3
    assert {clip.name for clip in source.clips if not clip.twin} == {"Mary", "x", "M7"}
    assert source.notes[0].startswith(
        "mirror images of one another by their names, so none is made: 000000 and M000000"
    )


def test_pairs_in_folders(offered) -> None:
    names = ["a/1", "a/M1", "b/1", "b/M1", "c/1"]
    source = offered({f"{name}.{suffix}": "walks" for name in names for suffix in ("bvh", "txt")})
    assert {clip.name for clip in source.clips if clip.twin} == {"a_1", "a_M1", "b_1", "b_M1"}


def test_splits_are_drawn_where_the_source_has_none(offered) -> None:
    source = offered({f"{n}.{suffix}": "walks" for n in range(40) for suffix in ("bvh", "txt")})
    counts = [list(source.splits.values()).count(split) for split in ("train", "val", "test")]
    assert counts == [32, 2, 6]


LISTED = {"a.bvh": "", "a.txt": "walks", "walks/b.bvh": "", "walks/b.txt": "walks"}


@pytest.mark.parametrize("train", ["a\nb\n", "\ufeffa.bvh\r\n\r\nb.bvh\r\n", "./a\nwalks/b.bvh", "a\nMa\nwalks\\b"])
def test_lists_name_clips_as_people_do(offered, train: str) -> None:
    source = offered({**LISTED, "train.txt": train})
    assert source.splits == {"a": "train", "b": "train"} and not source.skipped and not source.notes


def test_names_listed_without_a_file_are_said_and_clips_unlisted_skipped(offered) -> None:
    source = offered({**LISTED, "train.txt": "a\ngone\n", "validation.txt": ""})
    assert source.splits == {"a": "train"} and source.skipped == {"b": "in no split"}
    assert source.notes == ("listed, but no motion file has the name: gone (train.txt)",)


def test_a_clip_called_test_is_no_list(offered) -> None:
    source = offered({"test.bvh": "", "test.txt": "a person tests"})
    assert texts(source) == {"test": ["a person tests"]} and source.splits == {"test": "train"}


def test_splits_of_a_table(offered) -> None:
    table = {"a.bvh": {"captions": ["x"], "split": "train"}, "b": {"caption": "y", "split": "Validation"}}
    assert offered({**LISTED, "captions.json": table}).splits == {"a": "train", "b": "val"}


def test_a_name_too_long_for_an_id_is_refused(offered) -> None:
    with pytest.raises(UserError, match="too long for an id"):
        offered({f"{'x' * 220}.bvh": ""})


def test_a_data_set_is_not_imported_again(offered) -> None:
    with pytest.raises(UserError, match="has HumanML3D's layout already"):
        offered({"new_joint_vecs/000001.npy": "", "texts/000001.txt": "walks"})
