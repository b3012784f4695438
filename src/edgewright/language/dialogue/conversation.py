"""A conversation line by line: sentences that a model understands, intents that are given, and time that passes."""

from __future__ import annotations

import math
import shlex

import msgspec

from edgewright.core.state_machine.validation import CheckedTable
from edgewright.nlp.dialogue import CONFIDENCE, UNCLEAR, Dialogue, DialogueOutput, Look
from edgewright.nlp.utterance.parse import Understanding
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, Parsed
from edgewright.schema.state_table import LATE, TIMEOUT

WAIT = "/wait"


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a line.

    Attributes:
        heard: the line.
        parsed: how it was understood; None for an intent that was given, and for time that passed.
        outputs: what the dialogue did.
        problem: why a sentence could not be read, else empty.
    """

    heard: str
    parsed: Parsed | None
    outputs: tuple[DialogueOutput, ...]
    problem: str = ""


class Conversation:
    """A dialogue that takes lines: a sentence, `/INTENT SLOT=VALUE ...`, or `/wait SECONDS`.

    Args:
        checked: the table.
        look: looks up what it retrieves.
        understanding: its model; without one a table that retrieves takes each sentence for a question.
        minimum: probability below which an utterance is out of scope.
    """

    def __init__(
        self, checked: CheckedTable, look: Look | None, understanding: Understanding | None, minimum: float = 0.0
    ) -> None:
        self.talk = Dialogue(checked, look)
        self._understanding, self._minimum = understanding, minimum

    def take(self, line: str, now: float) -> Turn:
        """Return what came of a line.

        Args:
            line: without space at its ends; the seconds of `/wait` are part of `now`.
            now: seconds; never back.

        Raises:
            InputError: a line that means nothing.
        """
        if line.startswith(WAIT):
            return Turn(heard=line, parsed=None, outputs=tuple(self.talk.wait(now)))
        if line.startswith("/"):
            event, slots = _given(line)
            return Turn(heard=line, parsed=None, outputs=tuple(self.talk.event(event, slots, now)))
        if self._understanding is None:
            return self._without_model(line, now)
        try:
            parsed = self._understanding.parse(line)
        except InputError as error:
            # A sentence that cannot be read ends no conversation.
            outputs = self.talk.event(UNCLEAR, {CONFIDENCE: 0.0}, now)
            return Turn(heard=line, parsed=None, outputs=tuple(outputs), problem=str(error))
        if not parsed.confidence >= self._minimum:
            parsed = msgspec.structs.replace(parsed, intent=OUT_OF_SCOPE, slots=())
        return Turn(heard=line, parsed=parsed, outputs=tuple(self.talk.hear(parsed, now)))

    def _without_model(self, line: str, now: float) -> Turn:
        if not self.talk.table.retrieve:
            raise InputError("an intent such as /yes or /dispense_drink drink=cola", repr(line), "language chat",
                             "Set --model to parse sentences")  # fmt: skip
        parsed = Parsed(text=line, intent=OUT_OF_SCOPE, confidence=0.0, score=0.0)
        return Turn(heard=line, parsed=parsed, outputs=tuple(self.talk.hear(parsed, now)))


def seconds_of(line: str) -> float:
    """Return the seconds of `/wait SECONDS`, 0 for another line.

    Raises:
        InputError: no number of them.
    """
    if not line.startswith(WAIT):
        return 0.0
    try:
        seconds = float(line.removeprefix(WAIT))
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds <= 1e9:
        raise InputError("seconds from 0 to 1e9", repr(line), "/wait SECONDS")
    return seconds


def _given(line: str) -> tuple[str, dict[str, float | str]]:
    """`/dispense_drink drink=cola number=2`."""
    try:
        first, *rest = shlex.split(line[1:])
        slots = dict(part.split("=", 1) for part in rest)
        if "" in slots:
            raise ValueError
    except ValueError:
        raise InputError("/INTENT SLOT=VALUE ...", repr(line), "language chat") from None
    if first in (TIMEOUT, LATE):
        raise InputError("an intent", repr(line), "language chat", "/wait SECONDS lets time pass")
    found: dict[str, float | str] = {}
    for name, value in slots.items():
        try:
            number = float(value)
            found[name] = number if math.isfinite(number) else value
        except ValueError:
            found[name] = value
    return first, found
