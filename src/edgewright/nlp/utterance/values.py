"""Values of slots: by rule (numbers, durations, dates, times), and entries of gazetteers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

from edgewright.nlp.utterance.normalise import SPACE_CLASS, WORD_CLASS, normalised
from edgewright.nlp.utterance.tagger import tokens
from edgewright.schema.language import Slot

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
