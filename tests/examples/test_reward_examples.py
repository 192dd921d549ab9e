"""The examples of rewards, run as their users run them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import numpy as np
import pytest
import torch

from sopo.batch import as_captions
from sopo.cli.main import main
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.errors import UserError
from sopo.recipes.build import load_reward
from sopo.training.log import read_log

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("own_reward", "http_reward")
TINY = ["--steps", "1", "--batch_size", "2", "--rollout.steps", "1", "--generator", "shipped/mdm"]


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    monkeypatch.chdir(EXAMPLES)
    yield
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rewards") / "corpus"
    make_corpus(folder, CorpusConfig(train=8, val=0, test=0))
    return folder


def score(reward: str, seed: int = 0) -> torch.Tensor:
    x = 0.3 * torch.randn(2, 40, 263, generator=torch.Generator().manual_seed(seed))
    return load_reward(reward, 263).score(x, torch.tensor([40, 24]), as_captions(["walk", "jump"]))


def test_end_of_pelvis_prefers_what_ends_there() -> None:
    from own_reward import TARGET, end_of_pelvis  # type: ignore[import-not-found]

    joints = np.zeros((2, 5, 22, 3))
    joints[0, 3, 0, [0, 2]] = TARGET
    near, far = end_of_pelvis(joints, np.array([4, 5]), ["a", "b"])
    assert near == 1 > far > 0


def test_aligning_with_it_and_with_tmr(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    align = ["align", *TINY, "--data", str(corpus)]
    own = "own_reward:end_of_pelvis"
    main([*align, "--method", "usopo", "--reward", own, "--out", str(tmp_path / "own")])
    [line] = read_log(tmp_path / "own" / "run" / "log.jsonl")
    assert line[f"reward/{own}/calls"] >= 1 and line[f"reward/{own}/retries"] == 0
    main([*align, "--reward", f"0.5*{own} + 1*shipped/reward", "--out", str(tmp_path / "both")])
    [line] = read_log(tmp_path / "both" / "run" / "log.jsonl")
    assert 0 < line[f"reward/{own}"] < 1 and 0 < line["reward/shipped/reward"] < 1 and "S" in line
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main([*align, "--reward", own, "--out", str(tmp_path / "none")])
    assert "has no motion embedding" in capsys.readouterr().err and not (tmp_path / "none").exists()


class Service(BaseHTTPRequestHandler):
    """Scores by the number of frames; ``behaviours`` say what it does first."""

    behaviours: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        behaviour = self.behaviours.pop() if self.behaviours else "answer"
        if behaviour == "sleep":
            time.sleep(0.5)
        self.send_response(500 if behaviour == "fail" else 200)
        self.end_headers()
        if behaviour == "answer":
            self.wfile.write(json.dumps({"rewards": [len(clip) / 100 for clip in asked["joints"]]}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("REWARD_URL", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield server
        Service.behaviours = []
        server.shutdown()
        thread.join()


def test_a_service_that_fails_or_sleeps_is_asked_again(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    reward = load_reward("http_reward:reward", 263)
    monkeypatch.setattr(sys.modules["http_reward"], "TIMEOUT", 0.2)
    monkeypatch.setattr(reward, "pause", 0.0)
    Service.behaviours = ["fail", "sleep"]
    assert score("http_reward:reward").tolist() == pytest.approx([0.4, 0.24])
    assert reward.report()["reward/http_reward:reward/retries"] == 2


def test_a_dead_service_ends_in_one_line(service: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARD_URL", "http://127.0.0.1:9/")
    reward = load_reward("http_reward:reward", 263)
    monkeypatch.setattr(reward, "pause", 0.0)
    with pytest.raises(UserError, match="reward http_reward:reward: failed 3 times, at last with URLError") as refused:
        score("http_reward:reward", seed=1)
    assert "\n" not in str(refused.value)
