"""Text as the student and the slot tagger see it: one case, no accents, single spaces; the same rules in Python and C.

The rules are a subset of Unicode that fits a microcontroller. Code points of Latin, Greek, Cyrillic, Armenian and of
full-width ASCII are folded by a table of one code point each: lower case, without diacritics. Combining marks of
U+0300 to U+036F, joiners, direction marks and variation selectors are dropped; so composed (NFC) and decomposed (NFD)
text of these scripts gives the same. All other code points stay as they are: emoji, Hebrew, Arabic, Devanagari, Han.
Scripts beyond the table must arrive as NFC, which `compose` sees to on systems that have Python.
"""

from __future__ import annotations

import unicodedata
from functools import cache

# Code points of an utterance; longer ones are refused, never cut silently.
LONGEST = 1000
# Blocks whose letters are folded: Latin to Armenian, Latin and Greek extended, Roman numerals and letters in circles
# are left alone, full-width ASCII.
FOLDED = ((0x00AA, 0x0300), (0x0370, 0x0590), (0x1E00, 0x2000), (0xFF01, 0xFF5F))
# What separates words besides ASCII punctuation: Latin-1 signs, general punctuation, CJK punctuation.
SEPARATORS = ((0x00A0, 0x00AA), (0x00AB, 0x00B5), (0x00B6, 0x00BA), (0x00BB, 0x00C0), (0x2000, 0x2070),
              (0x3000, 0x3005), (0x3008, 0x3021))  # fmt: skip
DROPPED = ((0x00AD, 0x00AE), (0x0300, 0x0370), (0x200B, 0x2010), (0x202A, 0x202F), (0x2060, 0x2065),
           (0xFE00, 0xFE10), (0xFEFF, 0xFF00))  # fmt: skip
_APOSTROPHES = (0x2018, 0x2019, 0x02BC, 0xFF07)
SPACE, APOSTROPHE = 0x20, 0x27


def compose(text: str) -> str:
    """NFC, where the text is not ASCII."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@cache
def table() -> dict[int, str | None]:
    """What `str.translate` makes of code points: None drops one, absent ones stay."""
    made: dict[int, str | None] = {code: _ascii(code) for code in range(0x80)}
    for begin, end in SEPARATORS:
        made.update(dict.fromkeys(range(begin, end), " "))
    for begin, end in FOLDED:
        for code in range(begin, end):
            if code not in made and (folded := fold(code)) != code:
                made[code] = chr(folded)
    for begin, end in DROPPED:
        made.update(dict.fromkeys(range(begin, end)))
    made.update(dict.fromkeys(_APOSTROPHES, "'"))
    return made


def fold(code: int) -> int:
    """Lower case without diacritics, where that is one code point; the code point itself otherwise."""
    text = unicodedata.normalize("NFKD", chr(code)).casefold()
    text = unicodedata.normalize("NFKD", text)
    bare = [c for c in text if not 0x0300 <= ord(c) < 0x0370]
    if len(bare) != 1:
        return code
    return ord(bare[0]) if ord(bare[0]) >= 0x80 else ord(_ascii(ord(bare[0])))


def normalised(text: str) -> str:
    """Words between single spaces, one space before and one after; a single space when there is no word."""
    words = text.translate(table()).split(" ")
    words = [word for word in words if word]
    return f" {' '.join(words)} " if words else " "


def _ascii(code: int) -> str:
    """Letters in lower case, digits as 0, the apostrophe; anything else separates."""
    char = chr(code)
    if char.isdigit():
        return "0"
    return char.lower() if char.isalpha() or code == APOSTROPHE else " "
