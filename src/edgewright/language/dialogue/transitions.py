"""The ways of a table as a diagram shows them: one arrow a pair of states, and what stays."""

from __future__ import annotations

import msgspec

from edgewright.core.state_machine.validation import CheckedTable, states_of
from edgewright.schema.state_table import EVERY, TIMEOUT, Step

_LONGEST = 34


class Arrow(msgspec.Struct, frozen=True):
    """From a state to another, with a line for every step that goes there."""

    before: str
    after: str
    lines: tuple[str, ...]


class Ways(msgspec.Struct, frozen=True):
    """What is drawn.

    Attributes:
        arrows: in order of the table.
        stays: by state: the events after which it stays.
        ranks: by state: steps from the first state.
    """

    arrows: tuple[Arrow, ...]
    stays: dict[str, tuple[str, ...]]
    ranks: dict[str, int]


def ways(checked: CheckedTable) -> Ways:
    """The arrows of a table that was checked."""
    table = checked.table
    going: dict[tuple[str, str], list[str]] = {}
    stays: dict[str, list[str]] = {state: [] for state in table.states}
    for step in table.steps:
        for state in states_of(step, table):
            if step.to and step.to != state:
                going.setdefault((state, step.to), []).append(named(step))
            else:
                stays[state].append(named(step))
    arrows = tuple(Arrow(before, after, tuple(lines)) for (before, after), lines in going.items())
    return Ways(arrows, {state: tuple(lines) for state, lines in stays.items()}, _ranks(checked, arrows))


def named(step: Step) -> str:
    """A step in a few words: `dispense_drink [drink]`, `after 30 s`, `anything else`."""
    if step.event == TIMEOUT:
        return f"after {step.after:g} s"
    event = "anything else" if step.event == EVERY else step.event
    guard = f" [{step.when.strip()}]" if step.when.strip() else ""
    whole = event + guard
    return whole if len(whole) <= _LONGEST else whole[: _LONGEST - 1] + "…"


def _ranks(checked: CheckedTable, arrows: tuple[Arrow, ...]) -> dict[str, int]:
    ranks, open_ = {checked.table.initial: 0}, [checked.table.initial]
    for state in open_:
        for arrow in arrows:
            if arrow.before == state and arrow.after not in ranks:
                ranks[arrow.after] = ranks[state] + 1
                open_.append(arrow.after)
    return {state: ranks.get(state, 0) for state in checked.table.states}


def mermaid(checked: CheckedTable) -> str:
    """The diagram as text for Mermaid (`stateDiagram-v2`)."""
    table, found = checked.table, ways(checked)
    plain = {state: f"s{number}" for number, state in enumerate(table.states)}
    lines = ["stateDiagram-v2", *(f'    state "{state}" as {plain[state]}' for state in table.states)]
    lines.append(f"    [*] --> {plain[table.initial]}")
    shown = [(a.before, a.after, line) for a in found.arrows for line in a.lines]
    shown += [(state, state, line) for state, stays in found.stays.items() for line in stays]
    lines += [f"    {plain[before]} --> {plain[after]}: {_plain(line)}" for before, after, line in shown]
    lines += [f"    {plain[state]} --> [*]" for state in table.final]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Mermaid reads ';', '#' and ':' as its own."""
    return text.replace("#", "#35;").replace(";", "#59;").replace(":", "#58;")
