"""A study of a few moving bodies, and a server of its own for the tests of pages."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from moving_body import make_joints

from sopo.motion.skeleton import HUMANML3D
from sopo.people.store import Pair
from sopo.people.study import Study

JSON = {"Content-Type": "application/json"}
MakeStudy = Callable[..., Study]


def small_study(
    folder: Path, pairs: int = 20, shared: int = 0, tests: int = 0, caption: str = "a person walks", **asking: float
) -> Study:
    """A study of ``pairs`` pairs, ``shared`` of them for two people, and ``tests`` tests."""
    study = Study.make(folder, HUMANML3D, {"seed": 0, "complete": True, **asking})
    places = [study.save(str(seed), make_joints(HUMANML3D, 12 + seed, seed)) for seed in range(2)]
    rows = [Pair(f"{caption} {n}", *places, "base", "new", "", 2 if n < shared else 1) for n in range(pairs)]
    rows += [Pair(f"test {n}", *places, "real", "noise", "a") for n in range(tests)]
    study.store.add_pairs(rows, 1)
    return study


class Server:
    """``sopo ARGUMENTS --port 0`` in a process of its own."""

    def __init__(self, *arguments: str, port: int = 0) -> None:
        command = [sys.executable, "-m", "sopo.cli.main", *arguments, "--port", str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._process.stdout
        self.said = []
        for line in self._process.stdout:
            self.said.append(line)
            if found := re.match(r"(http://([^:/]+):(\d+)/)", line):
                self.link, self.host, self.port = line.strip(), found[2], int(found[3])
                self._drain = threading.Thread(target=self._process.stdout.read, daemon=True)
                self._drain.start()
                return
        raise AssertionError("".join(self.said))

    def kill(self) -> None:
        """As the power goes."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer; path and headers go out as they are."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        sent = {"Host": f"127.0.0.1:{self.port}", **(JSON if method == "POST" else {}), **(headers or {})}
        if content is not None:
            sent.setdefault("Content-Length", str(len(content)))
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders()
        with contextlib.suppress(OSError):  # refused before it was read
            connection.send(content or b"")
        answer = connection.getresponse()
        told = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return told

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        status, _, content = self.ask("POST", path, body)
        return {"status": status, **json.loads(content)}
