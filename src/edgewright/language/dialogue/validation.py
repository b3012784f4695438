"""Whether a dialogue can be held: everything that a person may say is answered, and nobody is left waiting."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from edgewright.core.state_machine.validation import CheckedTable, sorted_table, states_of, table_problems
from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.nlp.dialogue import BLANK, CONFIDENCE, RETRIEVED, START, UNCLEAR, event_name
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.language import LanguageSpec
from edgewright.schema.state_table import EVERY, FOUND, LATE, NOT_FOUND, TIMEOUT, StateTable

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


def model_of(path: Path) -> Path | None:
    """Return the file of the model that a dialogue names; None where it names none.

    Raises:
        InputError: the dialogue is no state table.
    """
    table = convert_table(read_toml(path, "a state table"), StateTable, path.name)
    return path.parent / table.model if table.model else None


def read_dialogue(path: Path, known: Vocabulary | None = None) -> tuple[CheckedTable, DialogueSummary]:
    """Read a dialogue and check it.

    Args:
        path: a state table of TOML.
        known: what the model understands; None where there is no model: then every name is taken to be meant.

    Raises:
        UnknownNameError: an intent, a state or a slot that is none.
        InputError: as `validation.check_table`, and for a dialogue without steps, one with a watchdog or rates
            of change, a fallback that is missing or says nothing, time-outs or retrievals that go round by themselves,
            or a retrieval that is not answered.
    """
    where = path.name
    checked = sorted_table(convert_table(read_toml(path, "a state table"), StateTable, where), where)
    for error in problems(checked, where, known):
        raise error
    return checked, summary(checked, known, path.parent)


def problems(checked: CheckedTable, where: str, known: Vocabulary | None = None) -> Iterator[InputError]:
    """Yield everything that keeps a dialogue from being held, as `read_dialogue` raises the first of it."""
    yield from table_problems(checked, where)
    if not checked.table.steps:
        yield InputError("a dialogue with steps", "none", where, "See docs/examples/vending.toml")
    yield from _own(checked, where)
    yield from _fallbacks(checked, where)
    yield from _rounds(checked, where)
    yield from _retrievals(checked, where)
    if known is not None:
        yield from _known(checked, _slots_used(checked), known, where)


def summary(checked: CheckedTable, known: Vocabulary | None, folder: Path) -> DialogueSummary:
    """Return what was seen of a dialogue that can be held; its indexes are looked for in `folder`."""
    table, events = checked.table, tuple(sorted(checked.events - {EVERY}))
    findings = (*_findings(checked, known), *_missing_indexes(table, folder))
    return DialogueSummary(
        name=table.name, states=len(table.states), steps=len(table.steps), events=events,
        slots=tuple(sorted(_slots_used(checked))), findings=findings,
    )  # fmt: skip


def _own(checked: CheckedTable, where: str) -> Iterator[InputError]:
    if checked.table.safe or any(step.event == LATE for step in checked.table.steps):
        yield InputError("a dialogue without a watchdog", "`safe` or event 'late'", where,
                         "Silence is a step of event 'timeout'")  # fmt: skip
    for guard in checked.guards:
        if guard.rates:
            yield InputError("a guard of slots", "a rate of change", f"{where}, {guard.text!r}")


def _fallbacks(checked: CheckedTable, where: str) -> Iterator[InputError]:
    table = checked.table
    if table.fallback == "stay":
        yield InputError("fallback = 'step' in a dialogue", "'stay'", where,
                         "A dialogue must answer any input: add a step with event = '*' to every state")  # fmt: skip
    for state in table.states:
        last = next((row for row in checked.rows.get((state, EVERY), ()) if not row.step.when.strip()), None)
        answers = last is None or last.step.to in table.retrieve or any(action.say for action in last.step.actions)
        if last is not None and not answers:
            yield InputError(f"a fallback with an answer in state {state!r}", "none",
                             f"{where} steps[{last.index}].actions", 'Add { say = "..." }')  # fmt: skip


def _rounds(checked: CheckedTable, where: str) -> Iterator[InputError]:
    """Time-outs that lead to one another for ever: the dialogue would talk to itself."""
    after = {state: row.step.to or state for state, row in checked.timeouts.items()}
    for begin, second in after.items():
        way, state = [begin], second
        while state in after and state not in way:
            way.append(state)
            state = after[state]
        if state in way:
            text = " -> ".join([*way[way.index(state) :], state])
            yield InputError("time-outs that end", f"a cycle: {text}", where,
                             "Let one of these states wait, or end the dialogue after silence")  # fmt: skip


def _retrievals(checked: CheckedTable, where: str) -> Iterator[InputError]:
    """Yield what keeps a retrieval from being answered at once: no step that leaves, something that waits, a cycle."""
    table = checked.table
    if table.initial in table.retrieve:
        yield InputError("a first state that waits for a question", f"{table.initial!r}, which retrieves",
                         f"{where} initial", "Retrieve in a state that a step leads to")  # fmt: skip
    after: dict[str, set[str]] = {}
    for state in table.retrieve:
        for event in (FOUND, NOT_FOUND):
            rows = checked.rows.get((state, event), ())
            after.setdefault(state, set()).update(row.step.to for row in rows)
            if not any(not row.step.when.strip() for row in rows) or any(row.step.to in ("", state) for row in rows):
                yield InputError(f"a step of event {event!r} that leaves state {state!r}", "none", where,
                                 "Add it without a guard: state, event and to")  # fmt: skip
        if state in checked.timeouts:
            yield InputError(f"no time-out in state {state!r}, which retrieves at once", "one",
                             f"{where} steps[{checked.timeouts[state].index}].event")  # fmt: skip
    for row in checked.timeouts.values():
        if row.step.to in table.retrieve:
            yield InputError("a time-out to a state that waits", f"{row.step.to!r}, which retrieves",
                             f"{where} steps[{row.index}].to", "Silence asks no question")  # fmt: skip
    for begin in table.retrieve:
        reached, open_ = set[str](), [begin]
        for state in open_:
            new = (after.get(state, set()) & set(table.retrieve)) - reached - {state}
            reached |= new
            open_ += new
        if begin in reached:
            yield InputError(
                "retrievals that end", f"a cycle through {begin!r}", where, "Let one lead to another state"
            )


def _missing_indexes(table: StateTable, folder: Path) -> Iterator[str]:
    for state, retrieval in table.retrieve.items():
        if not (folder / retrieval.index).is_file():
            yield (f"{state} retrieves from {retrieval.index}, which is not there: edgewright language index "
                   f"DOCUMENT... --out {retrieval.index}")  # fmt: skip


def _slots_used(checked: CheckedTable) -> set[str]:
    names = {name for guard in checked.guards for name in guard.names}
    for action in checked.actions:
        names |= set(BLANK.findall(action.say)) | ({action.forget} if action.forget else set())
    return names - {CONFIDENCE} - (RETRIEVED if checked.table.retrieve else set())


def _known(checked: CheckedTable, requested: Collection[str], known: Vocabulary, where: str) -> Iterator[InputError]:
    allowed = {*known.intents, START, UNCLEAR, TIMEOUT, EVERY}
    allowed |= {FOUND, NOT_FOUND} if checked.table.retrieve else set()
    for index, step in enumerate(checked.table.steps):
        if step.event not in allowed:
            yield UnknownNameError("intent of the model", step.event, allowed, f"{where} steps[{index}].event")
    for name in sorted(requested):
        if name not in known.slots:
            yield UnknownNameError("slot of the model", name, known.slots, where)


def _findings(checked: CheckedTable, known: Vocabulary | None) -> list[str]:
    table = checked.table
    findings = [
        f"steps[{index}] ({step.event} in {', '.join(states_of(step, table)[:3])}) has no answer"
        for index, step in enumerate(table.steps)
        if step.event != TIMEOUT and step.to not in table.retrieve and not any(action.say for action in step.actions)
    ]
    if known is not None:
        findings += [f"no step uses intent {name!r} of the model" for name in sorted(known.intents - checked.events)]
    short = {*checked.timeouts, *table.final, *table.retrieve, table.initial}
    waiting = [state for state in table.states if state not in short]
    if waiting:
        findings.append(f"{', '.join(waiting)} wait forever: no time-out")
    return findings
