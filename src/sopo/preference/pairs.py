"""Mined rankings on disk: K samples of the pretrained generator for each caption, drawn and scored once.

One Parquet file, a row a caption. Samples are kept as the generator's own x, cut to the places that the motion
fills, so that features, latents and tokens are trained on exactly as they were drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from sopo.batch import Batch, Caption
from sopo.errors import UserError, reason
from sopo.generators.generator import Generator
from sopo.json_files import parse_json
from sopo.preference.base import Rankings

ORIGIN = b"sopo.pairs"  # where the file's metadata say what it was mined from
DTYPES = {"float32": torch.float32, "float16": torch.float16, "int64": torch.int64}
SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("key", pa.string()),
        ("caption", pa.string()),
        ("tokens", pa.list_(pa.string())),
        ("start", pa.int64()),
        ("length", pa.int64()),
        ("scores", pa.list_(pa.float32())),  # [K], best first
        ("seed", pa.int64()),
        ("dtype", pa.string()),
        ("shape", pa.list_(pa.int64())),  # of one sample
        ("chosen", pa.binary()),
        ("between", pa.binary()),  # the K - 2 others, best first; null where only the pair was kept
        ("rejected", pa.binary()),
    ]
)
SAMPLES = ("dtype", "shape", "chosen", "between", "rejected")
ENCODING: dict[str, Any] = {"compression": "zstd", "use_dictionary": False, "write_statistics": False}
OPEN_GROUPS = 6  # row groups in memory: what a window of batches spans (``BatchSchedule``)


class PairStore:
    """The rows of a file of mined pairs; samples are read a row group at a time.

    origin: what it was mined from and how. captions, keys: of each row. start, length: [N] frames. scores: [N, K].
    """

    def __init__(self, path: str | Path) -> None:
        """Raises UserError if the file is missing, damaged, or not one of ours."""
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f"{path}: no such file of pairs; `sopo pairs mine` writes one")
        try:
            self._file = pq.ParquetFile(self.path)
            self.origin = self._read_origin()
            rows = self._file.read([name for name in SCHEMA.names if name not in SAMPLES])
            self._take(rows)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error
        self.group = self._file.metadata.row_group(0).num_rows
        self._samples = lru_cache(maxsize=OPEN_GROUPS)(self._read)

    def _read_origin(self) -> dict[str, Any]:
        """What the file says it is, before a row of it is read."""
        described, origin = self._file.schema_arrow, None
        if described.names == SCHEMA.names and described.types == SCHEMA.types and _is_plain(self._file.metadata):
            text = (described.metadata or {}).get(ORIGIN, b"null").decode("utf-8", "replace")
            origin = parse_json(text, f"{self.path}: its origin")
        if not isinstance(origin, dict) or "keep" not in origin:
            raise self._strange()
        return origin

    def _take(self, rows: pa.Table) -> None:
        if not rows.num_rows or any(column.null_count for column in rows.columns):
            raise self._strange()
        self.keys: list[str] = rows["key"].to_pylist()
        texts = zip(rows["caption"].to_pylist(), rows["tokens"].to_pylist(), strict=True)
        self.captions = [Caption(text, tuple(words)) for text, words in texts]
        self.start, self.length = (rows[name].to_numpy() for name in ("start", "length"))
        scores = rows["scores"].to_pylist()
        if len({len(row) for row in scores}) > 1 or len(scores[0]) < 2:
            raise self._strange()
        self.scores = np.array(scores, dtype=np.float32)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def K(self) -> int:  # noqa: N802
        return self.scores.shape[1]

    @property
    def whole(self) -> bool:
        """Whether all K samples of a caption were kept, not the best and worst alone."""
        return self.K == 2 or self.origin["keep"] == "all"

    def check(self, origin: Mapping[str, Any]) -> None:
        """UserError unless the pairs come from what ``origin`` says: entry -> value, such as the generator's hash."""
        if name := first_difference(self.origin, origin):
            raise UserError(f"{self.path}: these pairs were mined from another {name}; mine them from this one")

    def rankings(self, generator: Generator, ranking: bool) -> Rankings:
        """Batch of rows (its keys are their numbers) -> x [B, K, ...], best first; [B, 2, ...] without ``ranking``.

        x is in the generator's space, padded to the batch's frames. Raises UserError if a ranking is asked for
        and only the pairs were kept.
        """
        if ranking and not self.whole:
            raise UserError(f"{self.path}: holds pairs, not rankings; mine with --keep all")

        def source(batch: Batch) -> Tensor:
            frames = batch.motion.shape[1]
            rows = [self.samples(int(key), ranking) for key in batch.keys]
            shape = (len(rows), len(rows[0]), generator.places(frames), *rows[0].shape[2:])
            x = torch.full(shape, generator.padding, dtype=_in_memory(rows[0].dtype))
            for place, row in zip(x, rows, strict=True):
                if row.shape[1] > place.shape[1] or row.shape[2:] != place.shape[2:]:
                    sizes = f"samples of {list(row.shape[1:])}, the generator's have {list(place.shape[1:])}"
                    raise UserError(f"{self.path}: {sizes}; mine anew")
                place[:, : row.shape[1]] = row
            return x.to(batch.motion.device)

        return source

    def samples(self, row: int, ranking: bool = False) -> Tensor:
        """x of one row as stored, best first: [K, places, ...], or the best and the worst [2, places, ...]."""
        group, place = divmod(row, self.group)
        table = self._samples(group)
        dtype, shape, chosen, between, rejected = (table[name][place].as_py() for name in SAMPLES)
        try:
            parts = [chosen, between or b"", rejected] if ranking else [chosen, rejected]
            values = torch.frombuffer(bytearray(b"".join(parts)), dtype=DTYPES[dtype])
            return values.view(self.K if ranking else 2, *shape)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"{self.path}: row {row} holds samples of another size than it says; mine anew") from error

    def _read(self, group: int) -> pa.Table:
        try:
            return self._file.read_row_group(group, list(SAMPLES))
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def _strange(self) -> UserError:
        return UserError(f"{self.path}: not a file of pairs as `sopo pairs mine` writes them")

    def _damaged(self, error: Exception) -> UserError:
        return UserError(f"{self.path}: truncated or not a Parquet file ({reason(error)}); mine the pairs again")


def _is_plain(described: pq.FileMetaData) -> bool:
    """Whether values stand there one by one: where they are told by number, a few bytes stand for any amount."""
    groups = (described.row_group(group) for group in range(described.num_row_groups))
    columns = (group.column(column) for group in groups for column in range(group.num_columns))
    return all(not column.has_dictionary_page for column in columns)


def _in_memory(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype.is_floating_point else dtype


def first_difference(origin: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """The first entry of ``wanted`` that an origin does not share, if there is one."""
    return next((name for name, value in wanted.items() if origin.get(name) != value), None)


def join_parts(parts: Sequence[Path], out: Path, origin: Mapping[str, Any]) -> None:
    """Parts of ``SCHEMA``, in order, as one file with a row group for each; it appears whole or not at all."""
    staging = out.with_name(f".{out.name}.partial")
    described = SCHEMA.with_metadata({ORIGIN: json.dumps(dict(origin), sort_keys=True)})
    with pq.ParquetWriter(staging, described, **ENCODING) as writer:
        for part in parts:
            table = read_part(part)
            writer.write_table(table, row_group_size=table.num_rows)
    staging.replace(out)


def write_part(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Some rows, name -> value by ``SCHEMA``, as a file that appears whole or not at all."""
    staging = path.with_name(f".{path.name}.partial")
    pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), staging, **ENCODING)
    staging.replace(path)


def read_part(path: Path) -> pa.Table:
    """A file of ``write_part``; UserError if it is damaged."""
    try:
        return pq.read_table(path, schema=SCHEMA)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: truncated; delete it and mine again: the other parts are kept") from error
