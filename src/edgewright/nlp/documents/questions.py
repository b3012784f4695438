"""What a question asks for: the words around it, the kind of answer, and whether something does not work."""

from __future__ import annotations

import re
from collections.abc import Callable

from edgewright.nlp.documents.words import stems

# What is said around a question: 'What are the steps to ...', 'Is there any way to ...', 'How do I fix this?'.
_FRAME = re.compile(
    r"\b(?:what|which) (?:is|are) (?:the |a |an |all |best |correct |right |different )*(?:steps?|ways?|procedures?"
    r"|process|methods?|uses?|purpose|functions?|meaning|role)\b(?: (?:to|of|for|in|involved in)\b)?"
    r"(?: (?:follow|do)\b)?"
    r"|\bis there (?:any |an? |some )*(?:way|option|method|possibility|chance|procedure)s?\b(?: (?:to|for|that)\b)?"
    r"|\bis it possible to\b|\b(?:can|could) you (?:please )?(?:explain|tell me|help me)\b(?: about\b)?"
    r"|\bi (?:want|need|would like|wish|am trying|have) to\b(?: know\b)?(?: about\b)?"
    r"|\bwhere (?:do|can) i (?:find|get|see|go to)\b|\bwhat (?:should|can|do|must) i do\b"
    r"|\bhow (?:can|do|should|could|to) (?:i |we |you )?(?:fix|solve|resolve|do) (?:this|it|that)\b"
    r"(?: (?:issue|problem)\b)?"
    r"|\bhow (?:do|can) i (?:use|get|go about)\b|\bhow (?:many|much|long|often|old|far)\b|\bplease (?:explain|tell)\b",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"\b(?:not|no|never|cannot|fail\w*|trouble\w*|problem\w*|error\w*|issue\w*|wrong|fix|broken|distort\w*)\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)


def without_frame(question: str) -> str:
    """Return what is asked, without the words around it; the question itself where nothing else would be left."""
    bare = _FRAME.sub(" ", question)
    return bare if stems(bare) else question


def is_trouble(text: str) -> bool:
    """Return whether a question or a heading is of something that does not work."""
    return bool(_TROUBLE.search(text))


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
_PERMISSION = re.compile(
    r"\b(?:is|are|am|was|be) (?:\w+ ){1,2}?"
    r"(?:allowed|permitted|permissible|legal|illegal|lawful|forbidden|prohibited)\b"
    r"|^\W*may (?:i|we|one)\b|\ballowed to\b|\bhave permission\b"
)
_RULE = re.compile(
    r"\b(?:may|must|shall|only|never|do not|don['\u2019]t|cannot|not allowed|allowed to|permit\w*|forbid\w*"
    r"|prohibit\w*|legal\w*|illegal|law|laws|lawful|require[sd]?)\b",
    re.IGNORECASE,
)
_TASK = re.compile(
    r"\bhow (?:do|can|to|should|could|would)\b|\bsteps?\b|\bway to\b|\bcan (?:i|we|you)\b|\bpossible to\b",
    re.IGNORECASE,
)
_ORDERS = """
    press select open click use set turn move go choose connect remove take put push hold insert tap enter check make
    run install replace pull slide switch try follow wipe clean close add change swipe drag place point charge lay visit
"""
# A sentence that says what to do.
_INSTRUCTION = re.compile(
    rf"(?:^|[.:;>]\s+|\n)(?:To \w+[^.\n]{{0,200}}, )?(?:{'|'.join(_ORDERS.split())})\b", re.IGNORECASE
)
_ASKS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (_PERMISSION, _RULE),
    (re.compile(r"\bhow (?:many|much|long|old|far|often|big|large|tall|fast|high|deep|wide|hot|cold)\b"
                r"|\bwhat (?:percent|percentage|number|amount|size|temperature|voltage|age)\b"), _NUMBER),
    (re.compile(r"\bwhen\b|\b(?:what|which|in what) (?:year|date|century|month|day|decade|time)\b"), _DATE),
    (re.compile(r"\bwho\b|\bwhose\b|\bwhom\b|\bwhere\b|\b(?:what|which) (?:\w+ )?(?:city|country|person|company|state"
                r"|team|name|president|king|player|school|university|place|river|group|organization|book|church)\b"),
     _NAME),
)  # fmt: skip


def is_task(question: str) -> bool:
    """Return whether a question asks how something is done."""
    return bool(_TASK.search(question))


def is_instruction(text: str) -> bool:
    """Return whether a sentence of a text says what to do."""
    return bool(_INSTRUCTION.search(text))


def is_permission(question: str) -> bool:
    """Return whether a question asks if something is allowed."""
    return bool(_PERMISSION.search(question.lower()))


def asks_for(question: str) -> Callable[[str], bool] | None:
    """Return a test of sentences, or None where the question asks for nothing in particular.

    Args:
        question: as it was typed. English; any other language asks for nothing in particular.
    """
    lower = question.lower()
    named: set[str] = set(re.findall(r"\w+", lower))
    for pattern, kind in _ASKS:
        if pattern.search(lower):
            # 'Where is Paris?' is not answered by 'Paris', but 'Is it allowed?' by 'is allowed'.
            repeated = set() if kind is _RULE else named
            return lambda sentence: any(
                not repeated.issuperset(re.findall(r"\w+", match.lower())) for match in kind.findall(sentence)
            )
    return None
