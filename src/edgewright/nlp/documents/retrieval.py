"""Indexes that a dialogue retrieves from, open while it is held."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import msgspec

from edgewright.nlp.documents.answerability import LIMIT_WORDS
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.schema.documents import Answer
from edgewright.schema.errors import InputError
from edgewright.schema.state_table import StateTable


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
                    raise InputError("an index of documents", f"one of {index.contents.media}s", str(path))
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
