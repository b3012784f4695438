"""A model of intents: what the last message means, with its probability and slots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgewright.core.own_models import choose
from edgewright.language.embedding import load
from edgewright.nlp.utterance.model_file import SPEC, read_language
from edgewright.nlp.utterance.parse import Understanding
from edgewright.schema.language import OUT_OF_SCOPE, Parsed
from edgewright.studio.chat.models import Message, Reply, Sampling, ServedKind, words_of


class ServedIntents:
    """Parses the last message.

    Args:
        path: path of the model.
        encoder: directory of the encoder that it is a head on; None for other models.
    """

    completes = False

    def __init__(self, path: Path, encoder: Path | None) -> None:
        spec, arrays = read_language(path)
        encoder, record = choose("text", encoder, name=spec.head.encoder if spec.head else "")
        self._model = Understanding(spec, arrays, str(path), None if encoder is None else load(encoder))
        with_model = f" with {record.name} of your models" if record else ""
        self.title = f"parses {len(spec.intents)} intents{with_model}"

    def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Say which intent it is."""
        del sampling
        parsed = self._model.parse(messages[-1].text, where="the last message")
        return Reply(words_of(_text(parsed)), {"parsed": msgspec.to_builtins(parsed)})

    def close(self) -> None:
        """Everything is in memory."""


def _text(parsed: Parsed) -> str:
    if parsed.intent == OUT_OF_SCOPE:
        return f"Out of scope: {parsed.why}."
    slots = "".join(f"\n{s.name}: {s.text if s.value is None else s.value}" for s in parsed.slots)
    return f"{parsed.intent} ({100 * parsed.confidence:.0f} %){slots}"


KIND = ServedKind("a model of intents", SPEC, "directory of its encoder", ServedIntents)
