"""A model, or a file of mined pairs, to the Hugging Face hub: what belongs to it, and nothing else of its folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sopo.cards import CARD, LICENCE, LOAD, read_card, set_parts, split_parts, without_places
from sopo.errors import UserError, reason
from sopo.folders import CONFIG_FILE, HUB_NAME, PAIRS_FILE, WEIGHTS_FILE, read_config
from sopo.preference.pairs import PairStore
from sopo.weights import read_header

BLOCK, OVERLAP = 1 << 24, 1 << 10  # bytes looked through at a time

# What a secret looks like; where one is, nothing is sent.
SECRETS: dict[str, re.Pattern[bytes]] = {
    "a Hugging Face token": re.compile(rb"\b(hf|api_org)_[A-Za-z0-9]{30,}"),
    "a GitHub token": re.compile(rb"\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})"),
    "an API key": re.compile(rb"\b(sk-[A-Za-z0-9_-]{32,}|AIza[A-Za-z0-9_-]{35}|xox[abprs]-[A-Za-z0-9-]{20,})"),
    "an AWS key": re.compile(rb"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in an address": re.compile(rb"\b[a-z]{3,8}://[\w.%+-]{1,64}:[^\s/@\x00-\x1f\x7f-\xff]{4,64}@[\w.-]+"),
}


@dataclass(frozen=True)
class Parcel:
    """What is sent. files: name on the hub -> file here, or text. left: names in the folder that stay here."""

    what: Literal["model", "dataset"]
    files: dict[str, Path | str]
    left: list[str]


def push(source: Path, name: str, licence: str | None, revision: str | None, private: bool, dry_run: bool) -> Parcel:
    """Send ``source`` to the hub as ``name``, ORG/NAME, on the branch ``revision``; dry_run: only say what would go.

    licence: an identifier of the hub, such as mit, written into the model's card. The login is that of huggingface_hub
    (HF_TOKEN, or `hf auth login`). Raises UserError if there is nothing to send, a secret is in it, or the hub refuses.
    """
    found = HUB_NAME.fullmatch(name)
    if found is None or found["revision"]:
        raise UserError(f"{name!r} is no name on the hub: write ORG/NAME (and --revision BRANCH)")
    parcel = _pairs(source, name, licence) if source.is_file() else _model(source, name, licence, dry_run)
    for file, content in parcel.files.items():
        if secret := _secret(content):
            raise UserError(f"{source / file if source.is_dir() else source}: holds {secret}; nothing was sent")
    if not dry_run:
        _send(parcel, name, revision, private)
    return parcel


def _model(folder: Path, name: str, licence: str | None, dry_run: bool) -> Parcel:
    read_config(folder)
    parts = [folder, *sorted(path.parent for path in folder.glob(f"*/{CONFIG_FILE}") if not _is_round(path.parent))]
    files: dict[str, Path | str] = {}
    for part in parts:
        read_header(part / WEIGHTS_FILE)  # refuses what is missing or cut short
        for file in (CONFIG_FILE, WEIGHTS_FILE):
            files[(part / file).relative_to(folder).as_posix()] = part / file
    card = read_card(folder)
    if card is None and not (folder / CARD).is_file():
        raise UserError(f"{folder}: has no model card; load the model and save it again, which writes one")
    if card is not None and licence and not dry_run:
        set_parts(folder, {LICENCE: f"`{licence}`"}, {"license": licence})
    text = (folder / CARD).read_text(encoding="utf-8")
    if card is not None and (loading := split_parts(text)[1].get(LOAD)):
        text = text.replace(loading, re.sub(rf'(?<=["@]){re.escape(folder.name)}(?=")', name, loading))
    known = {Path(file).parts[0] for file in files} | {CARD}
    left = sorted(path.name for path in folder.iterdir() if path.name not in known)
    return Parcel("model", {CARD: text, **files}, left)


def _is_round(folder: Path) -> bool:
    return re.fullmatch(r"round-\d+", folder.name) is not None


def _pairs(file: Path, name: str, licence: str | None) -> Parcel:
    from huggingface_hub import DatasetCard, DatasetCardData

    store = PairStore(file)
    data = DatasetCardData(license=licence, tags=["text-to-motion", "preference", "sopo"], pretty_name=name)
    origin = "\n".join(f"| {key} | {without_places(str(value))} |" for key, value in sorted(store.origin.items()))
    text = f"""# {name}

{len(store)} captions, {store.K} motions of one generator for each, ranked by a reward: preference pairs for offline DPO
and MoDiPO.

## How they were made

By `sopo pairs mine`; hashes are sha256 of weights and of the list of clips.

| | |
| --- | --- |
{origin}

## Columns

- `key`, `start`, `length`: which clip of the data, from which frame, how many. `caption`, `tokens`: what was asked for.
- `scores` [K]: rewards, best first. `seed`: of the noise.
- `chosen`, `between`, `rejected`: the motions in the generator's own space, `dtype` and `shape` each, best first;
  `between` is empty where the pair alone was kept.

## Licence

{f"`{licence}`" if licence else "Not stated. It hangs on the captions and on the generator."}

## Use it

```sh
sopo align --method modipo --pairs {name} --generator GENERATOR --reward REWARD --data DATA --out OUT
```

The generator and the data have to be those of the hashes above.
"""
    card = DatasetCard(f"---\n{data.to_yaml()}\n---\n\n{text}")
    return Parcel("dataset", {CARD: str(card), PAIRS_FILE: file}, [])


def _secret(content: Path | str) -> str | None:
    """What kind of secret is in a file or text; None if there is none."""
    for block in [content.encode()] if isinstance(content, str) else _blocks(content):
        for what, pattern in SECRETS.items():
            if pattern.search(block):
                return what
    return None


def _blocks(path: Path) -> Iterator[bytes]:
    """A file in pieces that overlap, so that nothing short is cut in two."""
    tail = b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield tail + block
            tail = block[-OVERLAP:]


def _send(parcel: Parcel, name: str, revision: str | None, private: bool) -> None:
    from huggingface_hub import CommitOperationAdd, HfApi

    operations = [
        CommitOperationAdd(file, content.encode() if isinstance(content, str) else str(content))
        for file, content in parcel.files.items()
    ]
    try:
        api = HfApi()
        api.create_repo(name, repo_type=parcel.what, private=private, exist_ok=True)
        if revision:
            api.create_branch(name, branch=revision, repo_type=parcel.what, exist_ok=True)
        message = "Add the model" if parcel.what == "model" else "Add the pairs"
        api.create_commit(name, operations, commit_message=message, repo_type=parcel.what, revision=revision)
    # Its errors are of many libraries.
    except Exception as error:
        raise UserError(f"{name}: the Hugging Face hub does not take it ({scrubbed(reason(error))})") from error


def scrubbed(text: str) -> str:
    """``text`` without what looks like a secret."""
    data = text.encode()
    for pattern in SECRETS.values():
        data = pattern.sub(b"***", data)
    return data.decode("utf-8", "replace")
