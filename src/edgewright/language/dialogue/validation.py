"""Whether a dialogue can be held: everything that a person may say is answered, and nobody is left waiting."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from edgewright.core.state_machine.validation import CheckedTable, read_table, states_of
from edgewright.nlp.dialogue import BLANK, CONFIDENCE, START, UNCLEAR, event_name
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.language import LanguageSpec
from edgewright.schema.state_table import EVERY, LATE, TIMEOUT

RULES = ("number", "duration", "date", "time")
"""Slots that `nlp.utterance.values` finds for every model."""


class Vocabulary(msgspec.Struct, frozen=True):
    """What a model can understand: intents and slots, by the names that events and guards have."""

    intents: frozenset[str]
    slots: frozenset[str]


class DialogueSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a dialogue that can be held.

    Attributes:
        states, steps: how many.
        events: that it takes.
        slots: that it asks for.
        findings: what is allowed, and perhaps not meant.
    """

    name: str
    states: int
    steps: int
    events: tuple[str, ...]
    slots: tuple[str, ...]
    findings: tuple[str, ...]


def vocabulary(spec: LanguageSpec) -> Vocabulary:
    """Of a model's file.

    Raises:
        InputError: two of its intents are one event.
    """
    seen: dict[str, str] = {}
    for intent in spec.intents:
        other = seen.setdefault(event_name(intent), intent)
        if other != intent:
            raise InputError("intents that differ as events", f"{other!r} and {intent!r}", spec.name, "Rename one")
    tagged = {label.partition("-")[2] for label in spec.tagger.labels if "-" in label} if spec.tagger else set()
    slots = {event_name(name) for name in (*tagged, *spec.gazetteers, *RULES)}
    return Vocabulary(frozenset(map(event_name, spec.intents)), frozenset(slots))


def read_dialogue(path: Path, known: Vocabulary | None = None) -> tuple[CheckedTable, DialogueSummary]:
    """Read a dialogue and check it.

    Args:
        path: a state table of TOML.
        known: what the model understands; None where there is no model: then every name is taken to be meant.

    Raises:
        UnknownNameError: an intent, a state or a slot that is none.
        InputError: as `validation.check_table`, and for a dialogue without steps, one with a watchdog or rates
            of change, a fallback that is missing or says nothing, or time-outs that go round by themselves.
    """
    checked = read_table(path)
    where = path.name
    if not checked.table.steps:
        raise InputError("a dialogue with steps", "none", where, "See docs/examples/vending.toml")
    _own(checked, where)
    _fallbacks(checked, where)
    _rounds(checked, where)
    requested = _asked(checked)
    if known is not None:
        _known(checked, requested, known, where)
    findings = tuple(_findings(checked, known))
    events = tuple(sorted(checked.events - {EVERY}))
    table = checked.table
    return checked, DialogueSummary(name=table.name, states=len(table.states), steps=len(table.steps), events=events,
                         slots=tuple(sorted(requested)), findings=findings)  # fmt: skip


def _own(checked: CheckedTable, where: str) -> None:
    if checked.table.safe or any(step.event == LATE for step in checked.table.steps):
        raise InputError("a dialogue without a watchdog", "`safe` or event 'late'", where,
                         "Silence is a step of event 'timeout'")  # fmt: skip
    for guard in checked.guards:
        if guard.rates:
            raise InputError("a guard of slots", "a rate of change", f"{where}, {guard.text!r}")


def _fallbacks(checked: CheckedTable, where: str) -> None:
    table = checked.table
    if table.fallback == "stay":
        raise InputError("fallback = 'step' in a dialogue", "'stay'", where,
                         "A dialogue must answer any input: add a step with event = '*' to every state")  # fmt: skip
    for state in table.states:
        last = next((row for row in checked.rows.get((state, EVERY), ()) if not row.step.when.strip()), None)
        if last is not None and not any(action.say for action in last.step.actions):
            raise InputError(f"a fallback with an answer in state {state!r}", "none",
                             f"{where} steps[{last.place}].actions", 'Add { say = "..." }')  # fmt: skip


def _rounds(checked: CheckedTable, where: str) -> None:
    """Time-outs that lead to one another for ever: the dialogue would talk to itself."""
    after = {state: row.step.to or state for state, row in checked.timeouts.items()}
    for begin, second in after.items():
        way, state = [begin], second
        while state in after and state not in way:
            way.append(state)
            state = after[state]
        if state in way:
            text = " -> ".join([*way[way.index(state) :], state])
            raise InputError("time-outs that end", f"a cycle: {text}", where,
                             "Let one of these states wait, or end the dialogue after silence")  # fmt: skip


def _asked(checked: CheckedTable) -> set[str]:
    names = {name for guard in checked.guards for name in guard.names}
    for action in checked.actions:
        names |= set(BLANK.findall(action.say)) | ({action.forget} if action.forget else set())
    return names - {CONFIDENCE}


def _known(checked: CheckedTable, requested: Collection[str], known: Vocabulary, where: str) -> None:
    allowed = {*known.intents, START, UNCLEAR, TIMEOUT, EVERY}
    for index, step in enumerate(checked.table.steps):
        if step.event not in allowed:
            raise UnknownNameError("intent of the model", step.event, allowed, f"{where} steps[{index}].event")
    for name in sorted(requested):
        if name not in known.slots:
            raise UnknownNameError("slot of the model", name, known.slots, where)


def _findings(checked: CheckedTable, known: Vocabulary | None) -> list[str]:
    table = checked.table
    found = [
        f"steps[{place}] ({step.event} in {', '.join(states_of(step, table)[:3])}) has no answer"
        for place, step in enumerate(table.steps)
        if step.event != TIMEOUT and not any(action.say for action in step.actions)
    ]
    if known is not None:
        found += [f"no step uses intent {name!r} of the model" for name in sorted(known.intents - checked.events)]
    waiting = [s for s in table.states if s not in checked.timeouts and s not in table.final and s != table.initial]
    if waiting:
        found.append(f"{', '.join(waiting)} wait forever: no time-out")
    return found
