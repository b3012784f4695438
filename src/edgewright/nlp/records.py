"""Records of search in documents, utterances, intents and dialogues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

INDEX_FORMAT, INDEX_VERSION = "edgewright-documents", 1


class Passage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a document that stands under one heading, on one page where there are pages.

    Attributes:
        path: headings above it, the outermost first.
        page: counted from 1; 0 where the document has no pages.
        text: sentences with single spaces; lines that stand alone, such as those of a list, are lines here too.
        sentences: begin and end of each sentence in `text`.
    """

    path: tuple[str, ...]
    page: int = 0
    text: str
    sentences: tuple[tuple[int, int], ...]


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A document that was read.

    Attributes:
        name: name of the file.
        kind: 'pdf', 'markdown', 'html' or 'text'.
        sha256: SHA-256 of the file's bytes.
        pages: their number; 0 where it has none.
        notes: what the reader could not read, for the user.
    """

    name: str
    kind: str
    sha256: str
    pages: int = 0
    notes: tuple[str, ...] = ()


class Indexed(msgspec.Struct, frozen=True, kw_only=True):
    """What an index holds.

    Attributes:
        documents: in the order they were given.
        passages: their number.
        sentences: their number.
        encoder: name of the directory that made the vectors; '' without vectors.
        encoder_sha256: SHA-256 of the encoder, where it is a registered model.
        dimensions: length of a vector; 0 without.
        media: 'picture' or 'sound' where the passages stand for such files and the vectors are theirs; '' for text.
    """

    documents: tuple[Document, ...]
    passages: int
    sentences: int
    encoder: str = ""
    dimensions: int = 0
    media: str = ""
    encoder_sha256: str | msgspec.UnsetType = msgspec.UNSET


class FoundPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that may answer.

    Attributes:
        document: name of the file.
        path: headings above the passage.
        page: counted from 1; 0 without pages.
        text: text of the passage.
        begin, end: of the sentence in `text` that answers best.
        score: of that sentence; higher is better, comparable within one question.
    """

    document: str
    path: tuple[str, ...]
    page: int
    text: str
    begin: int
    end: int
    score: float

    @property
    def sentence(self) -> str:
        """The sentence that answers best."""
        return self.text[self.begin : self.end]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an index says to a question.

    Attributes:
        question: as it was asked.
        passages: passages, the best first; each section once.
        confidence: 0 to 1, that the answer is in the documents at all.
        threshold: below it the answer is 'not in this document'.
        unknown: words of the question that stand nowhere in the documents.
        hybrid: whether vectors were used.
        note: what the passages are no answer to, such as whether something is allowed; '' for nothing.
        phrased: the words of a language model without its citations, in a dialogue that asked one.
    """

    question: str
    passages: tuple[FoundPassage, ...] = msgspec.field(name="found")
    confidence: float
    threshold: float
    unknown: tuple[str, ...] = ()
    hybrid: bool = False
    note: str = ""
    phrased: Phrased | msgspec.UnsetType = msgspec.UNSET

    @property
    def answered(self) -> bool:
        """Whether the documents hold an answer, as far as can be told."""
        return bool(self.passages) and self.confidence >= self.threshold


class Phrased(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in the words of a language model, held against the passages.

    Attributes:
        text: what it said.
        model: the name it goes by.
        citations: numbers of the passages it names, counted from 1.
        carried: whether the passages carry every claim.
        unsupported: claims that they do not carry, each with what is missing.
        tokens: that the model wrote; 0 where its server does not say.
        tokens_per_second: while it wrote, without reading the passages; None where its server does not say.
        peak_bytes: largest resident memory of a model that was run here, weights included.
    """

    text: str
    model: str
    citations: tuple[int, ...]
    carried: bool
    unsupported: Mapping[str, tuple[str, ...]] = {}
    tokens: int = 0
    tokens_per_second: float | None = None
    peak_bytes: int | None = None


LANGUAGE_VERSION = 1
OUT_OF_SCOPE = "out of scope"


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an utterance that has a name.

    Attributes:
        name: name of the slot.
        begin, end: code points of the text, the end not included.
        text: as it was said.
        value: what it stands for: the entry of a gazetteer, a number, seconds, an ISO date; None where it is the text.
        by: 'tagger', 'gazetteer', 'rule' or 'language model'.
    """

    name: str
    begin: int
    end: int
    text: str
    value: Any = None
    by: Literal["tagger", "gazetteer", "rule", "language model", ""] = ""


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence that somebody labelled; `intent` is `OUT_OF_SCOPE` for one that none of the intents answers.

    Attributes:
        synthetic: nobody said it, a grammar made it: it is learnt from and never judged by.
        author: who said it; empty where nobody wrote that down.
    """

    text: str
    intent: str
    slots: tuple[Slot, ...] = ()
    where: str = ""
    synthetic: bool = False
    author: str = ""


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """An intent with its probability."""

    intent: str
    confidence: float


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """What was understood.

    Attributes:
        text: as it was read.
        intent: one of the model's, or `OUT_OF_SCOPE`.
        confidence: calibrated probability of the likeliest intent: of 100 answers at .85, 85 are right in scope.
        score: largest logit; below `limit` an utterance is out of scope.
        limit: of the likeliest intent; 0 where there was no word to judge.
        slots: in the order of the text.
        others: the next likeliest intents.
        why: in words, what the answer rests on.
    """

    text: str
    intent: str
    confidence: float
    score: float
    limit: float = 0.0
    slots: tuple[Slot, ...] = ()
    others: tuple[Ranked, ...] = ()
    why: str = ""


class StudentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How the int8 student reads its arrays; its arithmetic is written down in `nlp/utterance/student.py`.

    Attributes:
        characters: lengths of the n-grams of characters.
        words: numbers of words of the n-grams of words.
        rows, hidden: of the table.
        factor, shift: fixed-point scale from sums of rows to the hidden layer.
        scale: of a logit of integers, with the temperature in it.
        threshold: integer logit below which an utterance is out of scope; an intent also needs a larger logit than
            a text without a known n-gram gives it.
    """

    characters: tuple[int, ...]
    words: tuple[int, ...]
    rows: int
    hidden: int
    factor: int
    shift: int
    scale: float
    threshold: int


class HeadSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A linear head on an encoder's vectors.

    Attributes:
        encoder: name of its directory, for people.
        encoder_sha256: SHA-256 of the encoder, where it is a registered model.
        dimensions: of its vectors.
        scale: of a step of the logits, with the temperature in it.
        threshold: logit in steps below which an utterance is out of scope.
    """

    encoder: str
    dimensions: int
    scale: float
    threshold: int
    encoder_sha256: str | msgspec.UnsetType = msgspec.UNSET


class TaggerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The slot tagger: a linear chain over `labels` (BIO), weights by hashed attribute."""

    labels: tuple[str, ...]
    scale: float


class Vector(msgspec.Struct, frozen=True, kw_only=True):
    """A test vector: the text, and the integer logits or labels that a device must get."""

    text: str
    logits: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()


class LanguageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`language.json` of a model's file; the arrays lie beside it.

    Attributes:
        version: version of the format; a newer one is refused by name.
        intents: in the order of the logits.
        student: for devices; None where there is a `head`, for gateways that hold an encoder.
        tagger: None for one without slots.
        gazetteers: entries of each slot, and what each stands for.
        vectors: which the device computes before it believes the file.
        trained: counts and measures of the training, for people.
    """

    version: int = LANGUAGE_VERSION
    task: str = "language"
    name: str
    intents: tuple[str, ...]
    student: StudentSpec | None
    head: HeadSpec | None = None
    tagger: TaggerSpec | None = None
    gazetteers: dict[str, dict[str, str]] = {}
    arrays: tuple[str, ...] = ()
    vectors: tuple[Vector, ...] = ()
    trained: dict[str, Any] = {}
