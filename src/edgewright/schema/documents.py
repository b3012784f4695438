"""Documents, their passages, and what is found in them."""

from __future__ import annotations

from collections.abc import Mapping

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
