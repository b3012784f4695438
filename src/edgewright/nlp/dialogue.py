"""A dialogue at work: intents are the events of a state table, slots what its guards see, answers its actions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from edgewright.core.errors import DialogueError
from edgewright.core.state_machine.guards import Value
from edgewright.core.state_machine.machine import Machine, Transition
from edgewright.core.state_machine.table import FOUND, LATE, NOT_FOUND, TIMEOUT, CheckedTable
from edgewright.nlp.records import OUT_OF_SCOPE, Answer, Parsed

START, UNCLEAR, CONFIDENCE = "start", "out_of_scope", "confidence"
"""Event of the beginning; event of an utterance that none of the intents answers; what guards call the probability."""
QUESTION = "question"
"""Name of the words that were heard, in a dialogue that retrieves: what is looked up."""
RETRIEVED = frozenset({QUESTION, "answer", "passage", "section", "document", "page", "probability"})
"""Names that a retrieval tells guards and answers."""
Look = Callable[[str, str], Answer]
"""From a state that retrieves and a question to what its index says."""
BLANK = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
_PART = re.compile(r"[^A-Za-z0-9_.-]")


class DialogueOutput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one event, or of time that passed.

    Attributes:
        time: seconds.
        event: intent, 'out_of_scope', 'start', 'timeout', 'found' or 'not_found'.
        before, after: states.
        answers: what is said, in order, with slots filled in.
        does: labels of events, alarms and commands, in order.
        step: its index in the table, from 0.
        retrieved: what the index said, of 'found' and 'not_found'.
    """

    time: float
    event: str
    before: str
    after: str
    answers: tuple[str, ...]
    does: tuple[str, ...]
    step: int = msgspec.field(name="place")
    retrieved: Answer | None = None


class Dialogue:
    """A dialogue of one person; `begin` comes first.

    Args:
        checked: the table, as `language.dialogue.check` leaves it.
        look: looks up what states retrieve; only a table without such states does without.

    Raises:
        InputError: a table that retrieves, and nothing that looks up.
    """

    def __init__(self, checked: CheckedTable, look: Look | None = None) -> None:
        self.machine = Machine(checked)
        self.table = checked.table
        if look is None and self.table.retrieve:
            raise DialogueError("the indexes of a dialogue that retrieves", "none", self.table.name)
        self._look = look
        self._takes_start = (checked.table.initial, START) in checked.rows

    @property
    def over(self) -> bool:
        """Whether a final state was reached."""
        return self.machine.state in self.table.final

    def begin(self, time: float = 0.0) -> list[DialogueOutput]:
        """Return the greeting, where the table has a step for 'start' in its first state."""
        if not self._takes_start:
            self.machine.tick(time)
            return []
        return self._outputs(self.machine.push(START, {}, time))

    def hear(self, parsed: Parsed, time: float) -> list[DialogueOutput]:
        """Somebody said something: an utterance as `nlp.utterance.parse` understood it."""
        slots: dict[str, Value] = {QUESTION: parsed.text} if self.table.retrieve else {}
        slots[CONFIDENCE] = parsed.confidence
        if parsed.intent == OUT_OF_SCOPE:
            return self.event(UNCLEAR, slots, time)
        return self.event(event_name(parsed.intent), {**slots_of(parsed), **slots}, time)

    def event(self, name: str, slots: Mapping[str, Value], time: float) -> list[DialogueOutput]:
        """Return an intent with its slots.

        Args:
            name: name of the event.
            slots: numbers and words that are known from now on.
            time: seconds; never back.

        Returns:
            Time-outs that were due before, and what the event did.
        """
        dialogue_outputs = self.wait(time)
        return [*dialogue_outputs, *self._outputs(self.machine.push(name, slots, time))]

    def wait(self, time: float) -> list[DialogueOutput]:
        """Return time goes on without a word."""
        return self._outputs(self.machine.tick(time))

    @property
    def due(self) -> float:
        """When something is said without a word of the person; infinite where nothing is."""
        return self.machine.due()

    def _outputs(self, steps: Sequence[Transition]) -> list[DialogueOutput]:
        outputs = [self._output(step) for step in steps]
        # A time-out leads to no retrieval, and a retrieval to no other round: `language.dialogue.conversation`.
        while outputs and self._look is not None and self.machine.state in self.table.retrieve:
            outputs += self._retrieved(self._look, outputs[-1].time)
        return outputs

    def _retrieved(self, look: Look, time: float) -> list[DialogueOutput]:
        answer = look(self.machine.state, str(self.machine.names.get(QUESTION, "")))
        names = names_of(answer)
        self.machine.forget(*(RETRIEVED - {QUESTION} - names.keys()))
        steps = self.machine.push(FOUND if answer.answered else NOT_FOUND, names, time)
        return [self._output(step, answer) for step in steps]

    def _output(self, step: Transition, retrieved: Answer | None = None) -> DialogueOutput:
        answers: list[str] = []
        does: list[str] = []
        for action in step.actions:
            if action.forget:
                self.machine.forget(action.forget)
            elif action.say:
                answers.append(filled(action.say, self.machine.names))
            else:
                does.append(action.alarm or action.event or action.command)
        return DialogueOutput(
            time=step.time, event=step.event, before=step.before, after=step.after, answers=tuple(answers),
            does=tuple(does), step=step.index, retrieved=retrieved,
        )  # fmt: skip


def names_of(answer: Answer) -> dict[str, Value]:
    """Return what guards and answers know of a retrieval: of the best passage, also where it is not sure enough.

    The answer is a language model's where its words rest on one passage, which is the best one then.
    """
    names: dict[str, Value] = {"probability": answer.confidence}
    if answer.passages:
        best, phrased = answer.passages[0], answer.phrased
        sentence = best.sentence
        if phrased and phrased.carried and len(phrased.citations) == 1:
            best, sentence = answer.passages[phrased.citations[0] - 1], phrased.text
        names |= {"answer": sentence, "passage": best.text, "document": best.document}
        names |= {"section": " > ".join(best.path)} if best.path else {}
        names |= {"page": float(best.page)} if best.page else {}
    return names


def event_name(intent: str) -> str:
    """Return an intent as the name of an event: other characters than letters, digits, '_', '.' and '-' become '_'.

    One that is called as an event of the table itself, such as 'timeout', gets a '_' at its end.
    """
    if intent in (START, TIMEOUT, LATE, UNCLEAR, FOUND, NOT_FOUND):
        return f"{intent}_"
    name = _PART.sub("_", intent)[:64]
    return name if name[:1].isalpha() or name[:1] == "_" else f"_{name}"[:64]


def slots_of(parsed: Parsed) -> dict[str, Value]:
    """Return values of slots by name, the words where there is no value; the first of two slots of one name counts."""
    slots: dict[str, Value] = {}
    for slot in parsed.slots:
        value = slot.text if slot.value is None else slot.value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        slots.setdefault(event_name(slot.name), float(value) if number else str(value))
    return slots


def filled(text: str, names: Mapping[str, Value]) -> str:
    """Return the text with its slots; one that is not known stands there by its name, such as "drink"."""

    def value(blank: re.Match[str]) -> str:
        known = names.get(blank[1])
        if known is None or (isinstance(known, float) and math.isnan(known)):
            return blank[1]
        return known if isinstance(known, str) else spoken(known)

    return BLANK.sub(value, text)


def spoken(number: float) -> str:
    """Return a number as C's `%g` writes it, six digits, by arithmetic that C without its library's `printf` has, too.

    `printf` of floating-point numbers asks for memory on microcontrollers. Halves are rounded away from zero.
    """
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    value, exponent = abs(number), 0
    while value >= 10.0:
        value /= 10.0
        exponent += 1
    while 0.0 < value < 1.0:
        value *= 10.0
        exponent -= 1
    scaled = value * 100000.0
    digits = int(scaled)
    digits += int(scaled - digits >= 0.5)
    if digits == 1_000_000:
        digits, exponent = 100_000, exponent + 1
    text = str(digits) if digits else "000000"
    sign = "-" if number < 0.0 else ""
    if not -5 < exponent < 6:
        whole, rest, end = text[:1], text[1:], f"e{exponent:+03d}"
    elif exponent < 0:
        whole, rest, end = "0", "0" * (-exponent - 1) + text, ""
    else:
        whole, rest, end = text[: exponent + 1], text[exponent + 1 :], ""
    rest = rest.rstrip("0")
    return f"{sign}{whole}{'.' if rest else ''}{rest}{end}"
