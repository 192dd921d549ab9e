"""JSON of strangers: the value, or one line that says why there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopo.errors import UserError
from sopo.json_files import read_json, read_json_lines

BROKEN = [
    (b"", "Expecting value"),
    (b"{", "not readable as JSON"),
    (b'{"a": 1, "a": 2}', "stands there twice"),
    (b'{"b": {"a": 1, "a": 1}}', "stands there twice"),
    (b"[" * 100_000, "not readable as JSON"),
    (b"9" * 10_000, "not readable as JSON"),
    ('{"a": "é"}'.encode("latin1"), "not UTF-8 text"),
    ('{"a": 1}'.encode("utf-16"), "not UTF-8 text"),
    (b" " * 1001, "above"),
]


@pytest.mark.parametrize(("content", "says"), BROKEN, ids=lambda value: str(value)[:20])
def test_what_is_no_json(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        read_json(path, limit=1000 if content.isspace() else 1 << 20)
    message = str(refused.value)
    assert message.startswith(str(path)) and says in message and len(message) < len(str(path)) + 300
    assert len(message.splitlines()) == 1


def test_what_is(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, null]}')
    assert read_json(path) == {"a": [1, None]}
    path.write_text('{"a": "x\u2028y"}\n\n[1]\r\n', encoding="utf-8")
    assert list(read_json_lines(path)) == [(f"{path}:1", {"a": "x\u2028y"}), (f"{path}:3", [1])]
    path.write_text('{"a": 1}\n{"a"')
    with pytest.raises(UserError, match=r"file\.json:2: not readable"):
        list(read_json_lines(path))
    for strange in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UserError, match="cannot be read"):
            read_json(strange)
