from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopo.batch import Caption
from sopo.data.captions import (
    CaptionLine,
    format_line,
    parse_line,
    read_captions,
    within,
    write_captions,
)
from sopo.data.tagging import tag
from sopo.errors import UserError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("he walks#he/PRON walk/VERB#0.0#0.0", CaptionLine(Caption("he walks", ("he/PRON", "walk/VERB")))),
        ("he walks#he/PRON#1.5#3.0\r", CaptionLine(Caption("he walks", ("he/PRON",)), 1.5, 3.0)),
        ("he walks#he/PRON#nan#nan", CaptionLine(Caption("he walks", ("he/PRON",)))),
        ("he is #1##0#0", CaptionLine(Caption("he is #1"))),
        ("someone’s plain line", CaptionLine(Caption("someone’s plain line"))),
        ("left arm #1 goes up", CaptionLine(Caption("left arm #1 goes up"))),
        ("he walks#he/PRON walk/VERB", CaptionLine(Caption("he walks", ("he/PRON", "walk/VERB")))),
        ("he walks#1,5#3", CaptionLine(Caption("he walks"), 1.5, 3.0)),
        ("he walks##nan#2.0", CaptionLine(Caption("he walks"), 0.0, 2.0)),
    ],
)
def test_known_forms_are_read(line: str, expected: CaptionLine) -> None:
    assert parse_line(line) == expected


@given(st.text(min_size=1).filter(lambda text: text.replace("#", " ").strip()), st.floats(0, 10))
def test_any_text_survives_writing_and_reading(text: str, seconds: float) -> None:
    line = CaptionLine(Caption(text, tag(text)), 0.0, seconds)
    read = parse_line(format_line(line))
    assert read.caption.text == " ".join(text.replace("#", " ").split())
    assert (read.caption.tokens, read.end_s) == (line.caption.tokens, seconds)
    assert "\n" not in format_line(line)


def test_file_round_trip_ignores_blank_lines_and_byte_order_mark(tmp_path: Path) -> None:
    lines = (CaptionLine(Caption("a", ("a/DET",))), CaptionLine(Caption("b"), 1.0, 2.0))
    write_captions(tmp_path / "x.txt", lines)
    noisy = b"\xef\xbb\xbf" + (tmp_path / "x.txt").read_bytes().replace(b"\n", b"\r\n\r\n")
    (tmp_path / "x.txt").write_bytes(noisy)
    assert read_captions(tmp_path / "x.txt") == lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"x.txt:1: no caption"),
        (b"\n \n", r"x.txt:1: no caption"),
        (b"good##0#0\nonly#one/NUM#1.0\n", r"x.txt:2: 2 '#'"),
        (b"he##-1#2\n", r"x.txt:1: 3 '#'"),
        (b"he##0#inf\n", r"x.txt:1: 3 '#'"),
        (b"good##0#0\n##0#0\n", r"x.txt:2: the caption is empty"),
        (b"bad tags##a#b\n", r"x.txt:1: 3 '#' where"),
        (b"good##0#0\n\xff\xfe##0#0\n", r"x.txt:2: not UTF-8"),
    ],
)
def test_damage_is_one_line_that_names_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        read_captions(tmp_path / "x.txt")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("part", "spans"),
    [
        ((0.0, 10.0), ["all", (0.0, 4.0), (3.0, 6.0), (9.0, 10.0)]),  # the last one ends beyond the clip
        ((0.0, 5.0), ["all", (0.0, 4.0), (3.0, 5.0)]),
        ((5.0, 10.0), ["all", (4.0, 5.0)]),  # a third of 3 to 6 is too little
        ((1.0, 3.0), ["all", "all"]),
    ],
)
def test_captions_of_a_part_are_those_that_mostly_fall_into_it(part: tuple[float, float], spans: list) -> None:
    lines = [CaptionLine(Caption(text), *span) for text, *span in (("a",), ("b", 0, 4), ("c", 3, 6), ("d", 9, 11))]
    found = within(lines, *part)
    assert ["all" if line.whole else (line.start_s, line.end_s) for line in found] == spans


def test_tags_are_lemmas_with_the_evaluators_classes() -> None:
    assert tag("A person's hands wave; he walked slowly, hopping to the left-side.") == (
        "a/DET", "person/NOUN", "hand/NOUN", "wave/VERB", "he/PRON", "walk/VERB", "slowly/ADV",
        "hop/VERB", "to/ADP", "the/DET", "leftside/NOUN",
    )  # fmt: skip


def test_left_and_right_are_tagged_as_what_they_are() -> None:
    assert tag("he left right after turning left")[1:] == (
        "left/VERB", "right/ADV", "after/ADP", "turn/VERB", "left/ADJ",
    )  # fmt: skip


def test_real_captions_all_parse(shared: Path) -> None:
    table = shared / "texts/humanml3d/test_one_caption_each.tsv"
    texts = [line.split("\t", 1)[1] for line in table.read_text(encoding="utf-8").splitlines()]
    assert all(parse_line(format_line(CaptionLine(Caption(text, tag(text))))).caption.tokens for text in texts)
