"""What an official data set consists of, before anything of it is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sopo.data.official.clips import Cut, JointsOf
from sopo.errors import UserError
from sopo.motion.skeleton import Skeleton


@dataclass(frozen=True)
class Plan:
    """Clips and where they come from.

    cuts: a clip each, to which its mirror image M... is added. captions: caption files by clip id, mirror images
    too. lists: ids by the name of the list (all, train, val, test ...). outside_statistics: ids that count in
    neither mean nor std. reference: folder of published statistics and samples to compare with. fingerprint: what
    must not change while the data set is built.
    """

    name: str
    skeleton: Skeleton
    joints_of: JointsOf
    cuts: tuple[Cut, ...]
    captions: Mapping[str, bytes]
    lists: Mapping[str, tuple[str, ...]]
    fingerprint: Mapping[str, str]
    outside_statistics: tuple[str, ...] = ()
    reference: Path | None = None


def read_ids(path: Path) -> tuple[str, ...]:
    """A list of clip ids, one a line; UserError if it is missing or holds anything but ids."""
    try:
        ids = path.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; expected the list of clips that is published with the data set"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a list of clip ids ({error})") from error
    if wrong := [key for key in ids if not re.fullmatch(r"M?\d{1,9}", key)]:
        raise UserError(f"{path}: {wrong[0][:40]!r} is no clip id")
    return tuple(dict.fromkeys(ids))
