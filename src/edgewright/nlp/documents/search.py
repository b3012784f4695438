"""Questions to an index: passages with section and page, the answering sentence, or 'not in this document'."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from edgewright.core.errors import (
    DocumentUnreadableError,
    EdgewrightError,
    EncoderMismatchError,
    QuestionError,
)
from edgewright.core.state_machine.table import StateTable
from edgewright.nlp.documents import words as synonyms
from edgewright.nlp.documents.features import (
    LIMIT_HYBRID,
    LIMIT_WORDS,
    TITLE,
    Candidate,
    Figures,
    QuestionWords,
    Weighed,
    evidence,
    figures,
    probability,
    weight,
)
from edgewright.nlp.documents.media import (
    BROKEN,
    Integers,
    Meta,
    StoredVectors,
    Vectors,
    damaged,
    open_index,
    unpacked,
)
from edgewright.nlp.documents.words import as_written, asks_for, is_permission, is_trouble, stems, without_frame
from edgewright.nlp.records import Answer, FoundPassage, Indexed

# A spelling is near when so much of its pairs of letters is shared (Dice), its ends included.
_NEAR, _SHORTEST = 0.65, 4
# Number of a word, and how many sentences and passages hold it.
_Term = tuple[int, int, int]


class Terms:
    """The words of an index."""

    def __init__(self, connection: sqlite3.Connection, meta: Meta) -> None:
        self._connection, self._meta = connection, meta

    def question_words(
        self, words: Sequence[str], every: Sequence[str], trouble: bool
    ) -> tuple[QuestionWords, list[str]]:
        """Return what the index knows of the words, and words that it does not know.

        Args:
            words: stems of the question without the words around it.
            every: stems of the whole question.
            trouble: whether something does not work.
        """
        forms = [synonyms.FORMS.get(word, (word,)) for word in every]
        known = self._known(list(dict.fromkeys((*words, *(form for some in forms for form in some)))))
        numbers = [frozenset(known[form][0] for form in some if form in known) for some in forms]
        terms, unknown = self._terms(words, known)
        contents = self._meta.contents
        missing = sum(map(synonyms.share_of, unknown))

        def weighed(of: int, number: int, mean: float) -> Weighed:
            weights_of = np.array([share * weight(row[number], of) for row, share in terms.items()], np.float64)
            return Weighed(weights_of, float(weights_of.sum()) + missing * weight(0, of), mean)

        sentences = weighed(contents.sentences, 1, self._meta.sentence_words)
        passages = weighed(contents.passages, 2, self._meta.passage_words)
        return QuestionWords([row[0] for row in terms], sentences, passages, trouble, numbers), unknown

    def _terms(self, words: Sequence[str], known: Mapping[str, _Term]) -> tuple[dict[_Term, float], list[str]]:
        """Return (number, sentences, passages that contain it) for each word, and how much it says.

        A word that stands nowhere is its nearest spelling, or a word that stands for it.
        """
        absent = [word for word in words if word not in known]
        instead = self._known([other for word in absent for other in synonyms.others(word)])
        terms: dict[_Term, float] = {}
        unknown = []
        for word in words:
            row = known.get(word) or next((instead[o] for o in synonyms.others(word) if o in instead), None)
            row = row or self._near(word)
            if row is None:
                unknown.append(word)
            else:
                terms.setdefault(row, synonyms.share_of(word))
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


KIND, KINDS = 7, 40
"""Column of the figure that needs the text of a sentence, and for how many sentences it is looked at."""
CANDIDATES = 24
"""Passages that are looked at sentence by sentence."""
# In the order of features.NAMES.
WORDS = np.array([1.07, 2.22, 0.48, 3.4, 2.7, 0.2, 1.59, 1.3, 0.49, 0.34, 1.63, 0.68, 3.36, 1.22, 0.23, 3.13, 2.66,
                 0.0, 0.0, 0.0, 0.0])  # fmt: skip
HYBRID = np.array([0.2, 2.14, 0.11, 2.89, 2.0, 0.04, 0.99, 1.54, 0.59, 0.12, 1.95, -0.43, 1.67, 1.1, 0.86, 2.43, 0.0,
                   3.55, 1.68, 2.35, 0.49])  # fmt: skip


LONGEST_QUESTION = 1000
NOTE = "This quotes the rule in the document. It does not judge whether something is allowed."
# Terms of a question that are looked up; further ones say little.
_TERMS = 48


class Scored(NamedTuple):
    """A sentence that may answer: its passage, its index in that passage and in the whole index, and its score."""

    passage: int
    sentence: int
    number: int
    score: float


class _Looked(NamedTuple):
    figures: Figures
    owner: Integers
    scores: Figures
    candidates: Sequence[Candidate]
    terms: Sequence[int]
    unknown: tuple[str, ...]


# Products of a file with itself in int8 are above this.
_KNOWN = 0.995


def _deviations(products: Vectors) -> Vectors:
    """Return products in standard deviations from their mean."""
    return np.asarray((products - products.mean()) / max(float(products.std()), 1e-9), np.float32)


class DocumentIndex:
    """An index that is open.

    Args:
        path: of the file that `edgewright language index` made.

    Raises:
        InputError: no index, or one of a newer version.
        OutputError: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection, self._meta = open_index(path)
        contents = self._meta.contents
        self._terms = Terms(self._connection, self._meta)
        self._sentences = StoredVectors(self._connection, "sentence", contents.sentences, contents.dimensions)
        self._sections = StoredVectors(self._connection, "section", self._meta.sections, contents.dimensions)

    @property
    def contents(self) -> Indexed:
        """What the index holds."""
        return self._meta.contents

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> DocumentIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, question: str, vector: Vectors | None = None, top: int = 3) -> Answer:
        """Return the best passages, each section once, and how sure it is that the answer is there.

        Args:
            question: at most 1,000 characters, with at least one letter or digit.
            vector: of the question, by the encoder that made the index's vectors, shape (d,); None: words alone.
            top: passages.

        Raises:
            InputError: an empty or endless question, or a vector of another length.
            OutputError: the index is damaged.
        """
        looked = self._guarded(question, vector)
        threshold = LIMIT_WORDS if vector is None else LIMIT_HYBRID
        if looked is None:
            # Nothing was found, so nothing of it stands in the documents.
            return Answer(question=question, passages=(), confidence=0.0, threshold=threshold,
                          unknown=as_written(question, stems(question)), hybrid=vector is not None)  # fmt: skip
        order = np.argsort(-looked.scores, kind="stable")
        best: dict[int, int] = {}
        for row in order:
            best.setdefault(looked.candidates[looked.owner[row]].section, int(row))
            if len(best) >= top:
                break
        try:
            passages = tuple(self._passage(looked, row) for row in best.values())
            sure = probability(_evidence(question, looked), vector is not None)
        except BROKEN as error:
            raise damaged(self.path, str(error)) from None
        return Answer(question=question, passages=passages, confidence=sure, threshold=threshold,
                      unknown=as_written(question, looked.unknown), hybrid=vector is not None,
                      note=NOTE if is_permission(question) else "")  # fmt: skip

    def nearest(self, vector: Vectors, top: int = 3, history: Vectors | None = None) -> tuple[FoundPassage, ...]:
        """Return what lies nearest to a vector, by it alone: for pictures and sounds, whose names say little.

        Args:
            vector: of a text, a picture or a sound, by the index's encoder, shape (d,).
            top: at most so many.
            history: vectors of what is known already, shape (n, d). It is left out, and others are ordered by maximal
                marginal relevance (Carbonell and Goldstein, 1998): the product with `vector` minus the largest one with
                the history, both in standard deviations of the index, because products of texts and of files lie in
                different ranges.

        Returns:
            The nearest first, each passage once; the score is the scalar product.

        Raises:
            InputError: a vector of another length.
            OutputError: the index is damaged.
        """
        self._check(vector)
        try:
            products = order = self._sentences.products(vector)
            if history is not None and len(history):
                known = np.max([self._sentences.products(row) for row in history], axis=0)
                order = _deviations(products) - _deviations(known)
                order[known > _KNOWN] = -np.inf
            passages: dict[tuple[object, ...], FoundPassage] = {}
            for row in np.argsort(-order, kind="stable").tolist():
                if len(passages) == top or not np.isfinite(order[row]):
                    break
                passage = self._media_neighbour(row, float(products[row]))
                passages.setdefault((passage.document, passage.path, passage.text), passage)
            return tuple(passages.values())
        except BROKEN as error:
            raise damaged(self.path, str(error)) from None

    def _media_neighbour(self, number: int, score: float) -> FoundPassage:
        """Return the passage of a sentence by its number in the index."""
        document, path, page, text, spans, first = self._connection.execute(
            "SELECT s.document, s.path, p.page, p.text, p.spans, p.first FROM passages p"
            " JOIN sections s ON s.id = p.section WHERE p.first <= ? ORDER BY p.id DESC LIMIT 1", (number,),
        ).fetchone()  # fmt: skip
        begin, end = unpacked(spans).reshape(-1, 2)[number - first].tolist()
        name, headings = self.contents.documents[document].name, msgspec.json.decode(path, type=tuple[str, ...])
        return FoundPassage(document=name, path=headings,
                     page=page, text=text, begin=begin, end=end, score=score)  # fmt: skip

    def sentences(self, question: str, vector: Vectors | None = None, top: int = 10) -> list[Scored]:
        """Return the sentences that answer best, the best first; arguments and errors as of `ask`."""
        looked = self._guarded(question, vector)
        if looked is None:
            return []
        starts = np.searchsorted(looked.owner, np.arange(len(looked.candidates)))
        given = []
        for row in np.argsort(-looked.scores, kind="stable")[:top].tolist():
            candidate = looked.candidates[looked.owner[row]]
            location = row - int(starts[looked.owner[row]])
            given.append(Scored(candidate.passage, location, candidate.first + location, float(looked.scores[row])))
        return given

    def look(self, question: str, vector: Vectors | None = None) -> tuple[Figures, Integers] | None:
        """Return figures of every candidate sentence and its number in the index: what weights are learnt from."""
        looked = self._guarded(question, vector)
        if looked is None:
            return None
        numbers = [c.first + np.arange(len(c.counts), dtype=np.int32) for c in looked.candidates]
        return looked.figures, np.concatenate(numbers)

    def evidence(self, question: str, vector: Vectors | None = None) -> Figures | None:
        """Return the evidence for the best sentence, None without a candidate: what refusals are learnt from."""
        looked = self._guarded(question, vector)
        return None if looked is None else _evidence(question, looked)

    def _check(self, vector: Vectors) -> None:
        if vector.shape != (self.contents.dimensions,) or not self.contents.dimensions:
            kind = f"of length {self.contents.dimensions}" if self.contents.dimensions else "an index without vectors"
            raise EncoderMismatchError(
                f"a vector of the index's encoder, {kind}", f"shape {vector.shape}", str(self.path)
            )

    def _guarded(self, question: str, vector: Vectors | None) -> _Looked | None:
        check(question)
        if vector is not None:
            self._check(vector)
        try:
            return self._look(question, vector)
        except EdgewrightError:
            raise
        except BROKEN as error:
            raise damaged(self.path, str(error)) from None

    def _look(self, question: str, vector: Vectors | None) -> _Looked | None:
        words, every = (list(dict.fromkeys(stems(text)))[:_TERMS] for text in (without_frame(question), question))
        if not words and vector is None:
            return None
        question_words, unknown = self._terms.question_words(words, every, is_trouble(question))
        candidates = self._candidates(question_words.terms, vector)
        if not candidates:
            return None
        table, owner = figures(question_words, candidates)
        self._kinds(question, table, owner, candidates)
        chosen = WORDS if vector is None else HYBRID
        return _Looked(table, owner, table @ chosen, candidates, question_words.terms, tuple(unknown))

    def _candidates(self, terms: Sequence[int], vector: Vectors | None) -> list[Candidate]:
        wanted: list[int] = []
        if terms:
            text = " OR ".join(f'"{term}"' for term in terms)
            sql = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, ?, 1.0) LIMIT ?"
            wanted = [int(row) for (row,) in self._connection.execute(sql, (text, TITLE, CANDIDATES))]
        near = self._sentences.products(vector) if vector is not None else None
        titles = self._sections.products(vector) if vector is not None else None
        if near is not None:
            wanted += self._nearest(near)
        return self._read_passages(list(dict.fromkeys(wanted)), near, titles)

    def _nearest(self, near: Vectors) -> list[int]:
        count = min(CANDIDATES, len(near))
        top: list[int] = np.argpartition(-near, count - 1)[:count].tolist() if count else []
        sql = "SELECT max(id) FROM passages WHERE first <= ?"
        return list(dict.fromkeys(self._connection.execute(sql, (row,)).fetchone()[0] for row in top))

    def _read_passages(self, wanted: Sequence[int], near: Vectors | None, titles: Vectors | None) -> list[Candidate]:
        """Return passages by their numbers, with what they need to be scored, in one query."""
        marks = ",".join("?" * len(wanted))
        rows = self._connection.execute(
            "SELECT p.id, p.section, s.path, s.words, p.words, p.counts, p.first, p.page, p.text, p.spans"  # noqa: S608
            f" FROM passages p JOIN sections s ON s.id = p.section WHERE p.id IN ({marks})",
            wanted,
        )
        candidates = []
        for passage, section, path, title, words, counts, first, page, text, spans in rows:
            sizes = unpacked(counts)
            meaning = None if near is None else near[first : first + len(sizes)]
            title_similarity = 0.0 if titles is None else float(titles[section])
            heading = (msgspec.json.decode(path, type=tuple[str, ...]) or ("",))[-1]
            candidates.append(Candidate(passage, section, heading, unpacked(title), unpacked(words), sizes, first, page,
                                  text, unpacked(spans).reshape(-1, 2), meaning, title_similarity))  # fmt: skip
        return candidates

    def _kinds(self, question: str, table: Figures, owner: Integers, candidates: Sequence[Candidate]) -> None:
        """Fill the column 'kind' of candidate sentences, which needs their text."""
        test = asks_for(question)
        if test is None:
            return
        starts = np.searchsorted(owner, np.arange(len(candidates)))
        chosen = WORDS if candidates[0].meaning is None else HYBRID
        for row in np.argsort(-(table @ chosen), kind="stable")[:KINDS].tolist():
            candidate = candidates[owner[row]]
            begin, end = candidate.spans[row - starts[owner[row]]]
            table[row, KIND] = float(test(candidate.text[begin:end]))

    def _passage(self, looked: _Looked, row: int) -> FoundPassage:
        owner = int(looked.owner[row])
        candidate = looked.candidates[owner]
        begin, end = candidate.spans[row - int(np.searchsorted(looked.owner, owner))].tolist()
        document, path = self._connection.execute(
            "SELECT document, path FROM sections WHERE id = ?", (candidate.section,)
        ).fetchone()
        name, headings = self.contents.documents[document].name, msgspec.json.decode(path, type=tuple[str, ...])
        score = float(looked.scores[row])
        return FoundPassage(document=name, path=headings,
                     page=candidate.page, text=candidate.text, begin=begin, end=end, score=score)  # fmt: skip


def _evidence(question: str, looked: _Looked) -> Figures:
    row = int(np.argmax(looked.scores))
    return evidence(question, looked.terms, looked.unknown, looked.figures, looked.owner, looked.candidates, row)


def check(question: str) -> None:
    """Whether it can be asked at all.

    Raises:
        InputError: empty, without a letter or digit, or longer than 1,000 characters.
    """
    if len(question) > LONGEST_QUESTION:
        raise QuestionError(f"a question of at most {LONGEST_QUESTION} characters", f"{len(question)}", "the question")
    if not any(c.isalnum() for c in question):
        got = "an empty one" if not question.strip() else repr(question.strip()[:20])
        raise QuestionError("a question with at least one word", got, "the question")
    if "\x00" in question:
        raise QuestionError("a question in text", "a zero character", "the question")


class Retriever:
    """Looks up what the states of a table retrieve, by words.

    Args:
        table: of the dialogue.
        folder: of its file, which indexes are relative to.

    Raises:
        InputError: a file that is no index of documents.
    """

    def __init__(self, table: StateTable, folder: Path) -> None:
        self._table, self._stack = table, ExitStack()
        paths = {state: folder / retrieval.index for state, retrieval in table.retrieve.items()}
        try:
            opened = {path: self._stack.enter_context(DocumentIndex(path)) for path in dict.fromkeys(paths.values())}
            for path, index in opened.items():
                if index.contents.media:
                    raise DocumentUnreadableError("an index of documents", f"one of {index.contents.media}s", str(path))
        except BaseException:
            self._stack.close()
            raise
        self._indexes = {state: opened[path] for state, path in paths.items()}

    def __call__(self, state: str, question: str) -> Answer:
        """Return what the index of a state says to a question; one without a word is not found.

        Raises:
            InputError: a question of more than 1,000 characters.
        """
        retrieval = self._table.retrieve[state]
        if any(c.isalnum() for c in question):
            answer = self._indexes[state].ask(question, top=retrieval.top)
        else:
            answer = Answer(question=question, passages=(), confidence=0.0, threshold=LIMIT_WORDS)
        if retrieval.minimum is None:
            return answer
        return msgspec.structs.replace(answer, threshold=retrieval.minimum)

    def close(self) -> None:
        """Close all indexes."""
        self._stack.close()

    def __enter__(self) -> Retriever:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
