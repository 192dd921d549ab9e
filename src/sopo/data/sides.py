"""Sides in a caption: mirroring swaps them and the senses of rotation, and leaves words that only look like them.

"He left the room right after turning left" becomes "he left the room right after turning right". The words around
decide whether left is the verb and right an adverb: taggers that need no download take "turns left" for the verb.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

WINDOW = 8  # words on either side that decide
OTHER = {"left": "right", "right": "left"}
SLIPS = {"rigth": "left", "rihgt": "left", "righ": "left", "lef": "right", "letf": "right"}

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|[^\w\s-]")
_SIDE = re.compile(
    r"(?:degrees?)?(left|right)(?:s|y|ies|most|wards?|(?:hand|foot|arm|leg|side)(?:s|ed)?)?", re.IGNORECASE
)
_SENSE = re.compile(r"\b(an? )?(?:(anti|counter|contra|conter)[ -]?)?(clock[ -]?wise)\b", re.IGNORECASE)
_HOURS = ("twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
_OCLOCK = re.compile(rf"\b(\d\d?|{'|'.join(_HOURS)})(?= ?o ?['’]? ?clock\b)", re.IGNORECASE)


def _of(words: str, end: str = "") -> str:
    """A pattern of any of these words; with ``end``, of words that begin so and end so."""
    return rf"\b(?:{'|'.join(words.split())}){end}\b"


_THE = _of("the a an his her their its my your our this that each both one another")
_TO = _of("to tot from on onto with by of in at toward towards for")
_BE = _of("is are was were been being be")
_SELF = _of("himself herself itself themselves themself oneself myself yourself")
_PERSON = _of(
    "person man woman human guy boy girl kid child figure actor dancer player people men women subject someone "
    "somebody everyone everybody character others"
)
_WHO = r"\b(?:he|she|they|we|you|i)(?:'s|'d|'ve)?"
_SOON = r"(?: (?:\w+ly|just|then|now|also|never|soon|already|all|not))?"
_END = r"(?:$|[^\w\s])"
# What has a side, or the other side: "he left foot" is a slip for "his left foot".
_BODY = "hand arm leg foot feet food knee elbow shoulder wrist ankle side hip heel toe finger ear eye fist palm thigh"
_SIDED = (
    _of(f"{_BODY} forearm step turn kick punch hook jab jump", "(?:s|ed|ing)?")
    + r"|(?:of|blue|red)\b|(?:and|or|to|then|&|,|/) right\b"
)
_TURN = _of(
    "turn spin spun rotat pivot twist veer swerv curv fac look lean bend bent tilt side shift sway dodg glanc gaz peer "
    "point sweep",
    r"\w*",
)
_MOVE = _of(
    "step mov go going goes went head slid shuffl swing swung push stumbl lung reach stagger walk run ran jog march "
    "crawl",
    r"\w*",
)
_LEAP = _of("jump hop kick punch throw threw wav danc leap skip", r"\w*")
_STILL = _of(
    "stop stand stood sit sat land stay remain kneel knelt crouch fall fell hit drop plac put freez froze paus halt "
    "squat lie lay end start begin finish hold held",
    r"\w*",
)
_RETURN = _of("it them com came get sit fall fell drop bounc snap spr", r"\w*")
_GAZE = _of("look star gaz point aim", r"\w*")
_AHEAD = _of("forward forwards backward backwards back front ahead straight up down diagonally sideways slightly")
_SO = r"(?: \w+ly)?$"  # slowly

# left is a form of "to leave" between these: what the words before end with, what those after begin with.
_LEAVE = (
    (rf"(?!.*{_TO} {_WHO}$).*{_WHO}{_SOON}", rf"(?!{_SIDED})"),
    (rf".*(?:\bwho|{_PERSON} that){_SOON}", rf"(?!{_of(_BODY)})"),
    (rf".*{_of('has have had having')}{_SOON}", rf"(?!{_SIDED})"),
    (
        rf".*(?:{_BE}|\bgets|\bgot){_SOON}",
        _of("alone behind standing hanging lying sitting with without open empty unattended there out"),
    ),
    (rf".*(?:{_of('what nothing anything everything none')}|\ball that)(?:'s| {_BE})?", rf"(?!{_of(_BODY)})"),
    (
        rf".*(?:(?:{_of('one few some all')}|{_PERSON}) {_BE}|{_of('no any much enough')} \w+"
        rf"|\bthere {_BE}(?: \w+){{1,3}})",
        rf"{_END}|{_of('to for he she they')}",
    ),
    (r".*", r"alone\b"),
    (
        rf"(?:.*(?:[^\w\s]|{_of('and but then as while when before after until because where')}) )?"
        rf"(?:{_THE} (?:\w+ ){{0,2}})?{_PERSON}{_SOON}",
        rf"(?!{_SIDED})",
    ),
    (
        rf"(?!.*\bright (?:and|then|but|,)).*(?:\band|\bthen|\bbut|,){_SOON}",
        rf"{_THE} (?!{_of('bit little few couple second third time whole entire same next other one')})"
        rf"|{_of('it them him home work town through without quickly')}",
    ),
    (r"(?!.*\bright\b).*(?:\b(?:stood|got|sat) (?:up|down)|\b(?:turn|look)\w* around) and", _END),
    (
        rf"(?!.*\bright\b).*\w\wed(?: (?:up )?(?:{_THE} )?(?!{_AHEAD}|{_of(_BODY)})\w+)? and",
        _END,
    ),
)
# right is no side between these. After an article, a preposition or the other side it mostly is one.
_ALONE = rf"(?!.*(?:{_THE}|{_TO}|\bleft (?:and|or|then|to|,)|(?:to|from) the \w+|{_of('degrees degree far way')})$).*"
_NO_SIDE = (
    (r".*", _SELF),
    (r"(?!.*(?:slight|sharp|gentle|slightly)$).*", r"angle"),
    (r".*\ball", rf"(?!{_SIDED})"),
    (r".*\b(?:that|you)'(?:s|re)", _END),
    (r".*", r"(?:side|way) (?:up|out|round|around)\b"),
    (rf".*{_THE}", _of("time moment size amount order rhythm tempo speed distance")),
    (r"", r"(?:then (?:he|she|they|the)|(?:at|in|on|from) (?:the|that|this))\b"),
    (r".*\b(?:do|does|did|get|gets|got) it", _END),
    (rf".*{_RETURN}", r"back\b"),
    (rf".*{_GAZE}", r"at\b"),
    (rf"(?!.*(?:{_TURN}|{_MOVE}){_SO}){_ALONE}", r"at (?:the|a|his|her|him|them|someone)\b"),
    (
        _ALONE,
        r"(?:now|here|there|where|away(?! from)|in the (?:middle|cent\w+|face|head|chest)"
        r"|back (?:to|up|down|around|in|into|on|onto|out|over|where))\b",
    ),
    (rf"(?!.*(?:{_TURN}|{_MOVE}){_SO}){_ALONE}", _of("before after afterward afterwards")),
    (rf"(?!.*(?:{_TURN}|{_MOVE}|{_LEAP}){_SO}){_ALONE}", _of("as when away above below beneath under between inside")),
    (
        rf"(?!.*{_TURN}{_SO}){_ALONE}",
        r"(?:next to|beside|in front|on top|(?:up|down) (?:to|against|the|a)|against|through|past|into|behind|off"
        r"|over (?:the|a))\b",
    ),
    (rf".*{_STILL}(?: (?:up|down|it|them))?", _of("at by on in over up down along out around onto back")),
)

Rules = tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]
_KEPT: dict[str, Rules] = {
    side: tuple((re.compile(f"(?:{before})$"), re.compile(after)) for before, after in rules)
    for side, rules in (("left", _LEAVE), ("right", _NO_SIDE))
}


def is_side(words: Sequence[str], index: int) -> bool:
    """Whether the word there, left or right, is a side. words: lower case, marks among them, no hyphens."""
    leading = words[max(0, index - WINDOW) : index]
    if words[index] == "right" and leading[-1:] == ["left"] and not is_side(words, index - 1):
        leading = [*leading[:-1], "leaves"]
    before = " ".join(word[:20] for word in leading)
    after = " ".join(word[:20] for word in words[index + 1 : index + 1 + WINDOW])
    if words[index] == "rights":  # he rights himself, his leg; otherwise blows with the right
        return not re.match(rf"{_SELF}|{_THE}", after)
    return not any(kept[0].match(before) and kept[1].match(after) for kept in _KEPT.get(words[index], ()))


def split_words(text: str) -> list[re.Match[str]]:
    """Words, numbers and marks of a caption; a hyphen only parts words."""
    return list(_WORD.finditer(text))


def mirror_text(text: str) -> str:
    """The caption of the mirrored motion: sides, senses of rotation and hours of the clock as directions."""
    found = split_words(text)
    words = [match.group().lower().replace("’", "'") for match in found]
    pieces, end = [], 0
    for index, match in enumerate(found):
        pieces += [text[end : match.start()], _other_word(match.group()) if is_side(words, index) else match.group()]
        end = match.end()
    swapped = "".join([*pieces, text[end:]])
    return _OCLOCK.sub(_other_hour, _SENSE.sub(_other_sense, swapped))


def _other_word(word: str) -> str:
    """A side, or a word made of one, of the other side; any other word as it is."""
    if word.lower() in SLIPS:
        return SLIPS[word.lower()]
    if not (match := _SIDE.fullmatch(word)):
        return word
    return word[: match.start(1)] + _as_written(match[1], OTHER[match[1].lower()]) + word[match.end(1) :]


def _other_sense(match: re.Match[str]) -> str:
    article, against, word = match.groups()
    other = "clockwise" if against else "counterclockwise"
    return ("a " if article else "") + _as_written(against or word, other)


def _other_hour(match: re.Match[str]) -> str:
    hour = match[1].lower()
    if hour in _HOURS:
        return _as_written(hour, _HOURS[-_HOURS.index(hour) % 12])
    return str(12 - int(hour)) if 0 < int(hour) < 12 else hour


def _as_written(word: str, other: str) -> str:
    """``other`` with the capitals of ``word``."""
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other
