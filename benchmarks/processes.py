"""What a second process saves: the same jobs by one and by two processes of one thread each.

    .venv/bin/python benchmarks/processes.py

Time is of the CPU, so that neighbours on the machine do not count; its start is left out. ``scaling`` is the time of
one process over twice that of the slower of two: 1 where the work is halved and nothing is added. By the clock two
processes also wait for each other; where cores are free, ``--clock`` measures that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from sopo.corpus.settings import CorpusConfig
from sopo.device import all_shares, own_share, state
from sopo.diffusion.settings import Sampling
from sopo.evaluation.settings import ProtocolConfig
from sopo.folders import shipped
from sopo.preference.settings import PreferenceConfig
from sopo.recipes.align import prepare
from sopo.recipes.corpus import made_corpus
from sopo.recipes.evaluate import measure_systems
from sopo.recipes.mine import mine
from sopo.recipes.presets import loop_stable, stable
from sopo.recipes.settings import MineConfig
from sopo.training.loop import fit
from sopo.training.progress import console
from sopo.training.settings import LoopConfig

SAMPLING = Sampling("ddim", 10, 2.5)


def jobs(data: Path, out: Path, steps: int) -> dict[str, Callable[[], object]]:
    """Name -> the job, which writes below ``out``."""
    generator, reward, evaluator = (shipped(name) for name in ("mdm", "reward", "evaluator"))
    preference = PreferenceConfig(**stable("mdm"))
    loop = LoopConfig(**(loop_stable("mdm") | {"steps": steps, "track": (), "checkpoint_every": 0}))
    made = prepare(data, generator, reward, preference, loop)  # which every process does by itself
    mining, protocol = MineConfig(captions=512, sampling=SAMPLING), ProtocolConfig(runs=2)
    return {
        "align": lambda: fit(made.objective, made.batches, loop, out / "run"),
        "pairs mine": lambda: mine(data, generator, reward, out / "pairs.parquet", mining),
        "eval": lambda: measure_systems({"mdm": generator}, {}, data, "test", evaluator, SAMPLING, protocol),
    }


def worker(data: Path, out: Path, steps: int, by_clock: bool) -> None:
    """One of the processes: seconds of each job, those of all processes, as one line of the first."""
    torch.set_num_threads(1)
    console.quiet = True
    clock = time.monotonic if by_clock else time.process_time
    taken = {}
    for name, job in jobs(data, out, steps).items():
        state().wait_for_everyone()
        before = clock()
        job()
        taken[name] = all_shares([clock() - before] * len(own_share(range(state().num_processes))))
    if state().is_main_process:
        print(json.dumps(taken))


def measure(processes: int, flags: argparse.Namespace, data: Path) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as out:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        words = [__file__, "--worker", str(data), out, "--steps", str(flags.steps), *(["--clock"] * flags.clock)]
        one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # a process's own setting does not reach its backward pass
        done = subprocess.run([*launch, *words], capture_output=True, text=True, check=True, env=one_thread)
    told: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8, help="of align, a batch of 64 each")
    parser.add_argument("--clock", action="store_true", help="seconds of the clock, on a machine that is idle")
    parser.add_argument("--worker", nargs=2, type=Path, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.worker:
        worker(*flags.worker, flags.steps, flags.clock)
        return
    with tempfile.TemporaryDirectory() as folder:
        data = made_corpus(Path(folder) / "data", CorpusConfig(train=300, val=0, test=128))
        one, two = (measure(processes, flags, data) for processes in (1, 2))
    print(f"{'job':<12}{'one, s':>10}{'two, s':>18}{'scaling':>10}")
    scaling = {name: one[name][0] / (2 * max(two[name])) for name in one}
    for name, value in scaling.items():
        both = " and ".join(f"{seconds:.1f}" for seconds in two[name])
        print(f"{name:<12}{one[name][0]:>10.1f}{both:>18}{value:>10.2f}")
    print("ratios:", " ".join(f"{name.replace(' ', '-')}={value:.2f}" for name, value in scaling.items()))


if __name__ == "__main__":
    main()
