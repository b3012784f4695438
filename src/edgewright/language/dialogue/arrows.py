"""The arrows of a dialogue: from state to state, with a line for every step that goes there."""

from __future__ import annotations

import msgspec

from edgewright.core.state_machine.validation import states_of
from edgewright.schema.state_table import EVERY, TIMEOUT, StateTable, Step

_LONGEST = 34


class Arrow(msgspec.Struct, frozen=True):
    """From a state to another, with a line for every step that goes there, and its place in the table."""

    before: str
    after: str
    lines: tuple[str, ...]
    places: tuple[int, ...]


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


def ways(table: StateTable) -> Ways:
    """Return the arrows of a table, whose steps name known states."""
    going: dict[tuple[str, str], list[tuple[str, int]]] = {}
    stays: dict[str, list[str]] = {state: [] for state in table.states}
    for place, step in enumerate(table.steps):
        for state in states_of(step, table):
            if step.to and step.to != state:
                going.setdefault((state, step.to), []).append((named(step), place))
            else:
                stays[state].append(named(step))
    arrows = tuple(
        Arrow(before, after, tuple(line for line, _ in steps), tuple(place for _, place in steps))
        for (before, after), steps in going.items()
    )
    return Ways(arrows, {state: tuple(lines) for state, lines in stays.items()}, _ranks(table, arrows))


def named(step: Step) -> str:
    """Return a step in a few words: `dispense_drink [drink]`, `after 30 s`, `anything else`."""
    if step.event == TIMEOUT:
        return f"after {step.after:g} s"
    event = "anything else" if step.event == EVERY else step.event
    guard = f" [{step.when.strip()}]" if step.when.strip() else ""
    whole = event + guard
    return whole if len(whole) <= _LONGEST else whole[: _LONGEST - 1] + "…"


def _ranks(table: StateTable, arrows: tuple[Arrow, ...]) -> dict[str, int]:
    ranks, open_ = {table.initial: 0}, [table.initial]
    for state in open_:
        for arrow in arrows:
            if arrow.before == state and arrow.after not in ranks:
                ranks[arrow.after] = ranks[state] + 1
                open_.append(arrow.after)
    return {state: ranks.get(state, 0) for state in table.states}
