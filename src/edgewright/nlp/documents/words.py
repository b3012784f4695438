"""Words of questions and documents as the index knows them: one case, no accents, English endings taken off.

Text of scripts without spaces between words (Chinese, Japanese, Thai) becomes pairs of characters. Words of other
alphabets than the Latin stay whole. The endings are those of Porter (An algorithm for suffix stripping, 1980), fewer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache

# Words that say nothing about what is asked; also what people write around a question.
_STOP = """
    a about am an and any are as at be been but by can could did do does don dont explain for from had has have how i if
    in into is it its just know like m may me method my need no not of on or over please possible procedure process s
    should so some t tell than that the their them then there these they this those to under want was way we were what
    when where which while who whom whose why will with would you your
"""
STOP = frozenset(_STOP.split())
_WORD = re.compile(r"[^\W_]+")
# Joined words that are written in two ways.
_HYPHEN = re.compile(r"(?<=\b[a-z])-(?=[a-z])|(?<=\bwi)-(?=fi\b)")
_SPACELESS = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")
_VOWEL = re.compile("[aeiouy]")
_LONG = (("ational", "ate"), ("ization", "ize"), ("isation", "ize"), ("iveness", "ive"), ("ousness", "ous"),
         ("fulness", "ful"))  # fmt: skip
_ENDINGS = ("ingly", "edly", "ship", "ness", "ing", "ed", "ation", "ion", "ment", "ly", "er", "or")
# Beyond it a word is no word that anybody asks for: a key or a picture in base 64.
LONGEST_WORD = 40


def fold(text: str) -> str:
    """Lower case, without accents, compatible forms as one."""
    if text.isascii():
        return text.lower()
    split = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in split if not unicodedata.combining(c))


def stems(text: str) -> list[str]:
    """Words of a text, in order, without those that say nothing."""
    found = []
    for word in _WORD.findall(_HYPHEN.sub("", fold(text))):
        if word.isascii():
            if word not in STOP and len(word) <= LONGEST_WORD:
                found.append(stem(word))
        else:
            found += _pieces(word)
    return found


def as_written(text: str, wanted: Collection[str]) -> tuple[str, ...]:
    """The words of a text that have these stems, as they are written there; stems without such a word as they are."""
    spelt: dict[str, str] = {}
    for word in _WORD.findall(text):
        found = stems(word)
        if len(found) == 1:
            spelt.setdefault(found[0], word)
    return tuple(dict.fromkeys(spelt.get(one, one) for one in wanted))


def _pieces(word: str) -> list[str]:
    pieces = []
    last = 0
    for match in _SPACELESS.finditer(word):
        if match.start() > last:
            pieces.append(word[last : match.start()][:LONGEST_WORD])
        run = match.group()
        pieces += [run[i : i + 2] for i in range(max(1, len(run) - 1))]
        last = match.end()
    if last < len(word):
        pieces.append(word[last:][:LONGEST_WORD])
    return pieces


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """An English word without its ending; the same word for 'connect', 'connecting' and 'connection'."""
    for ending, instead in _LONG:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word[: -len(ending)] + instead
            break
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("sses"):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in _ENDINGS:
        bare = word[: -len(ending)]
        if word.endswith(ending) and len(bare) >= 3 and _VOWEL.search(bare):
            # 'running' is 'run'; 'selling' is 'sell'.
            word = bare[:-1] if len(bare) > 3 and bare[-1] == bare[-2] and bare[-1] not in "lsz" else bare
            break
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") and len(word) > 3 else word
