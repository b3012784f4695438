"""What kind of thing a question asks for, and whether a sentence holds one that the question does not name itself."""

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
    """A test of sentences, or None where the question asks for nothing in particular.

    Args:
        question: as it was typed. English; any other language asks for nothing in particular.
    """
    lower = question.lower()
    named = set(re.findall(r"\w+", lower))
    for asked, kind in _ASKS:
        if asked.search(lower):
            return lambda sentence: any(
                not named.issuperset(re.findall(r"\w+", match.lower())) for match in kind.findall(sentence)
            )
    return None
