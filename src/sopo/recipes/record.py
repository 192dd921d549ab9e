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
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sopo.device import state
from sopo.folders import CHECKPOINTS
from sopo.json_files import read_json
from sopo.pretrained import Pretrained

RUN = Path("run", "run.json")  # of what was trained into a folder
SHOWN = ("generator", "data", "reward", "labels", "pairs", "rounds", "tau")  # of a run.json, in a model card
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
    """Save ``model`` in eval mode, and say in its card what ``folder/run/run.json`` says of the run that made it.

    Of several processes the first alone writes, and all wait for it.
    """
    if state().is_main_process:
        model.eval().save_pretrained(folder)
        write_model_card(model, folder)
    state().wait_for_everyone()


def write_model_card(model: Pretrained, folder: Path) -> None:
    """The card of ``model`` in ``folder``, with what its run.json says, if it has one."""
    model.write_card(folder, card_rows(read_json(folder / RUN)) if (folder / RUN).is_file() else None)


def card_rows(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a model card says of a run: setting -> value, from its run.json."""
    configs = {name: value for name, value in record.items() if name.endswith("Config")}
    facts = record["environment"]
    seed = next((config["seed"] for config in configs.values() if "seed" in config), None)
    rows = {"base" if name == "generator" else name: record[name] for name in SHOWN if record.get(name) is not None}
    rows |= {"method": configs.get("PreferenceConfig", {}).get("method"), "seed": seed}
    rows |= {name.removesuffix("Config"): _told(value) for name, value in configs.items()}
    rows |= {"with": ", ".join(f"{name} {number}" for name, number in facts["packages"].items())}
    rows |= {"on": facts["machine"], "commit": facts["commit"]}
    told = {name: str(value).replace(str(CHECKPOINTS), "shipped") for name, value in rows.items() if value is not None}
    return {name: value for name, value in told.items() if value}


def _told(settings: Mapping[str, Any]) -> str:
    """Settings in a line, those of a nested config with a dot."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= {f"{name}.{part}": entry for part, entry in value.items()} if isinstance(value, dict) else {name: value}
    return ", ".join(f"{name} {value}" for name, value in flat.items() if value is not None)


def write_json(path: Path, content: Any) -> None:
    """Write JSON beside ``path``, then rename, so that no reader sees half a file; of several processes the first."""
    if not state().is_main_process:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.partial")
    staging.write_text(json.dumps(content, indent=2, default=str) + "\n")
    staging.replace(path)
