"""What the name of a joint says: its side, and which parts of a body it may be."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

# Word -> the parts that it may stand for, and how firmly. Programs disagree: the "shoulder" of one is the collar of
# another, a "leg" may start at the hip or at the knee. The tree decides; see recognise.
_MEANINGS: tuple[tuple[str, dict[str, float]], ...] = (
    ("pelvis hips 下半身", {"pelvis": 3}),
    ("root センター", {"pelvis": 1}),
    ("hip", {"pelvis": 2, "hip": 3}),
    ("thigh femur 足", {"hip": 3}),
    ("buttock glute hipjoint", {"hip": 1}),
    ("knee shin calf tibia shank ひざ", {"knee": 3}),
    ("ankle 足首", {"ankle": 3}),
    ("foot", {"ankle": 2, "foot": 2}),
    ("toe toes ball forefoot toebase つま先", {"foot": 3}),
    ("metatarsal", {"foot": 1}),
    ("collar clavicle clav scapula 肩", {"collar": 3}),
    ("shoulder shldr", {"collar": 2, "shoulder": 2}),
    ("humerus bicep 腕", {"shoulder": 3}),
    ("elbow forearm radius ulna ひじ", {"elbow": 3}),
    ("wrist 手首", {"wrist": 3}),
    ("hand", {"wrist": 2.5}),
    ("palm carpal", {"wrist": 1}),
    ("neck 首", {"neck": 3}),
    ("head skull 頭", {"head": 3}),
    ("spine chest torso abdomen waist thorax back rib ribs ribcage belly body lumbar sternum 上半身", {"spine": 2}),
)
_NOUNS = {word: parts for words, parts in _MEANINGS for word in words.split()}
_LIMBS = {  # the same for nouns that a second word tells apart: upper leg, fore arm
    "leg": ({"hip": 3.0}, {"knee": 3.0}, {"knee": 2.0, "hip": 2.0}),
    "arm": ({"shoulder": 3.0}, {"elbow": 3.0}, {"shoulder": 2.0, "elbow": 1.0}),
}
_UPPER, _LOWER = {"up", "upper", "u"}, {"low", "lower", "lo", "fore"}


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FINGERS = _set("thumb index middle mid ring pinky little finger fingers fing digit metacarpal proximal distal medial")
_FACE = _set("eye eyes jaw mouth tongue teeth lip lips brow eyebrow cheek nose ear ears face facial beard lid levator")
_ASIDE = (
    _set(
        "intermediate twist roll share helper ik pole target ctrl ctl offset aux dummy attach prop weapon sword gun "
        "camera heel footsteps hair breast bust nipple skirt cape cloth dress sleeve bag big __ 捩"
    )
    | _FINGERS
    | _FACE
)
_TIPS = {"end", "tip", "nub", "site", "top", "eff", "effector"}
_ANIMAL = {"tail", "paw", "hoof", "wing", "claw", "snout", "fin", "antenna", "fetlock", "hock"}
_SIDES = dict.fromkeys(["left", "lft", "lf", "l", "左", "links", "gauche", "izquierda", "izquierdo"], "left")
_SIDES |= dict.fromkeys(
    ["right", "rght", "rgt", "rt", "r", "右", "rechts", "droite", "droit", "derecha", "derecho"], "right"
)
_PLAIN = {"joint", "jnt", "base", "bone", "bip", "rear", "root", "bn", "lowest"}
_WORDS = {*_NOUNS, *_LIMBS, *_UPPER, *_LOWER, *_ASIDE, *_TIPS, *_ANIMAL, *_SIDES, *_PLAIN}
_LONGEST = 40  # letters of a token that is a run of words
_SHORT = {word for word in _WORDS if len(word) < 2 and word.isascii()}  # only before or after a longer word


@dataclass(frozen=True)
class Label:
    """What a name says. parts: part -> how firmly, empty for a word unknown. kind: "finger", "face", "animal" ...

    side: "left" or "right" where the skeleton has the same name of the other side, else "".
    """

    parts: Mapping[str, float]
    side: str
    other: int
    aside: bool
    tip: bool
    kind: str

    def score(self, part: str) -> float:
        """How well the name suits ``part``: up to 3, 0 if it says nothing, below if it says something else.

        An end bears its parent's name, which does not speak against anything.
        """
        named = self.parts.get(part, -2.0 if self.parts and not self.tip else 0.0)
        return named - 4.0 * self.aside - 2.0 * self.tip


def read_names(names: Sequence[str]) -> list[Label]:
    """A label for each name of a skeleton; ``other`` is the joint of the other side, -1 if there is none."""
    spelled = [words_of(name) for name in names]
    common = _common(spelled)
    spelled = [words[common:] for words in spelled]
    others = _others(spelled)
    return [_label(words, other) for words, other in zip(spelled, others, strict=True)]


def _others(spelled: Sequence[Sequence[str]]) -> list[int]:
    """Joints whose names differ by the side alone; or by numbers too, if there are as many on either side."""
    others = [-1] * len(spelled)
    for plain in (False, True):
        alike: defaultdict[tuple[str, ...], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for joint, words in enumerate(spelled):
            side, rest = _sided(words)
            if side and others[joint] < 0:
                alike[tuple(word for word in rest if not (plain and word.isdigit()))][side].append(joint)
        for sides in alike.values():
            if len(sides["left"]) == len(sides["right"]):
                for left, right in zip(sides["left"], sides["right"], strict=True):
                    others[left], others[right] = right, left
    return others


def _sided(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The side that words name, and the words with its place marked; "" without one."""
    at = next((index for index, word in enumerate(words) if word in _SIDES), None)
    if at is None:
        return "", tuple(words)
    return _SIDES[words[at]], (*words[:at], "*", *words[at + 1 :])


def words_of(name: str) -> list[str]:
    """``mixamorig:LeftUpLeg`` -> left, up, leg; ``lfemur`` -> l, femur. Numbers and namespaces are kept out of it."""
    plain = unicodedata.normalize("NFKC", re.split(r"[:|]", name.strip())[-1])
    parts = re.findall(r"^__|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[左右]|[^\W\d_A-Za-z左右]+", plain)
    return [word for part in parts for word in _segment(part.lower())]


@lru_cache(maxsize=10_000)
def _segment(token: str) -> tuple[str, ...]:
    """A token as known words, if it falls into such wholly; else as it is."""
    if token in _WORDS or token.isdigit() or len(token) > _LONGEST:
        return (token,)
    best: dict[int, tuple[str, ...]] = {0: ()}
    for stop in range(1, len(token) + 1):
        for start in range(stop):
            word = token[start:stop]
            inside = start > 0 and stop < len(token)
            if start in best and word in _WORDS and not (inside and word in _SHORT):
                found = (*best[start], word)
                if stop not in best or len(found) < len(best[stop]):
                    best[stop] = found
    found = best.get(len(token), (token,))
    return found if any(len(word) > 2 or not word.isascii() for word in found) else (token,)


def _common(spelled: Sequence[Sequence[str]]) -> int:
    """How many words all names begin with: a character's name says nothing of a joint."""
    count = 0
    while len(spelled) > 3 and all(len(words) > count + 1 and words[count] == spelled[0][count] for words in spelled):
        count += 1
    return count


def _label(words: Sequence[str], other: int) -> Label:
    side, said = _sided(words)
    side = side if other >= 0 else ""
    tip, aside = bool(_TIPS.intersection(said)), bool(_ASIDE.intersection(said))
    return Label(_parts(said, bool(side)), side, other, aside, tip, _kind(said))


def _parts(words: Sequence[str], sided: bool) -> Mapping[str, float]:
    pairs = ["".join(pair) for pair in pairwise(words)]
    for word in (*pairs, *reversed(words)):
        if word in _LIMBS:
            upper, lower, plain = _LIMBS[word]
            return upper if _UPPER.intersection(words) else lower if _LOWER.intersection(words) else plain
        if word in _NOUNS:
            parts = _NOUNS[word]
            return {part: weight for part, weight in parts.items() if word != "hip" or (part == "hip") == sided}
    return {}


def _kind(words: Sequence[str]) -> str:
    kinds = {"finger": _FINGERS, "face": _FACE, "animal": _ANIMAL}
    return next((kind for kind, known in kinds.items() if known & set(words)), "")
