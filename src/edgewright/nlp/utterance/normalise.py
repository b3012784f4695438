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

from edgewright.schema.errors import InputError

Ranges = tuple[tuple[int, int], ...]
# Ends are not included, here and below.
SPACES: Ranges = (
    (0x09, 0x0E), (0x1C, 0x21), (0x85, 0x86), (0xA0, 0xA1), (0x1680, 0x1681), (0x2000, 0x200B), (0x2028, 0x202A),
    (0x202F, 0x2030), (0x205F, 0x2060), (0x3000, 0x3001),
)  # fmt: skip
# Signs of ASCII and Latin-1, of Armenian, Hebrew, Arabic, Devanagari and Thai, punctuation, arrows to miscellaneous
# symbols, of CJK, small and full-width forms with the variation selectors, emoji, and tags.
SIGNS: Ranges = (
    (0x00, 0x30), (0x3A, 0x41), (0x5B, 0x5F), (0x60, 0x61), (0x7B, 0xAA), (0xAB, 0xB5), (0xB6, 0xBA), (0xBB, 0xC0),
    (0xD7, 0xD8), (0xF7, 0xF8), (0x055A, 0x0560), (0x0589, 0x058B), (0x05BE, 0x05BF), (0x05F3, 0x05F5),
    (0x060C, 0x060E), (0x061B, 0x0620), (0x066A, 0x066E), (0x06D4, 0x06D5), (0x0964, 0x0966), (0x0E3F, 0x0E40),
    (0x2000, 0x2100), (0x2190, 0x2C00), (0x2E00, 0x2E80), (0x3000, 0x3005), (0x3008, 0x3021), (0x30FB, 0x30FC),
    (0xFE00, 0xFE70), (0xFF00, 0xFF10), (0xFF1A, 0xFF21), (0xFF3B, 0xFF41), (0xFF5B, 0xFF66), (0xFFE0, 0x10000),
    (0x1F000, 0x1FB00), (0xE0000, 0x110000),
)  # fmt: skip
APOSTROPHES = (0x27, 0x2019)
_LAST = 0x110000


def others(ranges: Ranges) -> Ranges:
    """All code points but those of sorted ranges."""
    pieces, begin = [], 0
    for first, end in ranges:
        if first > begin:
            pieces.append((begin, first))
        begin = max(begin, end)
    return (*pieces, *(((begin, _LAST),) if begin < _LAST else ()))


def characters(ranges: Ranges) -> str:
    """Return ranges as a regular expression has them between brackets."""
    return "".join(f"\\U{first:08x}-\\U{end - 1:08x}" for first, end in ranges)


SPACE_CLASS = characters(SPACES)
WORD_CLASS = characters(others(tuple(sorted((*SPACES, *SIGNS)))))


@cache
def small_letters() -> dict[int, int]:
    """Return capitals and the small letters that they are, where both are one code point of the folded scripts."""
    letters = {}
    for begin, end in ((0x41, 0x5B), *FOLDED):
        for code in range(begin, end):
            lower = chr(code).lower()
            if len(lower) == 1 and lower != chr(code):
                letters[code] = ord(lower)
    return letters


def lower(text: str) -> str:
    """Return the text in small letters, one code point for one."""
    return text.lower() if text.isascii() else text.translate(small_letters())


def checked(text: str, where: str = "the utterance") -> str:
    """Return the text, composed (NFC).

    Raises:
        InputError: nothing but space, longer than `LONGEST` code points, or half a character (a lone surrogate).
    """
    if len(text) > LONGEST:
        raise InputError(
            f"at most {LONGEST:,} characters", f"{len(text):,}", where, "Shorten it to one or two sentences"
        )
    if not text.strip():
        raise InputError("some text", "an empty utterance", where)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("text in UTF-8", "invalid bytes or half a character", where) from None
    return compose(text)


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
    """Return what `str.translate` makes of code points: None drops one, absent ones stay."""
    mapping: dict[int, str | None] = {code: _ascii(code) for code in range(0x80)}
    for begin, end in SEPARATORS:
        mapping.update(dict.fromkeys(range(begin, end), " "))
    for begin, end in FOLDED:
        for code in range(begin, end):
            if code not in mapping and (folded := fold(code)) != code:
                mapping[code] = chr(folded)
    for begin, end in DROPPED:
        mapping.update(dict.fromkeys(range(begin, end)))
    mapping.update(dict.fromkeys(_APOSTROPHES, "'"))
    return mapping


def fold(code: int) -> int:
    """Lower case without diacritics, where that is one code point; the code point itself otherwise."""
    text = unicodedata.normalize("NFKD", chr(code)).casefold()
    text = unicodedata.normalize("NFKD", text)
    bare = [c for c in text if not 0x0300 <= ord(c) < 0x0370]
    if len(bare) != 1:
        return code
    return ord(bare[0]) if ord(bare[0]) >= 0x80 else ord(_ascii(ord(bare[0])))


def normalised(text: str) -> str:
    """Return words between single spaces, one space before and one after; a single space when there is no word."""
    words = text.translate(table()).split(" ")
    words = [word for word in words if word]
    return f" {' '.join(words)} " if words else " "


def _ascii(code: int) -> str:
    """Return letters in lower case, digits as 0, the apostrophe; anything else separates."""
    char = chr(code)
    if char.isdigit():
        return "0"
    return char.lower() if char.isalpha() or code == APOSTROPHE else " "
