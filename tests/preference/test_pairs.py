"""The store of mined pairs by itself: what is written is read, and what is off is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from sopo.batch import Batch, as_captions
from sopo.errors import UserError
from sopo.generators.mdm import MDM
from sopo.preference.losses import plackett_luce_loss
from sopo.preference.objective import PreferenceObjective
from sopo.preference.pairs import ENCODING, ORIGIN, SCHEMA, PairStore, join_parts, write_part
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws

LENGTHS = (8, 5, 7, 4, 6)


def x_of(row: int) -> np.ndarray:
    return np.random.default_rng(row).normal(size=(3, LENGTHS[row], 251)).astype(np.float32)


def row_of(row: int, **changes: Any) -> dict[str, Any]:
    x = x_of(row)
    return {
        "row": row,
        "key": f"clip{row}",
        "caption": f"a person waves {row} times",
        "tokens": ["a/DET", "person/NOUN"],
        "start": row,
        "length": LENGTHS[row],
        "scores": [0.9, 0.5, 0.1],
        "seed": 7,
        "dtype": "float32",
        "shape": list(x.shape[1:]),
        "chosen": x[0].tobytes(),
        "between": x[1:-1].tobytes(),
        "rejected": x[-1].tobytes(),
    } | changes


def written(folder: Path, *rows: dict[str, Any], keep: str = "all") -> Path:
    """Parts of two rows each, joined."""
    parts = []
    for first in range(0, len(rows), 2):
        parts.append(folder / f"{first}.part")
        write_part(parts[-1], rows[first : first + 2])
    join_parts(parts, folder / "p.parquet", {"generator": "abc", "data": "def", "K": 3, "keep": keep})
    return folder / "p.parquet"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path, *map(row_of, range(5)))


def batch_of(*rows: int, frames: int = 8) -> Batch:
    length = torch.tensor([LENGTHS[row] for row in rows])
    texts = as_captions([f"a person waves {row} times" for row in rows])
    return Batch(torch.zeros(len(rows), frames, 251), length, texts, tuple(map(str, rows)))


def test_rows_are_read_as_written_across_groups(path: Path, policy: MDM) -> None:
    store = PairStore(path)
    assert (len(store), store.K, store.group, store.whole) == (5, 3, 2, True)
    assert store.captions[3].tokens == ("a/DET", "person/NOUN") and store.start.tolist() == [0, 1, 2, 3, 4]
    for row in range(5):
        np.testing.assert_array_equal(store.samples(row, ranking=True).numpy(), x_of(row))
        np.testing.assert_array_equal(store.samples(row).numpy(), x_of(row)[[0, 2]])
    x = store.rankings(policy, ranking=True)(batch_of(4, 0, 3))
    assert x.shape == (3, 3, 8, 251)
    np.testing.assert_array_equal(x[0, :, :6].numpy(), x_of(4))
    assert (x[0, :, 6:] == 0).all()


def test_a_shard_of_a_batch_gets_its_rows_of_the_whole(path: Path, policy: MDM) -> None:
    source, batch = PairStore(path).rankings(policy, ranking=False), batch_of(3, 0, 1)
    assert torch.equal(source(batch)[1:], source(batch.rows(1, 3)))


@pytest.mark.usefixtures("float64")
def test_the_offline_ranking_is_eq_3_over_the_stored_samples(path: Path, policy: MDM) -> None:
    rankings, batch = PairStore(path).rankings(policy, ranking=True), batch_of(2, 4, 1)
    objective = PreferenceObjective(policy, None, PreferenceConfig("dpo-ranked", scale=3.0), 0.0, rankings)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    loss, values = objective(batch, Draws(1, 3))
    draws, columns = Draws(1, 3), []
    drawn = [policy.draw(rankings(batch)[:, k], draws) for k in range(3)]
    for k, draw in enumerate(drawn):
        pair = (rankings(batch)[:, k], batch.length, policy.embed(batch.captions), draw.paired_with(drawn[0]))
        columns.append(3.0 * (objective.reference.nll(*pair) - policy.nll(*pair)))
    torch.testing.assert_close(loss, plackett_luce_loss(torch.stack(columns, 1), 1.0).mean())
    assert values["margin"] != 0 and "reward/all" not in values


def test_pairs_alone_are_no_ranking(tmp_path: Path, policy: MDM) -> None:
    store = PairStore(written(tmp_path, *(row_of(row, between=None) for row in range(3)), keep="pair"))
    assert store.rankings(policy, ranking=False)(batch_of(0, 2)).shape == (2, 2, 8, 251)
    with pytest.raises(UserError, match="--keep all"):
        store.rankings(policy, ranking=True)


def test_an_origin_must_fit(path: Path) -> None:
    PairStore(path).check({"generator": "abc", "data": "def"})
    with pytest.raises(UserError, match="another data"):
        PairStore(path).check({"generator": "abc", "data": "other"})


def test_damage_is_one_line(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    for broken in (b"", b"PAR1", whole[: len(whole) // 2], whole[:-9], b"x" * 100):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"p\.parquet: truncated or not a Parquet file") as raised:
            PairStore(path)
        assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match="no such file"):
        PairStore(tmp_path / "gone.parquet")
    pq.write_table(pa.table({"row": [1]}), path)
    with pytest.raises(UserError, match=r"truncated|not a file of pairs"):
        PairStore(path)


def test_a_file_that_only_looks_like_pairs(path: Path, tmp_path: Path) -> None:
    """Of a stranger: told by number, a few bytes stand for any amount; the rest would fail later, without a reason."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    origin = dict(table.schema.metadata)

    def write(changes: dict[str, Any], metadata: dict[bytes, bytes] = origin, **encoding: Any) -> None:
        changed = pa.Table.from_pylist([row | changes for row in rows], SCHEMA.with_metadata(metadata))
        pq.write_table(changed, path, **(ENCODING | encoding))

    write({})
    PairStore(path)
    for changes, metadata, encoding in (
        ({}, origin, {"use_dictionary": True}),
        ({}, {ORIGIN: b"[]"}, {}),
        ({}, {ORIGIN: b"{}"}, {}),
        ({}, {}, {}),
        ({"scores": [1.0]}, origin, {}),
        ({"caption": None}, origin, {}),
        ({"tokens": None}, origin, {}),
    ):
        write(changes, metadata, **encoding)
        with pytest.raises(UserError, match="not a file of pairs"):
            PairStore(path)
    write({}, {ORIGIN: b"{"})
    with pytest.raises(UserError, match="its origin: not readable as JSON"):
        PairStore(path)


def test_samples_of_another_size_are_refused(tmp_path: Path) -> None:
    short = row_of(1, chosen=b"\0" * 40)
    unknown = row_of(2, dtype="complex64")
    store = PairStore(written(tmp_path, row_of(0), short, unknown))
    store.samples(0)
    for row in (1, 2):
        with pytest.raises(UserError, match=f"row {row} holds"):
            store.samples(row)
