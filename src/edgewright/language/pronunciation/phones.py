"""The phones of English as dictionaries write them (ARPAbet of the CMU dictionary), and which are easily confused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgewright.schema.errors import InputError

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
    made: dict[int, list[int]] = {number: [] for number in range(len(PHONES))}
    for pair in CONFUSABLE:
        one, other = (NUMBERS[name] for name in pair.split("-"))
        made[one].append(other)
        made[other].append(one)
    return {number: tuple(others) for number, others in made.items()}


def from_ipa(text: str) -> tuple[int, ...]:
    """Return the phones of letters of the International Phonetic Alphabet; marks of length and stress say nothing."""
    made, at = [], 0
    while at < len(text):
        two = _IPA.get(text[at : at + 2])
        found = two or _IPA.get(text[at])
        if found:
            made.append(NUMBERS[found])
        at += 2 if two else 1
    return tuple(made)


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
    made: dict[str, list[tuple[int, ...]]] = {}
    for number, line in enumerate(lines, 1):
        word, *phones = line.split("#")[0].split()[:64] or [""]
        if not word or word.startswith(";;;"):
            continue
        plain = [phone.rstrip("012") for phone in phones]
        unknown = next((phone for phone in plain if phone not in NUMBERS), None)
        if unknown is not None or not plain:
            raise InputError("a word and phones of the CMU dictionary", repr(unknown or line), f"{path} line {number}",
                             f"Known: {' '.join(PHONES)}")  # fmt: skip
        said = tuple(NUMBERS[phone] for phone in plain)
        others = made.setdefault(word.split("(")[0].upper(), [])
        if said not in others:
            others.append(said)
    return {word: tuple(others) for word, others in made.items()}
