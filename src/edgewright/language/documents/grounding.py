"""Whether passages carry what a language model says: claim by claim, against the passages that it cites.

It is a check of words and not of meaning. Every number, every name and every word that says something must stand in the
passages that a claim cites, or for a word there; and a denial must be one there. So a claim that puts a passage's own
words together wrongly can pass; a number, a name or a thing that was made up cannot.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from edgewright.nlp.documents.sentences import sentence_spans
from edgewright.nlp.documents.synonyms import WEAK, others
from edgewright.nlp.documents.words import fold, stems
from edgewright.schema.documents import Answer, Found

_CITATION = re.compile(r"\[\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*\]")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"(?<=[a-z0-9,;:)] )[A-Z][\w-]+|\b\w*[A-Z]\w*[A-Z]\w*\b")
_DENIAL = re.compile(
    r"\b(?:not|no|never|none|cannot|can't|don't|doesn't|mustn't|must not|isn't|aren't|won't|without|neither|nor)\b",
    re.IGNORECASE,
)
# Words about the answer itself, and verbs that hold a sentence together without saying anything of the thing.
_SPEECH = """
    according passage document manual section states says mentions following answer yes first then next after before
    also finally count apply begin include mean require provide contain refer ensure must able step order both each
    once again simply allow carry consist
"""
_SPOKEN = frozenset(stems(_SPEECH)) | WEAK


class Claim(NamedTuple):
    """A sentence of the model.

    Attributes:
        text: as it said it.
        bare: without its citations.
        citations: numbers of passages.
    """

    text: str
    bare: str
    citations: tuple[int, ...]


def claims_of(text: str) -> list[Claim]:
    """Sentences with their citations; one that stands behind the full stop belongs to the sentence before."""
    text = re.sub(r"([.!?])\s*((?:\[\s*\d[\d\s,;]*\]\s*)+)", r" \2\1 ", text)
    claims = []
    for begin, end in sentence_spans(text.strip()):
        said = text.strip()[begin:end]
        numbers = [int(n) for match in _CITATION.finditer(said) for n in re.findall(r"\d+", match.group(1))]
        bare = " ".join(_CITATION.sub(" ", said).split())
        if any(c.isalnum() for c in bare):
            claims.append(Claim(" ".join(said.split()), bare, tuple(dict.fromkeys(numbers))))
    return claims


def missing(claim: Claim, answer: Answer) -> tuple[str, ...]:
    """What the cited passages do not carry; nothing when they carry all of it."""
    if not claim.citations:
        return ("it cites no passage",)
    unknown = [n for n in claim.citations if not 1 <= n <= len(answer.found)]
    if unknown:
        return tuple(f"there is no passage [{n}]" for n in unknown)
    cited = [answer.found[n - 1] for n in claim.citations]
    text = " ".join(f"{' '.join(one.path)} {one.text}" for one in cited)
    lacking = [f"the number {n}" for n in _numbers(claim.bare) - _numbers(text)]
    held = set(stems(text))
    lacking += [f"the name {n}" for n in dict.fromkeys(_NAME.findall(claim.bare)) if not held.issuperset(stems(n))]
    # What was asked may be said again: it is no claim of the model.
    asked = set(stems(answer.question))
    words = [w for w in dict.fromkeys(stems(claim.bare)) if w not in _SPOKEN and not w.isdigit()]
    new = [w for w in words if w not in held and w not in asked and held.isdisjoint(others(w))]
    if new:
        lacking.append(f"the words {', '.join(new[:6])}")
    elif not held.intersection(words) and not _numbers(claim.bare):
        lacking.append("anything of its own")
    if bool(_DENIAL.search(claim.bare)) != _denied(claim, cited):
        lacking.append("whether it is so or not so")
    return tuple(lacking)


def _denied(claim: Claim, cited: list[Found]) -> bool:
    """Whether the sentence nearest to the claim is a denial."""
    words = set(stems(claim.bare))
    best, denied = -1.0, False
    for one in cited:
        for begin, end in sentence_spans(one.text):
            sentence = one.text[begin:end]
            other = set(stems(sentence))
            shared = len(words & other) / (1 + len(words | other))
            if shared > best:
                best, denied = shared, bool(_DENIAL.search(sentence))
    return denied


def _numbers(text: str) -> set[str]:
    return {match.replace(",", ".").rstrip(".") for match in _NUMBER.findall(fold(text))}
