"""Files of settings that strangers wrote: taken, or refused in one line before they grow."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sopo.cli.main import main
from sopo.cli.yaml_files import load_yaml

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
STRANGE = {
    "aliases": BOMB.encode(),
    "an alias of a flag": (BOMB + "generator: *a29\n").encode(),
    "deep": b"generator: " + b"[" * 5000,
    "digits": b"steps: " + b"9" * 5000,
    "long": b"x: " + b"x" * 70_000,
    "objects": b"generator: !!python/object/apply:os.system [echo]\n",
    "bytes": bytes(range(256)),
    "two": b"steps: 1\n---\nsteps: 2\n",
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE)
def test_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "align.yaml"
    path.write_bytes(content)
    with pytest.raises(SystemExit) as stopped:
        main(["align", "--config", str(path), "--data", "d", "--out", str(tmp_path / "o")])
    line = capsys.readouterr().err
    assert stopped.value.code == 2 and line.startswith("sopo: ") and line.count("\n") == 1 and len(line) < 1000


def test_plain_settings_are_read() -> None:
    text = "K: 4\nrollout: {sampler: ddim, steps: 5}\nseeds: [0, 1]\nrate: 1e-3\n"
    assert load_yaml(text) == {"K": 4, "rollout": {"sampler": "ddim", "steps": 5}, "seeds": [0, 1], "rate": 1e-3}
    with pytest.raises(yaml.YAMLError, match="line 2 nests too deep, or has an alias"):
        load_yaml("a: &a 1\nb: *a\n")
