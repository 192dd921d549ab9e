"""Commands for several processes: ``torchrun --nproc_per_node 2 two_processes.py COMMANDS.json``, lists of arguments.

``dies`` is a reward that kills its process in the middle of a run, once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from numpy.typing import NDArray

from sopo.cli.main import main
from sopo.device import state

CALLS = 6  # of the reward, until it dies: the first look at the rewards and some steps


class Dies:
    """Half of the mean height of a motion; kills the second process, once: ``SOPO_DIES`` is the mark of it."""

    calls = 0

    def __call__(self, joints: NDArray, lengths: NDArray, captions: list[str]) -> NDArray:
        self.calls += 1
        mark = Path(os.environ["SOPO_DIES"])
        if state().process_index == 1 and self.calls == CALLS and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return joints[..., 1].mean((1, 2)) / 2


dies = Dies()

if __name__ == "__main__":
    torch.set_num_threads(1)
    for words in json.loads(Path(sys.argv[1]).read_text()):
        main(words)
    assert state().num_processes == 2
