"""A language model that can say nothing of its own: intents and slots of utterances, or what documents support.

It answers with JSON that a grammar allows, or in words that the passages of an index support. Where the documents do
not answer, the index refuses before the model is asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from edgewright.language.documents.phrasing import phrase
from edgewright.language.language_models.intents import NONE, SECONDS, language_model_parser
from edgewright.language.language_models.server import served
from edgewright.language.utterances.read import read
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE
from edgewright.studio.chat.models import Message, Reply, Sampling, ServedKind, ServedModel, documents, words_of


class ServedParser:
    """Parses the last message: `{"intent": ..., "slots": {...}}`, or the intent `none`.

    Args:
        model: GGUF file.
        utterances: path of the utterances of each intent.
    """

    completes = False

    def __init__(self, model: Path, utterances: Path) -> None:
        self._running = ExitStack()
        labelled = read(utterances)
        self._parser = self._running.enter_context(language_model_parser(model, labelled, str(utterances)))
        self.title = f"parses {len(self._parser.spec.intents)} intents by {model.stem}"

    def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Answer in JSON, whatever was said before."""
        del sampling
        parsed = self._parser.parse(messages[-1].text, where="the last message")
        answer: dict[str, object] = {"intent": NONE if parsed.intent == OUT_OF_SCOPE else parsed.intent}
        if parsed.slots:
            answer["slots"] = {slot.name: slot.text for slot in parsed.slots}
        return Reply(words_of(json.dumps(answer, ensure_ascii=False)), {"parsed": msgspec.to_builtins(parsed)})

    def close(self) -> None:
        """End the model's server."""
        self._running.close()


class ServedPhrasing(documents.ServedDocuments):
    """Answers from an index in the words of a language model, where the passages support them; else quotes them.

    Args:
        model: GGUF file.
        index: path of the index.
    """

    def __init__(self, model: Path, index: Path) -> None:
        super().__init__(index, None)
        self._running = ExitStack()
        self._name = model.stem
        try:
            self._address = self._running.enter_context(served(model, SECONDS)).address
        except BaseException:
            super().close()
            raise
        self.title += f", phrased by {model.stem}"

    def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Refuse without asking the model, or answer with a cited passage."""
        del sampling
        answer = self.look(messages[-1].text)
        details = documents.details_of(answer)
        if not answer.answered:
            return Reply(words_of(documents.text_of(answer)), details)
        phrased = phrase(answer, self._address, self._name, SECONDS, quoting=True)
        details["phrased"] = msgspec.to_builtins(phrased)
        text = documents.text_of(answer)
        if phrased.carried:
            cited = (f"[{n}] {documents.origin_of(answer.passages[n - 1])}" for n in phrased.citations)
            text = "\n\n".join([phrased.text, *cited])
        return Reply(words_of(text), details)

    def close(self) -> None:
        """Close the index, and end the model's server."""
        super().close()
        self._running.close()


def _opened(model: Path, other: Path | None) -> ServedModel:
    if other is None:
        raise InputError("MODEL.gguf,UTTERANCES or MODEL.gguf,INDEX", "a language model alone", str(model),
                         "Give it utterances of intents, or an index of documents")  # fmt: skip
    if not other.is_file():
        raise InputError(KIND.needs, "no such file", str(other), "Check the path")
    with other.open("rb") as file:
        is_index = file.read(len(documents.KIND.holds)) == documents.KIND.holds.encode()
    return ServedPhrasing(model, other) if is_index else ServedParser(model, other)


KIND = ServedKind("a language model (.gguf)", "GGUF", "utterances of intents or an index of documents", _opened)
