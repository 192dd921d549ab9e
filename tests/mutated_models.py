"""Model folders as strangers may send them: ``python mutated_models.py SEED COUNT`` mutates, loads and reports as JSON.

A process of its own, for the memory that it may ask for is limited, and what it has imported is reported too.
"""

from __future__ import annotations

import copy
import json
import os
import random
import resource
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from sopo.errors import UserError
from sopo.folders import CHECKPOINTS, CONFIG_FILE, WEIGHTS_FILE
from sopo.generators.length_estimator import LengthEstimator
from sopo.generators.motion_vae import MotionVAE
from sopo.generators.rvq_vae import RVQVAE
from sopo.generators.settings import LengthEstimatorConfig, MotionVAEConfig, RVQVAEConfig
from sopo.recipes.build import load_generator, load_matcher, load_reward
from sopo.rewards.bradley_terry import BradleyTerry
from sopo.rewards.settings import BradleyTerryConfig

ROOM = 512 << 20  # bytes of address space above what loading the models has taken
VALUES: list[Any] = [
    *(0, -1, 1, 2, 3, 7, 1.5, -0.0, 1e308, 10**3, 10**6, 10**9, 10**12, 10**30, 2**31, 2**63, 10**400),
    *(float("nan"), float("inf"), True, False, None, [], [1], [[[]]], {}, {"width": 10**12}, [10**12] * 1000),
    *("", "x", "10", "x" * 100_000, "a\nb\x1b[31m", "encoder", "decoder", "glove:/", "clip-vit-l14"),
    *("hashed-0", "hashed-8", "hashed-64", "hashed-99999", "hashed-" + "9" * 5000, "hashed-\u0661\u0662"),
]
TEXTS = ["", "null", "[]", "{}", "[" * 10**5, '{"a":' * 10**5, '{"kind": ["mdm"]}', '{"kind": {}}', " " * (2 << 20)]
DTYPES = ["F64", "F16", "BF16", "I64", "BOOL", "U8", "F8_E4M3", "X", "", 3, None]
SHAPES = [[], [0], [-1], [10**12], [2**63], [2**32, 2**32], [1] * 1000, "x", None, [1.5]]
PLACES = [[0, 0], [0, 10**12], [-1, 4], [4, 0], [2**64, 2**65], [0], None, "x"]


def models(work: Path) -> dict[str, tuple[Path, Callable[[Path], Any]]]:
    """Name -> a sound folder, and what loads it: every kind that is saved, and those that hold others inside."""
    small = {
        "vae": MotionVAE(MotionVAEConfig(width=32, feedforward=32, layers=3, latent_width=16)),
        "rvq": RVQVAE(RVQVAEConfig(width=16, code_dim=16, codes=32)),
        "length": LengthEstimator(LengthEstimatorConfig(text_width=16)),
        "preference": BradleyTerry(BradleyTerryConfig()),
    }
    folders = {name: model.eval().save_pretrained(work / name) for name, model in small.items()}
    shipped = dict.fromkeys(("mdm", "mld", "momask", "flow"), load_generator) | {"reward": load_matcher}
    loaders: dict[str, Callable[[Path], Any]] = {
        **shipped,
        "evaluator": load_matcher,
        "vae": MotionVAE.from_pretrained,
        "rvq": RVQVAE.from_pretrained,
        "length": LengthEstimator.from_pretrained,
        "preference": lambda folder: load_reward(folder, 263),
    }
    return {name: (folders.get(name, CHECKPOINTS / name), load) for name, load in loaders.items()}


def places(entries: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every entry of a JSON object, and of those inside it, as (the object, the entry's name)."""
    for name, value in entries.items():
        yield entries, name
        if isinstance(value, dict):
            yield from places(value)


def mutate_config(folder: Path, rng: random.Random) -> None:
    """Other values, other entries, other text, other bytes, or no file at all."""
    path = folder / CONFIG_FILE
    config = json.loads(path.read_text())
    what = rng.randrange(12)
    if what < 7:
        for _ in range(rng.choice((1, 1, 2))):
            entries, name = rng.choice(list(places(config)))
            entries[name] = copy.deepcopy(rng.choice(VALUES))
    elif what == 7:
        entries, name = rng.choice(list(places(config)))
        del entries[name]
    elif what == 8:
        config[rng.choice(("x", "self", "__class__", ""))] = rng.choice(VALUES)
    data = json.dumps(config).encode()
    if what == 9:
        data = rng.choice(TEXTS).encode()
    elif what == 10:
        data = spoilt(data, len(data), rng)
    elif what == 11:
        data = rng.choice([data[:-1] + b', "kind": "mdm"}', data.decode().encode("utf-16"), data[: rng.randrange(99)]])
    path.write_bytes(data)


def mutate_weights(folder: Path, rng: random.Random) -> None:
    """Another header, another length of it, a file cut short or too long, numbers that are none."""
    path = folder / WEIGHTS_FILE
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    what, name = rng.randrange(11), rng.choice(list(header))
    if what < 5:
        if what < 3:
            key, values = [("dtype", DTYPES), ("shape", SHAPES), ("data_offsets", PLACES)][what]
            header[name][key] = rng.choice(values)  # type: ignore[arg-type]
        elif what == 3:
            header[rng.choice(("x", "", "a\nb", "y" * 10_000, "__metadata__"))] = header.pop(name)
        else:
            header[name] = rng.choice([None, 1, {}, header[rng.choice(list(header))]])
        text = json.dumps(header).encode()
        data = struct.pack("<Q", len(text)) + text + body
    elif what == 5:
        data = struct.pack("<Q", rng.choice([0, 1, size - 1, size + 1, 10**8, 10**12, 2**63, 2**64 - 1])) + data[8:]
    elif what == 6:
        data = data[: rng.choice([0, 1, 8, 9, size, size + 8, len(data) - 1])]
    elif what == 7:
        data += bytes(8)
    elif what == 8:
        data = spoilt(data, 8 + size, rng)
    elif what == 9:
        at = 8 + size + 4 * rng.randrange(len(body) // 4)
        data = data[:at] + struct.pack("<f", rng.choice([float("nan"), float("inf")])) + data[at + 4 :]
    path.write_bytes(data)
    if what == 10:
        path.unlink()
        rng.choice([path.mkdir, lambda: path.symlink_to("/dev/zero"), lambda: os.mkfifo(path)])()


def spoilt(data: bytes, size: int, rng: random.Random) -> bytes:
    """Some of the first ``size`` bytes at random."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 20))):
        changed[rng.randrange(size)] = rng.randrange(256)
    return bytes(changed)


def attempt(load: Callable[[Path], Any], folder: Path) -> str:
    """``loaded``, ``refused``, or what went wrong."""
    try:
        load(folder)
    except UserError as error:
        return "refused" if str(error).isprintable() and len(str(error)) < 1000 else f"not a short line: {error!s:.300}"
    except BaseException as error:
        return repr(error)
    return "loaded"


def main(seed: int, count: int) -> None:
    torch.set_num_threads(1)
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        sound = models(work)
        results: dict[str, int] = {}
        for source, load in sound.values():
            load(source)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
        for number in range(count):
            kind = rng.choice(list(sound))
            folder, (source, load) = work / f"{number}", sound[kind]
            shutil.copytree(source, folder)
            rng.choice((mutate_config, mutate_config, mutate_weights))(folder, rng)
            result = attempt(load, folder)
            if result not in ("loaded", "refused"):
                result = f"{number} {kind}: {result}"
            results[result] = results.get(result, 0) + 1
            shutil.rmtree(folder)
    print(json.dumps({"results": results, "imported": sorted({name.split(".")[0] for name in sys.modules})}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
