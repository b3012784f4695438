"""A dialogue: the state table goes through the whole conversation again, since the API has no memory of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgewright.language.dialogue.conversation import turn_steps
from edgewright.language.dialogue.validation import model_of, read_dialogue, vocabulary
from edgewright.nlp.dialogue import UNCLEAR, Dialogue, DialogueOutput
from edgewright.nlp.documents.retrieval import Retriever
from edgewright.nlp.utterance.parse import Understanding
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, Parsed
from edgewright.studio.chat.models import Message, Reply, Sampling, ServedKind, words_of


class ServedDialogue:
    """Answers as `edgewright language chat` does; no time passes between messages, so no time-out is due.

    Args:
        path: path of the table.
        model: that understands what is said; None for the table's own.
    """

    completes = False

    def __init__(self, path: Path, model: Path | None) -> None:
        model = model or model_of(path)
        self._model = Understanding.load(model) if model else None
        self._table, summary = read_dialogue(path, vocabulary(self._model.spec) if self._model else None)
        if self._model is None and not self._table.table.retrieve:
            raise InputError("DIALOGUE,MODEL", "a dialogue without the model that understands what is said", str(path),
                             f"Give {path},MODEL with a model of: edgewright language train")  # fmt: skip
        self._look = Retriever(self._table.table, path.parent)
        self.title = f"holds the dialogue {summary.name}: {summary.states} states, {len(summary.events)} events"

    def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Answer the last message in the state that the messages before it led to."""
        del sampling
        dialogue = Dialogue(self._table, self._look)
        greeting = dialogue.begin()
        parsed: Parsed | None = None
        outputs: list[DialogueOutput] = []
        texts = [message.text for message in messages if message.role == "user"]
        for number, text in enumerate(texts):
            if dialogue.over:
                where = f"message {number + 1} of the user"
                raise InputError("a new conversation", "more after the end of this one", where)
            parsed, outputs = self._turn(dialogue, text)
        shown = [*greeting, *outputs] if len(texts) == 1 else outputs
        does = [label for output in shown for label in output.does]
        details = {
            "state": dialogue.machine.state,
            "over": dialogue.over,
            "does": does,
            "steps": msgspec.to_builtins(turn_steps(parsed, outputs)),
        }
        lines = [*(f"[{label}]" for label in does), *(answer for output in shown for answer in output.answers)]
        return Reply(words_of("\n".join(lines)), details)

    def _turn(self, dialogue: Dialogue, text: str) -> tuple[Parsed | None, list[DialogueOutput]]:
        parsed = Parsed(text=text, intent=OUT_OF_SCOPE, confidence=0.0, score=0.0)
        try:
            if self._model is not None:
                parsed = self._model.parse(text)
        except InputError:
            # A sentence that cannot be read ends no conversation.
            return None, dialogue.event(UNCLEAR, {"confidence": 0.0}, 0.0)
        return parsed, dialogue.hear(parsed, 0.0)

    def close(self) -> None:
        """Close the indexes that it retrieves from."""
        self._look.close()


KIND = ServedKind("a dialogue (.toml)", ".toml", "model of its intents", ServedDialogue)
