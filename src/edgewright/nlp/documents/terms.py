"""Words of a question as the index knows them: as they are, as what stands for them, or by their nearest spelling."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np

from edgewright.nlp.documents import words as synonyms
from edgewright.nlp.documents.features import QuestionWords, Weighed, weight
from edgewright.nlp.documents.index_file import Meta

# A spelling is near when so much of its pairs of letters is shared (Dice), its ends included.
_NEAR, _SHORTEST = 0.65, 4
# Number of a word, and how many sentences and passages hold it.
_Term = tuple[int, int, int]


class Terms:
    """The words of an index."""

    def __init__(self, connection: sqlite3.Connection, meta: Meta) -> None:
        self._connection, self._meta = connection, meta

    def asked(self, words: Sequence[str]) -> tuple[QuestionWords, list[str]]:
        """Return what the index knows of the words, and words that it does not know."""
        terms, unknown = self._terms(words)
        held = self._meta.held
        share = sum(synonyms.SHARE if word in synonyms.WEAK else 1.0 for word in unknown)
        parts = []
        for of, number, mean in (
            (held.sentences, 1, self._meta.sentence_words),
            (held.passages, 2, self._meta.passage_words),
        ):
            weights_of = np.array([weight(row[number], of) for row in terms], np.float64)
            parts.append(Weighed(weights_of, float(weights_of.sum()) + share * weight(0, of), mean))
        return QuestionWords([row[0] for row in terms], *parts), unknown

    def _terms(self, words: Sequence[str]) -> tuple[list[_Term], list[str]]:
        """Return (number, sentences, passages that contain it) for each word.

        A word that stands nowhere is its nearest spelling, or a word that stands for it.
        """
        known = self._known(words)
        absent = [word for word in words if word not in known]
        instead = self._known([other for word in absent for other in synonyms.others(word)])
        terms, unknown = [], []
        for word in words:
            row = known.get(word) or next((instead[o] for o in synonyms.others(word) if o in instead), None)
            row = row or self._near(word)
            if row is None:
                unknown.append(word)
            elif row not in terms:
                terms.append(row)
        return terms, unknown

    def _known(self, words: Sequence[str]) -> dict[str, _Term]:
        if not words:
            return {}
        marks = ",".join("?" * len(words))
        sql = f"SELECT term, id, sentences, passages FROM terms WHERE term IN ({marks})"  # noqa: S608 - question marks
        return {row[0]: (row[1], row[2], row[3]) for row in self._connection.execute(sql, words)}

    def _near(self, word: str) -> _Term | None:
        """Return the known word of nearest spelling: typing errors, and forms of a word that no ending explains."""
        if len(word) < _SHORTEST or '"' in word:
            return None
        text = " OR ".join(f'"{word[i : i + 3]}"' for i in range(len(word) - 2))
        sql = ("SELECT t.term, t.id, t.sentences, t.passages FROM spellings s JOIN terms t ON t.id = s.rowid"
               " WHERE spellings MATCH ? ORDER BY rank LIMIT 8")  # fmt: skip
        best, pairs = _NEAR, _pairs(word)
        row: _Term | None = None
        for term, *numbers in self._connection.execute(sql, (text,)):
            other = _pairs(term)
            shared = 2 * len(pairs & other) / (len(pairs) + len(other))
            if shared >= best and term[:1] == word[:1]:
                best, row = shared, (numbers[0], numbers[1], numbers[2])
        return row


def _pairs(word: str) -> set[str]:
    """Pairs of letters, with the ends of the word as letters."""
    ended = f" {word} "
    return {ended[i : i + 2] for i in range(len(ended) - 1)}
