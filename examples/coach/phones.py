"""The phones of English (ARPAbet of the CMU dictionary), which are easily confused, and prompts with mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.core.errors import InputError

PHONES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
NUMBERS = {phone: number for number, phone in enumerate(PHONES)}
SILENCE = len(PHONES)
# Of the network: phones, and silence after them.
OUTPUTS = len(PHONES) + 1
# Pairs that learners of English from many first languages confuse (Swan and Smith, Learner English, 2001).
CONFUSABLE = (
    "AA-AH", "AA-AO", "AE-AH", "AE-EH", "AH-EH", "AO-OW", "AO-UH", "AW-OW", "AY-EY", "B-P", "B-V", "CH-JH", "CH-SH",
    "CH-T", "D-DH", "D-T", "DH-V", "DH-Z", "EH-EY", "EH-IH", "ER-AH", "ER-AO", "F-P", "F-TH", "F-V", "G-K", "IH-IY",
    "JH-Y", "JH-Z", "JH-ZH", "L-N", "L-R", "M-N", "N-NG", "R-W", "S-SH", "S-TH", "S-Z", "SH-ZH", "T-TH", "TH-DH",
    "UH-UW", "V-W", "Z-ZH",
)  # fmt: skip
_IPA = {
    "aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "oʊ": "OW", "əʊ": "OW", "ɔɪ": "OY", "tʃ": "CH", "dʒ": "JH", "ɑ": "AA",
    "ɒ": "AA", "a": "AE", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɔ": "AO", "o": "AO", "ɛ": "EH", "e": "EH",
    "ɜ": "ER", "ɚ": "ER", "ɝ": "ER", "ɪ": "IH", "ᵻ": "IH", "i": "IY", "ʊ": "UH", "u": "UW", "ʉ": "UW", "b": "B",
    "d": "D", "ð": "DH", "f": "F", "ɡ": "G", "g": "G", "h": "HH", "k": "K", "x": "K", "l": "L", "ɫ": "L", "m": "M",
    "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "r": "R", "s": "S", "ʃ": "SH", "t": "T", "ɾ": "T", "ʔ": "T", "θ": "TH",
    "v": "V", "w": "W", "ʍ": "W", "j": "Y", "z": "Z", "ʒ": "ZH",
}  # fmt: skip
Lexicon = Mapping[str, tuple[tuple[int, ...], ...]]


def confusable() -> dict[int, tuple[int, ...]]:
    """Return the phones with which each phone is easily confused."""
    others_of: dict[int, list[int]] = {number: [] for number in range(len(PHONES))}
    for pair in CONFUSABLE:
        first, other = (NUMBERS[name] for name in pair.split("-"))
        others_of[first].append(other)
        others_of[other].append(first)
    return {number: tuple(others) for number, others in others_of.items()}


def from_ipa(text: str) -> tuple[int, ...]:
    """Return the phones of letters of the International Phonetic Alphabet; marks of length and stress say nothing."""
    phones, at = [], 0
    while at < len(text):
        two = _IPA.get(text[at : at + 2])
        phone = two or _IPA.get(text[at])
        if phone:
            phones.append(NUMBERS[phone])
        at += 2 if two else 1
    return tuple(phones)


def read_lexicon(path: Path) -> Lexicon:
    """Read a dictionary: a word and its phones a line, several lines for several pronunciations.

    The digits of stress, and those that the CMU dictionary puts behind a second pronunciation, are left out.

    Raises:
        InputError: no such file, or a phone that is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("a dictionary as text", str(error), str(path)) from None
    entries: dict[str, list[tuple[int, ...]]] = {}
    for number, line in enumerate(lines, 1):
        word, *phones = line.split("#")[0].split()[:64] or [""]
        if not word or word.startswith(";;;"):
            continue
        plain = [phone.rstrip("012") for phone in phones]
        unknown = next((phone for phone in plain if phone not in NUMBERS), None)
        if unknown is not None or not plain:
            raise InputError("a word and phones of the CMU dictionary", repr(unknown or line), f"{path} line {number}",
                             f"Known: {' '.join(PHONES)}")  # fmt: skip
        pronunciation = tuple(NUMBERS[phone] for phone in plain)
        others = entries.setdefault(word.split("(")[0].upper(), [])
        if pronunciation not in others:
            others.append(pronunciation)
    return {word: tuple(others) for word, others in entries.items()}


Words = tuple[tuple[tuple[int, ...], ...], ...]
_SHARE = 0.2


@dataclass(frozen=True)
class ChangedPrompt:
    """A changed prompt.

    Attributes:
        pronunciations: of each word; a changed word has one.
        changed: word and place in it of each changed phone.
        truth: the phone that was there, for each of them.
    """

    pronunciations: Words
    changed: frozenset[tuple[int, int]]
    truth: Mapping[tuple[int, int], int]


def changed_prompt(
    pronunciations: Words, others: Mapping[int, Sequence[int]] | None, rng: np.random.Generator
) -> ChangedPrompt:
    """Change a phone in a fifth of the words, at least in one.

    Args:
        pronunciations: pronunciations of each word.
        others: phones that may take the place of each; every other one where None.
        rng: draws.
    """
    count = max(1, round(_SHARE * len(pronunciations)))
    words = sorted(rng.permutation(len(pronunciations))[:count].tolist())
    changed, truth, every = list(pronunciations), {}, range(len(PHONES))
    for word in words:
        own = pronunciations[word][int(rng.integers(len(pronunciations[word])))]
        choices = [[p for p in (every if others is None else others[phone]) if p != phone] for phone in own]
        places = [index for index, choice in enumerate(choices) if choice]
        if not places:
            continue
        index = places[int(rng.integers(len(places)))]
        phone, choice = own[index], choices[index]
        new = (*own[:index], choice[int(rng.integers(len(choice)))], *own[index + 1 :])
        if new in pronunciations[word]:
            continue
        changed[word], truth[word, index] = (new,), phone
    return ChangedPrompt(tuple(changed), frozenset(truth), truth)


def other_word(pronunciations: Words, lexicon: Lexicon, rng: np.random.Generator) -> tuple[Words, int]:
    """Put another word of about the same length in place of one.

    Returns:
        The changed prompt, and the number of the changed word.
    """
    word = int(rng.integers(len(pronunciations)))
    length = len(pronunciations[word][0])
    others = [
        own for own in lexicon.values() if abs(len(own[0]) - length) <= 1 and not set(own) & set(pronunciations[word])
    ]
    if not others:
        return pronunciations, -1
    return (*pronunciations[:word], others[int(rng.integers(len(others)))], *pronunciations[word + 1 :]), word
