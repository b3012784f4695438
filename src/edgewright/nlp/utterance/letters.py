"""What is a word, a sign or a space to the slot tagger, the rules and the gazetteers, and small letters of capitals.

The classes are ranges of our own, a subset of Unicode: the same in every version of Python, and small enough for a
microcontroller. What Python takes for a word parts those of Devanagari at each vowel sign, and its case knows more than
one code point a letter; neither is wanted here.
"""

from __future__ import annotations

from functools import cache

from edgewright.nlp.utterance.normalise import FOLDED

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
    made, begin = [], 0
    for first, end in ranges:
        if first > begin:
            made.append((begin, first))
        begin = max(begin, end)
    return (*made, *(((begin, _LAST),) if begin < _LAST else ()))


def characters(ranges: Ranges) -> str:
    """Ranges as a regular expression has them between brackets."""
    return "".join(f"\\U{first:08x}-\\U{end - 1:08x}" for first, end in ranges)


SPACE_CLASS = characters(SPACES)
WORD_CLASS = characters(others(tuple(sorted((*SPACES, *SIGNS)))))


@cache
def small_letters() -> dict[int, int]:
    """Capitals and the small letters that they are, where both are one code point of the folded scripts."""
    made = {}
    for begin, end in ((0x41, 0x5B), *FOLDED):
        for code in range(begin, end):
            lower = chr(code).lower()
            if len(lower) == 1 and lower != chr(code):
                made[code] = ord(lower)
    return made


def lower(text: str) -> str:
    """The text in small letters, one code point for one."""
    return text.lower() if text.isascii() else text.translate(small_letters())
