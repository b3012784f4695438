"""Sentences of a text, and what kind of thing a question wants a sentence to hold."""

from __future__ import annotations

import re
from collections.abc import Callable

_NUMBER = re.compile(
    r"\b(?:\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million"
    r"|billion|half|third|quarter|twice|once)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:1\d{3}|20\d{2}|\d{1,2}(?:st|nd|rd|th)|January|February|March|April|May|June|July|August|September|October"
    r"|November|December|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|century|\d+s|\d{1,2}:\d{2})\b"
)
# A name: a capital that does not begin the sentence, or two in a row.
_NAME = re.compile(r"(?<=\S )[\"'\u201c(]?[A-Z][\w.\u2019'-]*|^[A-Z][\w.-]+ [A-Z][\w.\u2019'-]*")
_ASKS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"\bhow (?:many|much|long|old|far|often|big|large|tall|fast|high|deep|wide|hot|cold)\b"
                r"|\bwhat (?:percent|percentage|number|amount|size|temperature|voltage|age)\b"), _NUMBER),
    (re.compile(r"\bwhen\b|\b(?:what|which|in what) (?:year|date|century|month|day|decade|time)\b"), _DATE),
    (re.compile(r"\bwho\b|\bwhose\b|\bwhom\b|\bwhere\b|\b(?:what|which) (?:\w+ )?(?:city|country|person|company|state"
                r"|team|name|president|king|player|school|university|place|river|group|organization|book|church)\b"),
     _NAME),
)  # fmt: skip


def asks_for(question: str) -> Callable[[str], bool] | None:
    """Return a test of sentences, or None where the question asks for nothing in particular.

    Args:
        question: as it was typed. English; any other language asks for nothing in particular.
    """
    lower = question.lower()
    named = set(re.findall(r"\w+", lower))
    for pattern, kind in _ASKS:
        if pattern.search(lower):
            return lambda sentence: any(
                not named.issuperset(re.findall(r"\w+", match.lower())) for match in kind.findall(sentence)
            )
    return None


# An end of a sentence, quotes and brackets that belong to it, a gap; a line of its own is a sentence, too.
_END = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f]\s*|\s*\n+\s*")
_SHORT = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nos|vs|etc|e\.g|i\.e|cf|al|Fig|approx|Inc|Ltd|Co|Jr|Sr|Gen|Col|ca|resp|max|min)"
    r"|\b[A-Z])\.$"
)
# Only in front of these does a stop end a sentence.
_BEGINS = re.compile(r"[^a-z,;:)\]]")
# A list without a stop is cut, so that a sentence can be shown.
LONGEST = 600


def sentence_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Begin and end of each sentence, without space around it; none of them longer than `LONGEST`."""
    spans: list[tuple[int, int]] = []
    begin = 0
    for match in _END.finditer(text):
        if match.end() < len(text) and "\n" not in match.group():
            before = text[max(begin, match.start() - 8) : match.start() + 1]
            if not _BEGINS.match(text, match.end()) or _SHORT.search(before):
                continue
        _add(spans, text, begin, match.end())
        begin = match.end()
    _add(spans, text, begin, len(text))
    return tuple(spans)


def _add(spans: list[tuple[int, int]], text: str, begin: int, end: int) -> None:
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    while end - begin > LONGEST:
        cut = text.rfind(" ", begin + LONGEST // 2, begin + LONGEST)
        cut = cut if cut > 0 else begin + LONGEST
        spans.append((begin, cut))
        begin = cut + 1 if text[cut].isspace() else cut
    if end > begin:
        spans.append((begin, end))
