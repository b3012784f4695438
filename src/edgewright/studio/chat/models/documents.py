"""An index of documents: the sentence that answers with its section and page, or that they do not hold the answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.own_models import choose
from edgewright.language.documents.hybrid import checked_encoder
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.utterance.head import Encodes
from edgewright.schema.documents import Answer, FoundPassage
from edgewright.schema.errors import InputError
from edgewright.studio.chat.models import Message, Reply, Sampling, ServedKind, words_of


class ServedDocuments:
    """Answers the last message alone: an index has no memory of the conversation.

    Args:
        path: path of the index.
        encoder: directory of the encoder of its vectors; None searches by words alone.
    """

    completes = False

    def __init__(self, path: Path, encoder: Path | None) -> None:
        self._index = DocumentIndex(path)
        content = self._index.contents
        if content.media:
            self._index.close()
            raise InputError("an index of documents", f"one of {content.media}s", str(path))
        encoder, record = choose("text", encoder, name=content.encoder)
        self._encoder: Encodes | None = None if encoder is None else checked_encoder(self._index, encoder)
        names = ", ".join(document.name for document in content.documents[:3])
        more = ", ..." if len(content.documents) > 3 else ""
        self.title = f"answers from {names}{more} ({content.passages:,} passages)"
        if record is not None:
            self.title += f" with {record.name} of your models"

    def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Answer with a cited passage, or refuse."""
        del sampling
        answer = self.look(messages[-1].text)
        return Reply(words_of(text_of(answer)), details_of(answer))

    def look(self, question: str) -> Answer:
        """Return the passages that answer, or the nearest."""
        vector = None if self._encoder is None else np.asarray(self._encoder.encode([question])[0], np.float32)
        return self._index.ask(question, vector)

    def close(self) -> None:
        """Close the index."""
        self._index.close()


def details_of(answer: Answer) -> dict[str, Any]:
    """Return what programs get of an answer."""
    return {
        "answered": answer.answered,
        "confidence": answer.confidence,
        "threshold": answer.threshold,
        "unknown": list(answer.unknown),
        "citations": [_citation(passage) for passage in answer.passages],
    }


def _citation(passage: FoundPassage) -> dict[str, Any]:
    return {
        "document": passage.document, "section": list(passage.path), "page": passage.page or None,
        "sentence": passage.sentence, "text": passage.text,
    }  # fmt: skip


def text_of(answer: Answer) -> str:
    """Return the sentence that answers with its passage, or a refusal."""
    if not answer.answered:
        unknown = f" No word like: {', '.join(answer.unknown[:5])}." if answer.unknown else ""
        nearest = f"\n\nThe nearest passage is {origin_of(answer.passages[0])}." if answer.passages else ""
        return f"The documents do not answer this question.{unknown}{nearest}"
    best = answer.passages[0]
    lines = [f"{best.sentence} [1]", f"[1] {origin_of(best)}"]
    if best.text.strip() != best.sentence.strip():
        lines.insert(1, f"From the passage: {best.text}")
    if answer.note:
        lines.append(answer.note)
    return "\n\n".join(lines)


def origin_of(passage: FoundPassage) -> str:
    """Return document, page and section of a passage."""
    page = f", page {passage.page}" if passage.page else ""
    return f"{passage.document}{page}: {' > '.join(passage.path) or '-'}"


KIND = ServedKind("an index of documents", "SQLite format 3\0", "directory of its encoder", ServedDocuments)
