"""Which words mirroring swaps. Braces mark the sides of a line: they alone are exchanged."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopo.batch import Caption
from sopo.data.captions import mirror_caption
from sopo.data.sides import OTHER, SLIPS, mirror_text
from sopo.data.tagging import tag

LINES = """
he left the room
he then left the room
a person left the room
the man quickly left
the old man left through the door
she has left the building
they had already left
someone left something on the ground when he walks a corner
the person who left turns {right}
he stood up and left
a man waves, then left the stage
she put the box down and left it there
he picked up the box and left.
as the person left, the {right} hand was still raised
he was left standing with his {right} arm up
the ball is left behind
what is left of the chair is kicked with the {left} foot
there is nothing left to do
all that is left is a wave of the {right} hand
he left his {left} hand on the table
where he left off he starts again with the {left} foot
he leaves and turns {left}
to the {left}
to his {left}
turn {left}
turn {right}
he turns {left} then stops
a person turns {left} and waves
a person is pushed to the {left} by someone
walks with the {right} foot, then the {left}
a person holds something in his {left} and waves with the {right}
starting with {left}
from {left} to {right}
from {right} to {left} and back
sways {left} and {right}
sways {left} to {right}
a person punches {left}, {right}, and then {left} again
a person moves their {right}-hand side
takes one step diagonally forward and {left}.
moves forward and {left} for a few steps
moves up and {left}.
the person {left} of the dumbbell
a man {left} steps, then {right} steps
a person walks in a circle to he {left}
a figure is boxing uppercuts with is {left} blue arm
she has {left} and {right} arms raised
he has {left} arm raised
takes his {left} arm and moves it {right} to {left}
a person places it {right}
circles {left} around a corner
walks slowly {left} around a corner
a few centimeters {left} of center
leans {left} a little
goes {right} and {left} the second time
man runs {left} from the middle, then all the way {right}, then back {left}
stops right before where it started
man walks in a circular motion then stops right before completing the circle
they hop on top of something then back down right after
jumps up right after landing
right after turning he waves
right after turning {left} he waves
he waves right after turning to the {right}
right before the jump he bends his {right} knee
he sits down right away
right away he turns {right}
he turns right away
he turns {right}, away from the wall
he steps to the {right} away from the wall
he is all right
all right, he walks on
he feels alright
that's right
the person stands right there
stands right here with the {right} hand up
he stops right now
he stops right in front of the wall
steps on a step to the {right} in front of him
he stands right next to a chair
walks right up to the table
walks right into a wall
walks right past the chair and turns {right}
runs right through the door
steps right over the box
lands right on the spot where he started
lands right where he started
puts the {left} foot right behind the {right} foot
puts the {left} foot right in front of the {right}
holds the hands right above the head
he goes right back to where he started
he sits right back down
gets hit right in the face
stumbles to the {right} after standing still
stumbles to his {right} before standing still again
tumbles to the back {right} after being pushed
turns {right} after three steps
turns {right} before sitting down
turns {right} in place
turns {right} into the street
turns slightly {right} and waves
steps {right} back
walks {right} and then {left}
a step {right} forward
sidesteps {right}
side steps {right} at the end
makes a right angle with both arms
slowly walking and turning in right angles
a right-angled turn to the {left}
bends the {right} arm at a right angle
walks at a slight {right} angle
walks at a slight {left} angle
he rights himself and continues walking
he turns slightly to his {left}, then rights his {right} leg slightly
takes two swings and finally two {rights} downward
throws a series of {lefts} and {rights}
an upright posture
stands upright and outright
lifts the leftover food and the leftovers
the {left}-hand side
a {left}-handed throw
a {lefthanded} throw
a {right}-footed kick
a quarter, {right} sided circle
a {right}, {left}, {right} combination
moves {leftwards} and then {rightward}
the {leftmost} chair
brightly lit, the fight in the night
{Left} hand up, {RIGHT} hand down
turns the cup right side up
stands the right way up
waits for the right moment to kick with the {left} leg
a {right} turn, then a {left} u-turn
walks in the {right} direction
one the {right} (wrong) side
raises both {left} and {right} hand
moves the {right} leg right after the {left} leg
crosses the {right} over the {left}
brings the {right} foot next to the {left}
he’d left the room
they've left already
a person that left the room comes back
the person waved and left.
he moved forward and {left}.
he moved up and {left}.
what's left is a jump
until only one is left
there is no time left to turn {left}
kicks right after landing
comes back right after
Right after the jump he turns {left}
a person walks {right} before stopping
a person walks {left} before stopping
steps {right} on a {left} stair
he {left} foot moves
they {left} turn
he left right after turning {left}
a man walks in, looks around and left
after the others left, he raises his {left} hand
only one person is left
there are two chairs left
with no energy left he sits down
left alone, he sits down
right then he jumps
right at the end he bows
he looks right at the camera
punches right in the middle
he throws the ball right at the wall
he puts it right back
puts it right on the table
walks right up the stairs
gets it right
a person is {right} handed
hangs a {left}
keeps {left}, bears {right}
punches {left} {right} {left}
a {left}-{right} combination
the one on the {left}
checks {right} then {left}
looks {left} before crossing
a step {left} and another {right}
she turns {left} right after that
"""


def _other(match: re.Match[str]) -> str:
    def swap(side: re.Match[str]) -> str:
        other = OTHER[side[0].lower()]
        return other.upper() if side[0].isupper() else other.capitalize() if side[0][0].isupper() else other

    return re.sub("left|right", swap, match[1], flags=re.IGNORECASE)


@pytest.mark.parametrize("line", [line for line in LINES.splitlines() if line])
def test_sides_are_swapped_and_nothing_else(line: str) -> None:
    assert mirror_text(re.sub("[{}]", "", line)) == re.sub(r"\{(.*?)\}", _other, line)


def test_sides_come_in_pairs_of_lines() -> None:
    """Mirrored twice, a line is what it was."""
    for line in LINES.splitlines():
        plain = re.sub("[{}]", "", line)
        assert mirror_text(mirror_text(plain)) == plain


WORDS = ("he", "turns", "left", "right", "the", "hand", "foot", "and", "walks", "after", ",", "forward", "to", "slowly")


@given(st.lists(st.sampled_from(WORDS)))
def test_only_sides_change_and_the_number_of_words_stays(words: list[str]) -> None:
    text = " ".join(words)
    for word, other in zip(text.split(), mirror_text(text).split(), strict=True):
        assert other in (word, OTHER.get(word))


@given(st.text())
def test_any_text_is_mirrored(text: str) -> None:
    mirror_text(text)
    mirror_caption(Caption(text, tag(text)))


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("walks clockwise", "walks counterclockwise"),
        ("a counterclockwise circle", "a clockwise circle"),
        ("counter clockwise, then clock-wise", "clockwise, then counterclockwise"),
        ("in an anti-clockwise circle", "in a clockwise circle"),
        ("Anticlockwise and CLOCKWISE", "Clockwise and COUNTERCLOCKWISE"),
        (
            "from the 3 o'clock position to the 11 o’clock position",
            "from the 9 o'clock position to the 1 o’clock position",
        ),
        ("points to twelve o'clock, two o'clock and 6 o'clock", "points to twelve o'clock, ten o'clock and 6 o'clock"),
        ("raises the rigth hand", "raises the left hand"),
    ],
)
def test_senses_hours_and_slips(text: str, mirrored: str) -> None:
    assert mirror_text(text) == mirrored


@pytest.mark.parametrize(
    ("text", "tokens", "mirrored"),
    [
        ("he left, turns left", "he/PRON left/VERB turn/VERB left/VERB", "he/PRON left/VERB turn/VERB right/VERB"),
        ("a left-hand wave", "a/DET lefthand/ADJ wave/NOUN", "a/DET righthand/ADJ wave/NOUN"),
        ("walks clockwise", "walk/VERB clockwise/ADV", "walk/VERB counterclockwise/ADV"),
        ("two lefts", "two/NUM left/NOUN", "two/NUM right/NOUN"),
        ("walks counter clockwise", "walk/VERB counter/NOUN clockwise/ADV", "walk/VERB clockwise/ADV"),
        ("moves 90degrees left", "move/VERB left/ADV", "move/VERB degree/NOUN right/ADJ"),
        ("left", "", ""),
    ],
)
def test_tokens_are_mirrored_with_their_words(text: str, tokens: str, mirrored: str) -> None:
    assert mirror_caption(Caption(text, tuple(tokens.split()))).tokens == tuple(mirrored.split())


def test_real_captions(shared: Path) -> None:
    """Nearly all left and right of people's captions are sides; what is none was found by reading them."""
    table = (shared / "texts/humanml3d/test_one_caption_each.tsv").read_text(encoding="utf-8")
    texts = [text for key, text in (line.split("\t", 1) for line in table.splitlines()) if not key.startswith("M")]
    kept = []
    for text in texts:
        mirrored = mirror_text(text)
        if SLIPS.keys() & set(text.split()):
            continue
        assert mirror_text(mirror_text(mirrored)) == mirrored  # twice it may be spelt otherwise, no more
        sides = zip(re.findall(r"\b(?:left|right)\w*", text), re.findall(r"\b(?:left|right)\w*", mirrored), strict=True)
        kept += [text for side, other in sides if side == other]
    assert len(kept) == 4
