"""What an answer costs the page of `sopo label serve`: people who answer by script, as fast as they can, on one server.

python benchmarks/labelling.py [PEOPLE] [ANSWERS]      (2 and 1,000 by default)

Every answer is committed to the disk before the next pair is sent. The baseline is the same requests where nothing is
stored and no motion is sent (`GET /`), on the same server in the same run. Fails if an answer is lost or counted twice.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from sopo.motion.skeleton import HUMANML3D
from sopo.people.store import Pair
from sopo.people.study import Study

FRAMES = 120  # of a motion: six seconds
SAID = ("left", "right", "both_good", "both_bad")


def make_study(folder: Path, pairs: int) -> Study:
    """Bodies that drift, twenty files of raw features."""
    study = Study.make(folder, HUMANML3D, {"seed": 0, "complete": True})
    rng = np.random.default_rng(0)
    places = [study.save(str(n), rng.normal(0, 0.05, (FRAMES, HUMANML3D.num_features))) for n in range(20)]
    rows = [Pair(f"a person walks {n}", places[n % 20], places[(n + 7) % 20], "a", "b") for n in range(pairs)]
    study.store.add_pairs(rows, 1)
    return study


def ask(line: HTTPConnection, method: str, path: str, body: dict | None = None) -> tuple[float, bytes]:
    """Milliseconds and content of an answer."""
    start = time.perf_counter()
    line.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    content = line.getresponse().read()
    return 1000 * (time.perf_counter() - start), content


def person(name: str, port: int, answers: int, times: list[float]) -> None:
    """Begin, and answer until it is enough."""
    line = HTTPConnection("127.0.0.1", port)
    told = json.loads(ask(line, "POST", "/begin", {"name": name})[1])
    for number in range(answers):
        answer = {"name": name, "question": told["question"]["id"], "answer": SAID[number % 4], "seconds": 0.5}
        took, content = ask(line, "POST", "/answer", answer)
        times.append(took)
        told = json.loads(content)


def main(people: int = 2, answers: int = 1000) -> None:
    """Print quantiles in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        study = make_study(Path(folder) / "study", people * answers + people)
        command = [sys.executable, "-m", "sopo.cli.main", "label", "serve", str(study.folder), "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            found = re.search(r":(\d+)/", server.stdout.readline())
            assert found, "the server says where it is"
            port, line = int(found[1]), HTTPConnection("127.0.0.1", int(found[1]))
            plain = [ask(line, "GET", "/")[0] for _ in range(answers)]
            times: list[float] = []
            names = [f"person {n}" for n in range(people)]
            asked = [threading.Thread(target=person, args=(name, port, answers, times)) for name in names]
            start = time.perf_counter()
            for thread in asked:
                thread.start()
            for thread in asked:
                thread.join()
            seconds = time.perf_counter() - start
        finally:
            server.kill()
            server.wait()
        labels = study.store.labels()
    assert len(labels) == people * answers, f"{people * answers - len(labels)} answers are lost"
    assert len({label.pair for label in labels}) == len(labels), "a pair was answered twice"
    for name, values in (("nothing stored, nothing sent", plain), ("an answer", times)):
        p50, p95, p99 = np.percentile(values, (50, 95, 99))
        print(f"{name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms")
    print(f"ratio of the medians: {np.median(times) / np.median(plain):.1f}")
    print(f"{len(labels)} answers of {people} people in {seconds:.1f} s, none lost, none double")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
