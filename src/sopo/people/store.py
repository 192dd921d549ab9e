"""The answers of a study in SQLite: who is asked what next, and what they said. Nothing answered is ever lost.

Every change is one transaction, on the disk before it is reported (WAL, synchronous=FULL). Times are seconds of the
Unix clock.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import secrets
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sopo.errors import UserError, reason
from sopo.json_files import parse_json
from sopo.preference.labels import Label
from sopo.randomness import numpy_rng
from sopo.settings import shown

VERSION = 1
SAID = ("left", "right", "both_good", "both_bad", "skip")  # what a page sends
LEASE_S = 1800.0  # a question not answered for so long is also asked of others
GAP = 10  # questions between a pair and its repeat, at least
LONGEST_NAME = 60
TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE annotators (name TEXT PRIMARY KEY COLLATE NOCASE);
CREATE TABLE pairs (
    id INTEGER PRIMARY KEY, caption TEXT NOT NULL, motion_a TEXT NOT NULL, motion_b TEXT NOT NULL,
    source_a TEXT NOT NULL, source_b TEXT NOT NULL,
    expected TEXT NOT NULL,  -- a or b: a test of attention
    wanted INTEGER NOT NULL,  -- people who are to answer
    done INTEGER NOT NULL DEFAULT 0  -- people who have, skips not counted
);
CREATE INDEX open_pairs ON pairs (id) WHERE expected = '' AND done < wanted;
CREATE INDEX tests ON pairs (id) WHERE expected != '';
CREATE TABLE questions (
    id INTEGER PRIMARY KEY, annotator TEXT NOT NULL REFERENCES annotators, pair INTEGER NOT NULL REFERENCES pairs,
    kind TEXT NOT NULL, left TEXT NOT NULL, number INTEGER NOT NULL, asked_at REAL NOT NULL,
    UNIQUE (annotator, pair, kind), UNIQUE (annotator, number)
);
CREATE INDEX questions_of_pair ON questions (pair);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY, question INTEGER NOT NULL REFERENCES questions,
    preferred TEXT NOT NULL CHECK (preferred IN ('a', 'b', 'both_good', 'both_bad', 'skip')),
    seconds REAL NOT NULL, answered_at REAL NOT NULL, undone INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX one_answer ON answers (question) WHERE NOT undone;
"""


@dataclass(frozen=True)
class Pair:
    """What can be asked. motion_a, motion_b: file names below the study's folder. Others as in ``Label``.

    wanted: people who are to answer; 0 is not asked at all.
    """

    caption: str
    motion_a: str
    motion_b: str
    source_a: str
    source_b: str
    expected: str = ""
    wanted: int = 1


@dataclass(frozen=True)
class Question:
    """A pair as one person is asked it. motions: what is on the left, what on the right."""

    id: int
    number: int
    caption: str
    motions: tuple[str, str]


@dataclass(frozen=True)
class Progress:
    """answered: by this person. left: pairs that they can still be asked. all_answered, all_wanted: of the study."""

    answered: int
    left: int
    all_answered: int
    all_wanted: int


class Store:
    """The file ``study.db``; safe to be used by several threads, and by several processes."""

    def __init__(self, path: Path, new: bool = False) -> None:
        """Open a store, or with ``new`` make one where there is none. Raises UserError if it is missing or strange."""
        if not new and not path.is_file():
            raise UserError(f"{path.parent}: no study there; `sopo label make` writes one")
        self.path = path
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            self._db.row_factory = sqlite3.Row
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA trusted_schema = OFF")  # the file may be a stranger's
            if new and version == 0:
                self._db.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
                version = VERSION
        except sqlite3.Error as error:
            raise UserError(f"{path}: not a store of answers ({reason(error)})") from error
        if version != VERSION:
            raise UserError(f"{path}: of version {version}, this is {VERSION}: use the sopo that made it")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on the disk at its end; changes made inside it are part of it."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # ------------------------------------------------------------------------------------------ what is asked

    def setting(self, name: str) -> Any:
        """A value that ``set`` was told, or None."""
        rows = self._rows("SELECT value FROM settings WHERE name = ?", name)
        return parse_json(rows[0]["value"], f"{self.path}: {name}") if rows else None

    def set(self, values: Mapping[str, Any]) -> None:
        """Remember values, JSON each."""
        with self.change() as db:
            told = [(name, json.dumps(value)) for name, value in values.items()]
            db.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", told)

    def token(self) -> str:
        """What opens the pages of this study to others: drawn once, so that links go on being good."""
        if (token := self.setting("token")) is None:
            token = secrets.token_urlsafe(16)
            self.set({"token": token})
        return str(token)

    def add_pairs(self, pairs: Iterable[Pair], first: int) -> None:
        """Pairs number ``first`` and on: all of them, or none."""
        with self.change() as db:
            for number, pair in enumerate(pairs, start=first):
                _insert_pair(db, pair, number)

    def pairs(self) -> int:
        """How many there are, tests included."""
        return int(self._rows("SELECT count(*) FROM pairs")[0][0])

    def all_pairs(self) -> list[Pair]:
        """In the order of their numbers."""
        names = [field.name for field in dataclasses.fields(Pair)]
        rows = self._rows(f"SELECT {', '.join(names)} FROM pairs ORDER BY id")
        return [Pair(**{name: row[name] for name in names}) for row in rows]

    # ------------------------------------------------------------------------------------------ who is asked

    def begin(self, name: str) -> str:
        """The person of that name, new or known: the name as it was first written. Raises UserError on none."""
        name = " ".join(unicodedata.normalize("NFC", name).split())
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise UserError(f"the name is {shown(name)}: give 1 to {LONGEST_NAME} characters")
        with self.change() as db:
            db.execute("INSERT OR IGNORE INTO annotators VALUES (?)", (name,))
            return str(db.execute("SELECT name FROM annotators WHERE name = ?", (name,)).fetchone()[0])

    def ask(self, name: str) -> Question | None:
        """What ``name`` has been asked and has not answered, else something new; None if there is nothing more."""
        with self.change() as db:
            if not (rows := db.execute(OPEN_QUESTION, (name,)).fetchall()):
                if (new := self._choose(db, name)) is None:
                    return None
                db.execute(
                    "INSERT INTO questions (annotator, pair, kind, left, number, asked_at) VALUES (?, ?, ?, ?, ?, ?)",
                    new,
                )
                rows = db.execute(OPEN_QUESTION, (name,)).fetchall()
            row = rows[0]
        left, right = ("a", "b") if row["left"] == "a" else ("b", "a")
        return Question(row["id"], row["number"], row["caption"], (row[f"motion_{left}"], row[f"motion_{right}"]))

    def _choose(self, db: sqlite3.Connection, name: str) -> tuple[Any, ...] | None:
        """A new row of questions: a test or a repeat where one is due, else the first pair that still needs people."""
        number = _next_number(db, name)
        seed = int(self.setting("seed") or 0)
        rng = numpy_rng(seed, "question", name, number)
        found, kind = None, "choice"
        for due, query, values in (("attention", NEW_TEST, (name,)), ("repeat", OLD_PAIRS, (name, number - GAP))):
            if found is None and _falls_due(float(self.setting(due) or 0), number, seed, due, name):
                candidates = db.execute(query, values).fetchall()
                if candidates:
                    found, kind = candidates[rng.integers(len(candidates))]["id"], due
        if found is None:
            rows = db.execute(NEW_PAIR, (name, time.time() - LEASE_S)).fetchall()
            found = rows[0]["id"] if rows else None
        left = "ab"[rng.integers(2)]
        return None if found is None else (name, found, kind, left, number, time.time())

    def answer(self, name: str, question: int, said: str, seconds: float) -> None:
        """Store what ``name`` says, one of ``SAID``; if they have answered already, the first answer stands.

        Raises UserError if it was not asked of them, or they say something else.
        """
        if said not in SAID:
            raise UserError(f"the answer is {shown(said)}: must be one of {', '.join(SAID)}")
        with self.change() as db:
            row = db.execute("SELECT * FROM questions WHERE id = ? AND annotator = ?", (question, name)).fetchone()
            if row is None:
                raise UserError(f"question {question} was not asked of {name}: load the page again")
            other = {"a": "b", "b": "a"}[row["left"]]
            preferred = {"left": row["left"], "right": other}.get(said, said)
            now = time.time()
            taken = min(max(seconds, 0.0), max(now - row["asked_at"], 0.0))
            _insert_answer(db, row["id"], preferred, taken, now, row["pair"], row["kind"])

    def undo(self, name: str) -> bool:
        """Take back the last answer of ``name``, who is asked it again; whether there was one."""
        with self.change() as db:
            row = db.execute(LAST_ANSWER, (name,)).fetchone()
            if row is None:
                return False
            db.execute("UPDATE answers SET undone = 1 WHERE id = ?", (row["id"],))
            if row["kind"] == "choice" and row["preferred"] != "skip":
                db.execute("UPDATE pairs SET done = done - 1 WHERE id = ?", (row["pair"],))
            return True

    def progress(self, name: str) -> Progress:
        """How far ``name``, and the study, have come."""
        answered = self._rows(f"SELECT count(*) FROM {ANSWERED} WHERE annotator = ?", name)[0][0]
        left = self._rows(LEFT, name)[0][0]
        done, wanted = self._rows("SELECT sum(min(done, wanted)), sum(wanted) FROM pairs WHERE expected = ''")[0]
        return Progress(answered, left, done or 0, wanted or 0)

    def record(self, given: Iterable[Given]) -> None:
        """Pairs with their answers in one, for what was not asked here; all of them or none."""
        with self.change() as db:
            for name, pair, preferred, kind in given:
                db.execute("INSERT OR IGNORE INTO annotators VALUES (?)", (name,))
                row, now = _insert_pair(db, pair), time.time()
                asked = db.execute(NEW_QUESTION, (name, row, kind, "", _next_number(db, name), now))
                _insert_answer(db, int(asked.lastrowid or 0), preferred, 0.0, now, row, kind)

    # ------------------------------------------------------------------------------------------ what they said

    def labels(self) -> list[Label]:
        """All answers that stand, in the order in which they were given; motions by their place beside the store."""
        root = self.path.parent
        return [
            Label(
                row["caption"],
                root / row["motion_a"],
                root / row["motion_b"],
                row["preferred"],
                f"{row['pair']:06d}",
                row["annotator"],
                row["kind"],
                row["source_a"],
                row["source_b"],
                row["left"],
                row["number"],
                round(row["seconds"], 3),
                datetime.datetime.fromtimestamp(row["answered_at"], datetime.UTC).isoformat(timespec="milliseconds"),
                row["expected"],
            )
            for row in self._rows(f"SELECT * FROM {ANSWERED} JOIN pairs ON pairs.id = pair ORDER BY answer")
        ]


Given = tuple[str, Pair, str, str]  # who, on what, which is preferred, the kind of the label
NEW_QUESTION = "INSERT INTO questions (annotator, pair, kind, left, number, asked_at) VALUES (?, ?, ?, ?, ?, ?)"
ANSWERED = """(SELECT q.*, a.id AS answer, a.preferred, a.seconds, a.answered_at
    FROM answers a JOIN questions q ON q.id = a.question WHERE NOT a.undone)"""
LAST_ANSWER = """SELECT a.id, a.preferred, q.pair, q.kind FROM answers a JOIN questions q ON q.id = a.question
    WHERE q.annotator = ? AND q.kind != 'open' AND NOT a.undone ORDER BY q.number DESC LIMIT 1"""
OPEN_QUESTION = """SELECT q.id, q.number, q.left, p.caption, p.motion_a, p.motion_b
    FROM questions q JOIN pairs p ON p.id = q.pair WHERE q.annotator = ?
    AND NOT EXISTS (SELECT 1 FROM answers a WHERE a.question = q.id AND NOT a.undone) ORDER BY q.number LIMIT 1"""
# Not asked of this person yet, and asked of fewer others than wanted, those who have let their question lie left out.
NEW_PAIR = """SELECT p.id FROM pairs p WHERE p.expected = '' AND p.done < p.wanted
    AND NOT EXISTS (SELECT 1 FROM questions q WHERE q.annotator = ? AND q.pair = p.id)
    AND p.done + (SELECT count(*) FROM questions q WHERE q.pair = p.id AND q.kind = 'choice' AND q.asked_at > ?
        AND NOT EXISTS (SELECT 1 FROM answers a WHERE a.question = q.id AND NOT a.undone)) < p.wanted
    ORDER BY p.id LIMIT 1"""
LEFT = """SELECT (SELECT count(*) FROM pairs WHERE expected = '' AND done < wanted) - (SELECT count(*) FROM questions q
    JOIN pairs p ON p.id = q.pair WHERE q.annotator = ? AND q.kind = 'choice' AND p.done < p.wanted)"""
NEW_TEST = """SELECT id FROM pairs p WHERE expected != ''
    AND NOT EXISTS (SELECT 1 FROM questions q WHERE q.annotator = ? AND q.pair = p.id)"""
OLD_PAIRS = f"""SELECT pair AS id FROM {ANSWERED} o WHERE annotator = ? AND kind = 'choice' AND number < ?
    AND preferred != 'skip' AND NOT EXISTS (
        SELECT 1 FROM questions q WHERE q.annotator = o.annotator AND q.pair = o.pair AND q.kind = 'repeat')"""


def _next_number(db: sqlite3.Connection, name: str) -> int:
    return 1 + int(
        db.execute("SELECT coalesce(max(number), 0) FROM questions WHERE annotator = ?", (name,)).fetchone()[0]
    )


def _insert_pair(db: sqlite3.Connection, pair: Pair, number: int | None = None) -> int:
    columns = "id, caption, motion_a, motion_b, source_a, source_b, expected, wanted"
    texts = (pair.caption, pair.motion_a, pair.motion_b, pair.source_a, pair.source_b, pair.expected)
    query = f"INSERT INTO pairs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    return int(db.execute(query, (number, *texts, pair.wanted)).lastrowid or 0)


def _insert_answer(
    db: sqlite3.Connection, question: int, preferred: str, seconds: float, now: float, pair: int, kind: str
) -> None:
    columns = "question, preferred, seconds, answered_at"
    query = f"INSERT INTO answers ({columns}) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    new = db.execute(query, (question, preferred, seconds, now)).rowcount
    if new and kind == "choice" and preferred != "skip":
        db.execute("UPDATE pairs SET done = done + 1 WHERE id = ?", (pair,))


def _falls_due(share: float, number: int, seed: int, what: str, name: str) -> bool:
    """Whether question ``number`` is one of the ``share``: one in each 1/share, at a place drawn by chance."""
    if share <= 0:
        return False
    every = round(1 / share)
    stretch, place = divmod(number - 1, every)
    return place == int(numpy_rng(seed, what, name, stretch).integers(every))
