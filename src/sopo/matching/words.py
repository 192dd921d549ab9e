"""Captions as Guo et al.'s evaluator reads them: word vectors and word classes, padded to one length."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np
import torch
from torch import Tensor

from sopo.batch import Caption
from sopo.data.tagging import tag
from sopo.errors import UserError, reason
from sopo.formats.npz import read_npy
from sopo.settings import shown
from sopo.text.hashed import hashed_words

CLASSES = (
    "VERB", "NOUN", "DET", "ADP", "NUM", "AUX", "PRON", "ADJ", "ADV",
    "Loc_VIP", "Body_VIP", "Obj_VIP", "Act_VIP", "Desc_VIP", "OTHER",
)  # fmt: skip
# Words that matter for motion: their class overrides the part of speech (T2M, ``word_vectorizer.py``).
_VIP = {
    "Loc_VIP": "left right clockwise counterclockwise anticlockwise forward back backward up down straight curve",
    "Body_VIP": "arm chin foot feet face hand mouth leg waist eye knee shoulder thigh",
    "Obj_VIP": "stair dumbbell chair window floor car ball handrail baseball basketball",
    "Act_VIP": "walk run swing pick bring kick put squat throw hop dance jump turn stumble stop sit lift "
    "lower raise wash stand kneel stroll rub bend balance flap jog shuffle lean rotate spin spread climb",
    "Desc_VIP": "slowly carefully fast careful slow quickly happy angry sad happily angrily sadly",
}
VIP_CLASS = {word: name for name, words in _VIP.items() for word in words.split()}
_INDEX = {name: index for index, name in enumerate(CLASSES)}


class WordVectors(Protocol):
    """A table of word vectors [E = width]."""

    width: int

    def known(self, word: str) -> bool:
        """Whether the table has a vector of its own for the word."""

    def vectors(self, words: Sequence[str]) -> Tensor:
        """N known words -> [N, E]."""


class GloveWords:
    """The published GloVe subset of a user's folder: ``our_vab_{data.npy,words.pkl,idx.pkl}``.

    Its pickles are read by an unpickler that admits plain containers only, so nothing in them is executed.
    Raises UserError if a file is missing or holds anything else.
    """

    def __init__(self, folder: Path) -> None:
        vectors = _read(folder / "our_vab_data.npy", read_npy)
        words = _read(folder / "our_vab_words.pkl", _plain_pickle)
        index = _read(folder / "our_vab_idx.pkl", _plain_pickle)
        if vectors.ndim != 2 or not isinstance(words, list) or not isinstance(index, dict):
            raise UserError(f"{folder}: expected vectors [V, E], a list of words and a dict of their rows")
        needed = [*words, "sos", "eos", "unk"]
        rows = [index.get(word) if isinstance(word, str) else None for word in needed]
        if not all(isinstance(row, int) and 0 <= row < len(vectors) for row in rows):
            raise UserError(f"{folder}: the three our_vab files do not fit together, or lack sos, eos or unk")
        self._table = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
        self._rows = {word: index[word] for word in words}
        self.width = self._table.shape[1]

    def known(self, word: str) -> bool:
        return word in self._rows

    def vectors(self, words: Sequence[str]) -> Tensor:
        return self._table[torch.tensor([self._rows[word] for word in words], dtype=torch.int64)]


def word_vectors(name: str) -> WordVectors:
    """``hashed-WIDTH``, or ``glove:FOLDER`` for the published ones. Raises UserError on another name."""
    if name.startswith("glove:"):
        return GloveWords(Path(name.removeprefix("glove:")).expanduser())
    if hashed := hashed_words(name):
        return hashed
    raise UserError(f"no word vectors are called {shown(name)}: choose hashed-WIDTH (say hashed-300) or glove:FOLDER")


def read_words(caption: Caption, known: Callable[[str], bool], max_words: int) -> tuple[list[str], list[int], int]:
    """A caption -> words and class indices, [max_words + 2] each, and how many of them count.

    sos, at most ``max_words`` words, eos; then ``unk`` up to the end. An unknown word is ``unk``/OTHER even
    if it is a VIP word. Untagged captions are tagged by rule first (``data/tagging.py``).
    """
    tokens = ["sos/OTHER", *(caption.tokens or tag(caption.text))[:max_words], "eos/OTHER"]
    count = len(tokens)
    pairs = [_word_and_class(token, known) for token in tokens]
    pairs += [("unk", _INDEX["OTHER"])] * (max_words + 2 - count)
    return [word for word, _ in pairs], [index for _, index in pairs], count


def _word_and_class(token: str, known: Callable[[str], bool]) -> tuple[str, int]:
    word, _, pos = token.partition("/")
    if not known(word):
        return "unk", _INDEX["OTHER"]
    return word, _INDEX.get(VIP_CLASS.get(word, pos), _INDEX["OTHER"])


class _PlainUnpickler(pickle.Unpickler):
    """Lists, dicts, strings and numbers only: whatever needs a class or a function is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"asks for {module}.{name}, which plain word lists never do")


def _plain_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        return _PlainUnpickler(file).load()


def _read(path: Path, reader: Callable[[Path], Any]) -> Any:
    if not path.is_file():
        raise UserError(f"{path}: missing; the evaluator's GloVe folder has our_vab_data.npy and two .pkl")
    try:
        return reader(path)
    except UserError:
        raise
    # Damaged pickles raise nearly anything.
    except Exception as error:
        raise UserError(f"{path}: not readable as plain data ({reason(error)})") from error
