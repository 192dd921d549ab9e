"""Two processes find what one finds, and where one of them dies the run goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import two_processes

from sopo.cli.main import main
from sopo.training.log import read_log

HERE = Path(__file__).parent
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def launch(commands: list[list[str]], folder: Path) -> subprocess.CompletedProcess[str]:
    """Two processes, a thread each, that run the commands one after another."""
    (folder / "commands.json").write_text(json.dumps(commands))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "SOPO_DIES": str(folder / "died")}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), environment.get("PYTHONPATH", "")])
    script = [str(HERE / "two_processes.py"), str(folder / "commands.json")]
    return subprocess.run([*LAUNCH, *script], env=environment, cwd=folder, capture_output=True, text=True, timeout=400)


def commands(world, out: Path) -> list[list[str]]:
    models = ["--generator", str(world.generators["mdm"]), "--data", str(world.data)]
    reward = ["--reward", str(world.reward)]
    small = ["--runs", "3", "--sampling.steps", "1", "--out", str(out / "eval.json")]
    drawn = ["sample", *(f"a person walks {n}" for n in range(5)), "--repeats", "100", "--sampling.steps", "1"]
    steps = ["--steps", "3", "--batch_size", "4", "--rollout.steps", "2"]
    mined = ["--captions", "10", "--sampling.steps", "2", "--out", str(out / "p.parquet")]
    return [
        ["align", *models, *reward, *steps, "--out", str(out / "aligned")],
        ["eval", *models, "--evaluator", str(world.evaluator), *small],
        ["pairs", "mine", *models, *reward, *mined],
        [*drawn, "--generator", str(world.generators["mdm"]), "--formats", "npy", "--out", str(out / "sample")],
    ]


@pytest.mark.slow
def test_commands_give_the_same_with_two_processes(world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    done = launch(commands(world, tmp_path / "two"), tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("aligned generator:") == 1  # the second is silent
    for words in commands(world, tmp_path / "one"):
        main(words)
    one, two = (read_log(tmp_path / name / "aligned" / "run" / "log.jsonl") for name in ("one", "two"))
    for alone, shared in zip(one, two, strict=True):
        for name in ("loss", "vu", "h_w", "S", "reward/all", "reward/preferred", "error_w", "gradient_norm", "budget"):
            assert shared[name] == pytest.approx(alone[name], rel=1e-3, abs=1e-5), name
    tables = [json.loads((tmp_path / name / "eval.json").read_text())["rows"] for name in ("one", "two")]
    assert [list(table) for table in tables] == [list(tables[0])] * 2
    values = [[s["mean"] for row in table.values() for s in row.values()] for table in tables]
    assert values[0] == pytest.approx(values[1], rel=1e-6, nan_ok=True)
    assert (tmp_path / "one" / "p.parquet").read_bytes() == (tmp_path / "two" / "p.parquet").read_bytes()
    files = sorted(path.name for path in (tmp_path / "one" / "sample").glob("*.npy"))
    assert len(files) == 500
    for file in files[::50]:
        both = [np.load(tmp_path / name / "sample" / file) for name in ("one", "two")]
        np.testing.assert_allclose(*both, atol=1e-5)


@pytest.mark.slow
def test_a_run_one_of_whose_processes_is_killed_goes_on(world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = ["--generator", str(world.generators["mdm"]), "--data", str(world.data)]
    steps = ["--steps", "6", "--batch_size", "4", "--rollout.steps", "2", "--checkpoint_every", "1", "--K", "2"]
    words = ["align", *models, "--reward", "two_processes:dies", "--method", "usopo", *steps]
    killed = launch([[*words, "--out", str(tmp_path / "out")]], tmp_path)
    assert killed.returncode != 0 and (tmp_path / "died").exists()
    assert "sopo: another process of this run has ended" in killed.stderr or "sopo: told to stop" in killed.stderr
    assert 0 < len(read_log(tmp_path / "out" / "run" / "log.jsonl")) < 6
    again = launch([[*words, "--out", str(tmp_path / "out")]], tmp_path)
    assert again.returncode == 0, again.stderr[-3000:]
    monkeypatch.setenv("SOPO_DIES", str(tmp_path / "died"))
    monkeypatch.setattr(two_processes, "dies", two_processes.Dies())
    main([*words, "--out", str(tmp_path / "unbroken")])
    logs = [read_log(tmp_path / name / "run" / "log.jsonl") for name in ("out", "unbroken")]
    assert [line["loss"] for line in logs[0]] == pytest.approx([line["loss"] for line in logs[1]], abs=1e-5)
