"""``word/POS`` tokens for captions that come without, from a closed lexicon and no dependency.

HumanML3D tags with spaCy. Its evaluator needs two things of a token: the lemma (to find the word vector and
the VIP class of "walks" and "hands", which overrides any POS) and, for the rest, one of nine word classes.
Function words form closed lists, lemmas of the verbs and body parts of motion captions follow from regular
endings, and any other word counts as a noun, as spaCy mostly guesses too.
"""

from __future__ import annotations

import re

from sopo.data.sides import OTHER, is_side, split_words

_LEXICON = {
    "DET": "a an the this that these those each every both all some any another no either",
    "ADP": "to in on at with from into of for by over under around across through toward towards "
    "onto off behind above below between beside near against along past before after like "
    "while until as if",
    "PRON": "he she it they them him his her hers its their theirs himself herself itself themselves "
    "one someone something who what which",
    "AUX": "is are was were be been being has have had does do did can could will would may might must",
    "NUM": "zero two three four five six seven eight nine ten eleven twelve twenty",
    "CCONJ": "and or but then",
    "ADV": "up down forward forwards backward backwards back away again very once twice thrice "
    "together sideways sideway out apart almost just still also slightly not here there more "
    "less too fast clockwise counterclockwise anticlockwise upright forth",
    "ADJ": "left right straight slow quick happy sad angry small large big high low long short wide "
    "full half several few many other same different old young proud tired deep strong weak "
    "heavy light front first second",
    "VERB": "walk run swing pick bring kick put squat throw hop dance jump turn stumble stop sit lift "
    "lower raise wash stand kneel stroll rub bend balance flap jog shuffle lean rotate spin "
    "spread climb wave bow punch move step take make go come reach hold touch crouch skip "
    "march dash slash cut shout call point guide straighten extend drop pull push place catch "
    "grab lie crawl duck dodge stretch shake clap roll twist travel start begin continue "
    "return face look keep pace use repeat pause wait leave rise fall cross circle sidestep",
}
_CLASS = {word: pos for pos, words in _LEXICON.items() for word in words.split()}
_IRREGULAR = {
    "ran": "run", "stood": "stand", "sat": "sit", "threw": "throw", "thrown": "throw", "swung": "swing",
    "bent": "bend", "took": "take", "taken": "take", "made": "make", "went": "go", "goes": "go", "gone": "go",
    "came": "come", "held": "hold", "knelt": "kneel", "spun": "spin", "brought": "bring", "kept": "keep",
    "began": "begin", "caught": "catch", "fell": "fall", "rose": "rise", "leant": "lean", "shook": "shake",
}  # fmt: skip
_PLURALS = {
    "feet": "foot",
    "people": "person",
    "knees": "knee",
    "thighs": "thigh",
    "men": "man",
    "women": "woman",
}
_WORD = re.compile(r"[^\W\d_]+")


def tag(text: str) -> tuple[str, ...]:
    """``word/POS`` tokens of a caption: lower case, hyphens joined, anything not alphabetic dropped.

    Classes are those of the evaluator: VERB NOUN DET ADP NUM AUX PRON ADJ ADV, else OTHER (conjunctions).
    """
    words = [match.group() for match in split_words(_joined(text))]
    sides = iter([is_side(words, index) for index, word in enumerate(words) if word in OTHER])
    return tuple(
        _token(word) if word not in OTHER or next(sides, True) else _no_side(word) for word in token_words(text)
    )


def token_words(text: str) -> list[str]:
    """The words of a caption that become tokens, as written."""
    return _WORD.findall(_joined(text))


def _joined(text: str) -> str:
    return text.lower().replace("-", "").replace("'s", "").replace("’s", "")


def _no_side(word: str) -> str:
    """Left that is a form of to leave, right that only stresses; HumanML3D keeps the verb's form."""
    return f"{word}/{'VERB' if word == 'left' else 'ADV'}"


def _token(word: str) -> str:
    if pos := _CLASS.get(word):
        return f"{word}/{'OTHER' if pos == 'CCONJ' else pos}"
    if word in _PLURALS:
        return f"{_PLURALS[word]}/NOUN"
    for stem in (_IRREGULAR.get(word, word), *_stems(word)):
        if _CLASS.get(stem) == "VERB":
            return f"{stem}/VERB"
    if word.endswith("ly"):
        return f"{word}/ADV"
    return f"{_singular(word)}/NOUN"


def _singular(word: str) -> str:
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _stems(word: str) -> list[str]:
    """What a regular verb form may come from: walks, waves, waving, hopping, carried."""
    stems = []
    for ending in ("s", "es", "ed", "d", "ing"):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            stem = word.removesuffix(ending)
            stems += [stem, stem + "e"]
            if stem[-1] == stem[-2]:
                stems.append(stem[:-1])
    return stems
