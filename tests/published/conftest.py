"""The recorded manifests, ``sopo convert`` on what a user got wrong, and ``sopo eval`` on what it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_momask
import torch
from recordings import Recordings
from released import WIDTH, words, write_glove, write_guo

from sopo.cli.main import main
from sopo.data.layout import FEATURES, TEXTS, write_split, write_statistics
from sopo.text import choose_text_places
from sopo.text.pretrained import PretrainedEncoder


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def manifest(recordings: Recordings) -> Callable[[str], Any]:
    """A recorded list of keys and shapes by its name."""
    return recordings.json


@pytest.fixture
def tiny(recordings: Recordings, monkeypatch: pytest.MonkeyPatch) -> tiny_momask.Build:
    """The tiny released MoMask; a module about another system has a ``tiny`` of its own."""
    return partial(tiny_momask.build, recordings, monkeypatch)


@pytest.fixture
def no_text_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The published text models are not at hand: whatever is asked of them, they say something random."""
    monkeypatch.setattr(PretrainedEncoder, "encode", lambda self, texts: words(len(texts), self.width))
    monkeypatch.setattr(PretrainedEncoder, "version", lambda self: "none")
    monkeypatch.setattr("sopo.recipes.machine.choose_text_places", lambda models, cache: None)
    choose_text_places(cache=tmp_path / "texts")
    yield
    choose_text_places()


@pytest.fixture(scope="session")
def worlds(
    recordings: Recordings, manifest: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, Path]]:
    """For each data set, a folder of 8 clips in its layout, and the released evaluator, converted, at full size."""
    root, rng = tmp_path_factory.mktemp("worlds"), np.random.default_rng(0)
    glove, made = write_glove(root / "glove"), {}
    for name, entry in (("humanml3d", "t2m"), ("kit", "kit")):
        data, width = root / f"data-{name}", WIDTH[name]
        for part in (FEATURES, TEXTS):
            (data / part).mkdir(parents=True)
        keys = [f"{i:06d}" for i in range(8)]
        for key in keys:
            motion = rng.normal(size=(int(rng.integers(44, 56)), width)) * 0.1
            np.save(data / FEATURES / f"{key}.npy", motion.astype(np.float32))
            (data / TEXTS / f"{key}.txt").write_text("a person walks#a/DET person/NOUN walk/VERB#0.0#0.0\n")
        write_split(data, "test", keys)
        write_statistics(data, np.zeros(width), np.ones(width))
        own = [f"--{what}={recordings.path(f't2m_evaluator/evaluator_{entry}_{what}.npy')}" for what in ("mean", "std")]
        released = write_guo(root / entry, manifest, entry, legacy=entry == "kit")
        out = root / f"guo-{name}"
        main(["convert", "guo", str(released), str(out), *own, "--words", f"glove:{glove}", "--dataset", name])
        made[name] = data, out
    return made


@pytest.fixture
def measured(worlds: dict[str, tuple[Path, Path]], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs ``sopo eval`` on a converted model: the row of what was measured."""

    def run(dataset: str, *what: str, evaluator: Path | None = None) -> dict[str, Any]:
        data, guo = worlds[dataset]
        flags = ["--data", str(data), "--evaluator", str(evaluator or guo), "--out", str(tmp_path / "table.json")]
        main(["eval", *flags, *what, "--runs", "1", "--pool", "4", "--sampling.steps", "2"])
        record = json.loads((tmp_path / "table.json").read_text())
        (row,) = (record["rows"][name] for name in record["rows"].keys() - {"real"})
        return row

    return run


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs ``sopo convert`` on bad input: exit code 2, one line, which is returned, and nothing written."""

    def run(system: str, path: Path, out: Path, *flags: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(SystemExit) as stopped:
            main(["convert", system, str(path), str(out), *flags])
        assert stopped.value.code == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("sopo: "), lines
        assert sorted(tmp_path.rglob("*")) == before
        return lines[0]

    return run
