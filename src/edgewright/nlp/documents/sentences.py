"""Where sentences begin and end."""

from __future__ import annotations

import re

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
