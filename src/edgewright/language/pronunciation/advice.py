"""What to do with tongue, lips, jaw and throat to say a phone instead of another one.

Consonants have a place, a way and a voice, vowels a height, a depth, lips, a length and a glide, as phonetics describes
General American. Advice names what differs and leaves out the rest.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Consonant(NamedTuple):
    """How a consonant is made.

    Attributes:
        example: a word with it.
        mouth: what lips and tongue do.
        way: what the air does.
        voiced: whether the throat hums.
    """

    example: str
    mouth: str
    way: str
    voiced: bool


class Vowel(NamedTuple):
    """How a vowel is made.

    Attributes:
        example: a word with it.
        height: of the tongue, from 0, where the jaw is open, to 4.
        depth: of the tongue's highest part: 0 in front, 1 in the middle, 2 at the back.
        round: whether the lips are round.
        long: whether it is long and tense.
        glide: the vowel that it ends in; empty for a steady one.
    """

    example: str
    height: float
    depth: float
    round: bool = False
    long: bool = False
    glide: Literal["", "IY", "UW", "ER"] = ""


_LIPS, _TEETH = "close both lips", "put the tip of the tongue lightly between the teeth"
_LIP_TEETH = "touch the upper teeth with the lower lip"
_RIDGE = "press the tip of the tongue to the ridge behind the upper teeth"
_NEAR_RIDGE = "bring the tip of the tongue close to the ridge behind the upper teeth, without touching it"
_BEHIND = "bring the blade of the tongue close to the roof of the mouth, a little behind the ridge, lips forward"
_TOUCH_BEHIND = "press the blade of the tongue to the roof of the mouth, a little behind the ridge"
_BACK = "press the back of the tongue to the soft palate"
_STOP, _NOSE = "stop the air and let it burst out", "let the air out through the nose"
_FLOW, _BURST = "let the air hiss out without stopping it", "stop the air, then let it out with a hiss"
_FREE = "let the air pass without noise"
CONSONANTS = {
    "B": Consonant("bee", _LIPS, _STOP, True),
    "P": Consonant("pea", _LIPS, _STOP, False),
    "M": Consonant("me", _LIPS, _NOSE, True),
    "V": Consonant("vine", _LIP_TEETH, _FLOW, True),
    "F": Consonant("fine", _LIP_TEETH, _FLOW, False),
    "DH": Consonant("then", _TEETH, _FLOW, True),
    "TH": Consonant("thin", _TEETH, _FLOW, False),
    "D": Consonant("do", _RIDGE, _STOP, True),
    "T": Consonant("two", _RIDGE, _STOP, False),
    "N": Consonant("no", _RIDGE, _NOSE, True),
    "L": Consonant("low", _RIDGE, "let the air pass at the sides of the tongue", True),
    "Z": Consonant("zoo", _NEAR_RIDGE, _FLOW, True),
    "S": Consonant("sue", _NEAR_RIDGE, _FLOW, False),
    "ZH": Consonant("vision", _BEHIND, _FLOW, True),
    "SH": Consonant("she", _BEHIND, _FLOW, False),
    "JH": Consonant("joke", _TOUCH_BEHIND, _BURST, True),
    "CH": Consonant("choke", _TOUCH_BEHIND, _BURST, False),
    "R": Consonant("row", "curl the tip of the tongue back, touching nothing, lips a little round", _FREE, True),
    "Y": Consonant("yes", "raise the middle of the tongue almost to the roof of the mouth", _FREE, True),
    "W": Consonant("we", "round the lips to a small hole and keep them off the teeth", _FREE, True),
    "G": Consonant("go", _BACK, _STOP, True),
    "K": Consonant("key", _BACK, _STOP, False),
    "NG": Consonant("sing", _BACK, _NOSE, True),
    "HH": Consonant("he", "keep tongue and lips out of the way", "breathe out", False),
}
VOWELS = {
    "IY": Vowel("sheep", 4, 0, long=True),
    "IH": Vowel("ship", 3, 0),
    "EY": Vowel("late", 2.5, 0, long=True, glide="IY"),
    "EH": Vowel("let", 2, 0),
    "AE": Vowel("bat", 1, 0),
    "AH": Vowel("but", 1.5, 1),
    "ER": Vowel("bird", 2, 1, long=True, glide="ER"),
    "AA": Vowel("hot", 0, 2, long=True),
    "AO": Vowel("caught", 1, 2, round=True, long=True),
    "OW": Vowel("coat", 2, 2, round=True, long=True, glide="UW"),
    "UH": Vowel("pull", 3, 2, round=True),
    "UW": Vowel("pool", 4, 2, round=True, long=True),
    "AY": Vowel("buy", 0, 1, long=True, glide="IY"),
    "AW": Vowel("now", 0, 1, long=True, glide="UW"),
    "OY": Vowel("boy", 1, 2, round=True, long=True, glide="IY"),
}
_GLIDES = {
    "": "keep the tongue still to the end",
    "IY": "let the tongue glide up to the vowel of 'see' at the end",
    "UW": "let lips and tongue glide to the vowel of 'too' at the end",
    "ER": "curl the tip of the tongue back, touching nothing",
}
# Heights that are no further apart sound alike.
_ALIKE = 0.5


def advice(phone: str, instead: str) -> str:
    """Return what to do to say a phone that sounded like another one.

    Args:
        phone: of the prompt, in ARPAbet.
        instead: the other one.
    """
    if phone in CONSONANTS:
        steps = _consonant_steps(CONSONANTS[phone], CONSONANTS.get(instead))
    else:
        steps = _vowel_steps(VOWELS[phone], VOWELS.get(instead))
    return f"{phone} as in '{_example(phone)}', not {instead} as in '{_example(instead)}': {'; '.join(steps)}"


def _example(phone: str) -> str:
    return CONSONANTS[phone].example if phone in CONSONANTS else VOWELS[phone].example


def _consonant_steps(phone: Consonant, other: Consonant | None) -> list[str]:
    voice = "let the throat hum" if phone.voiced else "breathe without humming"
    if other is None:
        return [phone.mouth, phone.way, voice]
    if (other.mouth, other.way) == (phone.mouth, phone.way):
        return [f"the same mouth, but {voice}"]
    mouth = [phone.mouth] * (other.mouth != phone.mouth)
    ways = [phone.way] * (other.way != phone.way)
    return [*mouth, *ways, *[voice] * (other.voiced != phone.voiced)]


def _vowel_steps(phone: Vowel, other: Vowel | None) -> list[str]:
    if other is None:
        return ["open the mouth and let the throat hum", _GLIDES[phone.glide]]
    steps = []
    higher = phone.height - other.height
    if abs(higher) > _ALIKE:
        little = " a little" if abs(higher) <= 1 else ""
        steps.append(f"raise the tongue{little}" if higher > 0 else f"open the jaw{little} and lower the tongue")
    if phone.depth != other.depth:
        steps.append("push the tongue forward" if phone.depth < other.depth else "pull the tongue back")
    if phone.round != other.round:
        steps.append("round the lips" if phone.round else "do not round the lips")
    if phone.glide != other.glide:
        steps.append(_GLIDES[phone.glide])
    if phone.long != other.long:
        steps.append("hold it longer, with a firm tongue" if phone.long else "keep it short and loose")
    return steps
