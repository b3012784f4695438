"""Values of slots: by rule (numbers, durations, dates, times), and entries of gazetteers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

from edgewright.core.errors import TextEncodingError, UtterancesError
from edgewright.nlp.records import Slot

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
        raise UtterancesError(
            f"at most {LONGEST:,} characters", f"{len(text):,}", where, "Shorten it to one or two sentences"
        )
    if not text.strip():
        raise UtterancesError("some text", "an empty utterance", where)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise TextEncodingError("text in UTF-8", "invalid bytes or half a character", where) from None
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


_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SMALL = {word: value for value, word in enumerate(_UNITS)} | {word: 10 * (i + 2) for i, word in enumerate(_TENS)}
_PARTS = ("ero", "one", "tw", "th", "fo", "fi", "six", "se", "eigh", "nin", "ten", "ele", "hun")
LARGE = {"hundred": 100, "thousand": 1000}
_WORD = "|".join((*sorted(SMALL, key=len, reverse=True), *LARGE))
_S = f"[{SPACE_CLASS}]"
_BEGIN, _END = f"(?<![{WORD_CLASS}])", f"(?![{WORD_CLASS}])"
_DIGITS = r"[0-9]{1,9}\.[0-9]{1,6}|[0-9]{1,12}"
_NUMBER = rf"{_DIGITS}|(?:{_WORD})(?:(?:-|{_S}+and{_S}+|{_S}+)(?:{_WORD}))*"
UNITS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600, "day": 86400, "week": 604800}
_UNIT = "|".join(UNITS)
_PIECE = rf"(?:{_NUMBER}|an?|half{_S}+an?){_S}+(?:{_UNIT})s?"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Seconds; beyond them, and beyond what a double holds to the last digit, nobody means a duration.
MOST_SECONDS = 10**15
_EXACT = re.ASCII | re.IGNORECASE
_RULES = (
    ("duration", rf"{_PIECE}(?:(?:{_S}*,{_S}*|{_S}+and{_S}+|{_S}+){_PIECE})*"),
    ("time", rf"([0-9]{{1,2}})(?::([0-9]{{2}}))?{_S}*([ap])\.?m|([0-9]{{1,2}}):([0-9]{{2}})"),
    ("date", rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|(?:today|tomorrow|{'|'.join(DAYS)})"),
    ("number", _NUMBER),
)
NAMES = tuple(name for name, _ in _RULES)
_COMPILED = tuple((name, re.compile(f"{_BEGIN}(?:{rule}){_END}", _EXACT)) for name, rule in _RULES)
_DIGIT = re.compile("[0-9]")
_ONE_PIECE = re.compile(rf"({_NUMBER}|an?|half{_S}+an?){_S}+({_UNIT})s?{_END}", _EXACT)
_WHOLE = re.compile(_DIGITS)
_BETWEEN = re.compile(rf"(?:-|{_S})+")
_SPACES = re.compile(rf"{_S}+")


def values(text: str, today: date | None = None) -> tuple[Slot, ...]:
    """Return numbers, durations, clock times and dates, in the order of the text; none lies within another.

    Args:
        text: text of the utterance.
        today: what "tomorrow" counts from; without it such words keep themselves as their value.
    """
    slots: list[Slot] = []
    likely = _likely(text)
    for name, rule in _COMPILED:
        for match in rule.finditer(text) if likely[name] else ():
            begin, end = match.span()
            if any(begin < slot.end and slot.begin < end for slot in slots):
                continue
            value = _value(name, match, today)
            if value is not None:
                slots.append(Slot(name=name, begin=begin, end=end, text=match[0], value=value, by="rule"))
    return tuple(sorted(slots, key=lambda slot: slot.begin))


def number(text: str) -> float | int | None:
    """Return the number that the text is, in digits or English words; None for another text."""
    plain = text.strip().lower()
    if _WHOLE.fullmatch(plain):
        return float(plain) if "." in plain else int(plain)
    total, part, seen = 0, 0, False
    for word in _BETWEEN.split(plain):
        if word in SMALL:
            # "twenty ten" is two numbers said in a row: no guess is made.
            if part % 100 and not (part % 100 >= 20 and part % 10 == 0 and 0 < SMALL[word] < 10):
                return None
            part, seen = part + SMALL[word], True
        elif word == "hundred" and seen and 0 < part < 10:
            part *= 100
        elif word == "thousand" and seen and part and not total:
            total, part = part * 1000, 0
        elif word != "and":
            return None
    return total + part if seen else None


def _likely(text: str) -> dict[str, bool]:
    """Which rules can find anything at all: letters that each of their matches holds, which is far quicker to see."""
    plain, digit = text.lower(), _DIGIT.search(text) is not None
    return {
        "duration": any(unit in plain for unit in ("sec", "min", "h", "day", "week")),
        "time": digit,
        # All names of days end so, "today" included.
        "date": digit or "day" in plain or "tomorrow" in plain,
        # Every number word holds one of them.
        "number": digit or any(part in plain for part in _PARTS),
    }


def _value(name: str, match: re.Match[str], today: date | None) -> str | float | int | None:
    if name == "number":
        return number(match[0])
    if name == "duration":
        return _duration(match[0])
    return _clock(match) if name == "time" else _date(match[0].lower(), today)


def _duration(text: str) -> float | int | None:
    total: float | int = 0
    for piece in _ONE_PIECE.finditer(text):
        message = _SPACES.sub(" ", piece[1]).lower()
        count = 1 if message in ("a", "an") else 0.5 if message.startswith("half") else number(message)
        if count is None:
            return None
        total += count * UNITS[piece[2].lower()]
        if total > MOST_SECONDS:
            return None
    return int(total) if total == int(total) else total


def _clock(match: re.Match[str]) -> str | None:
    hour, minute = int(match[1] or match[4]), int(match[2] or match[5] or 0)
    if match[3]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[3].lower() == "p" else 0)
    return f"{hour:02d}:{minute:02d}" if hour < 24 and minute < 60 else None


def _date(text: str, today: date | None) -> str | None:
    if text[0].isdigit():
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            return None
    if today is None:
        return text
    if text in DAYS:
        # The next one, a week from now where today is that day.
        return (today + timedelta(days=(DAYS.index(text) - today.weekday() - 1) % 7 + 1)).isoformat()
    return (today + timedelta(days=int(text == "tomorrow"))).isoformat()


# Words of an entry; longer ones are never found.
_LONGEST = 12
# Those of ASCII and of full width.
_ASCII_DIGITS = {chr(zero + k): str(k) for zero in (0x30, 0xFF10) for k in range(10)}


class Gazetteers:
    """Entries of all slots.

    Args:
        lists: slot -> what is said -> what it stands for.

    Attributes:
        entries: folded words -> slot and what they stand for.
        longest: words of the longest entry.
    """

    def __init__(self, lists: Mapping[str, Mapping[str, str]]) -> None:
        self.entries: dict[str, tuple[str, str]] = {}
        self.longest = 0
        for slot, entries in lists.items():
            for text, value in entries.items():
                key = _key(text)
                if key:
                    self.entries.setdefault(key, (slot, value))
                    self.longest = max(self.longest, min(len(tokens(text)), _LONGEST))

    def find(self, text: str) -> tuple[Slot, ...]:
        """Return what of the entries the text says; an s at the end of the last word is overlooked."""
        if not self.entries:
            return ()
        # Signs are none of an entry's ends: they separate.
        spans = [(begin, end) for begin, end in tokens(text) if normalised(text[begin:end]) != " "]
        slots, at = [], 0
        while at < len(spans):
            for length in range(min(self.longest, len(spans) - at), 0, -1):
                begin, end = spans[at][0], spans[at + length - 1][1]
                key = _key(text[begin:end])
                hit = self.entries.get(key) or (self.entries.get(key[:-1]) if key.endswith("s") else None)
                if hit:
                    slots.append(
                        Slot(name=hit[0], begin=begin, end=end, text=text[begin:end], value=hit[1], by="gazetteer")
                    )
                    at += length - 1
                    break
            at += 1
        return tuple(slots)


def _key(text: str) -> str:
    # Digits are kept apart here: "7 up" is no "9 up".
    digits = "".join(_ASCII_DIGITS.get(c, "") for c in text)
    plain = normalised(text).strip()
    return f"{plain}#{digits}" if digits else plain


_JOINS = "".join(map(chr, APOSTROPHES))
# A word, with an apostrophe in it or not, or one sign.
_TOKEN = re.compile(rf"[{WORD_CLASS}]+(?:[{_JOINS}][{WORD_CLASS}]+)*|[^{WORD_CLASS}{SPACE_CLASS}]")


def tokens(text: str) -> list[tuple[int, int]]:
    """Begin and end of every token, in code points."""
    return [match.span() for match in _TOKEN.finditer(text)]
