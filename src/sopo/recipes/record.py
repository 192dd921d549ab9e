"""What a run was: its settings, seed, commit and package versions, kept beside its results."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from accelerate import PartialState

from sopo.pretrained import Pretrained

PACKAGES = ("sopo", "torch", "numpy", "accelerate")


def environment() -> dict[str, Any]:
    """Package versions, Python, machine and (in a checkout) the commit."""
    commit = None
    if git := shutil.which("git"):
        asked = [git, "rev-parse", "HEAD"]
        answer = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
        commit = answer.stdout.strip() or None
    return {
        "packages": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "commit": commit,
    }


def provenance() -> str:
    """The command, the day and the machine, for the head of a page of results."""
    facts = environment()
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return f"Written by `{command}` on {datetime.date.today()} ({facts['machine']}, torch {facts['packages']['torch']})"


def save_model(model: Pretrained, folder: Path) -> None:
    """Save ``model`` in eval mode; of several processes the first alone writes, and all wait for it."""
    if PartialState().is_main_process:
        model.eval().save_pretrained(folder)
    PartialState().wait_for_everyone()


def write_json(path: Path, content: Any) -> None:
    """Write JSON beside ``path``, then rename, so that no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.partial")
    staging.write_text(json.dumps(content, indent=2, default=str) + "\n")
    staging.replace(path)
