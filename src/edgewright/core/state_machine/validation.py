"""Whether a state table can be run: every mistake is named before the first event comes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from edgewright.core.state_machine.guards import Guard, read_guard
from edgewright.core.toml_tables import convert_table, parse_toml, read_toml
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.state_table import EVERY, LATE, TIMEOUT, Action, StateTable, Step


class Row(msgspec.Struct, frozen=True):
    """A step with its guard as it was read; `index` counts the steps of the table from 0."""

    index: int
    step: Step
    guard: Guard


class CheckedTable(msgspec.Struct, frozen=True):
    """A table that was checked.

    Attributes:
        table: as written.
        rows: by (state, event), in order, those of '*' states included; '*' stands for any other event.
        timeouts: by state: the row that is taken when it has lasted long enough.
        guards: all of them.
    """

    table: StateTable
    rows: dict[tuple[str, str], tuple[Row, ...]]
    timeouts: dict[str, Row]
    guards: tuple[Guard, ...]

    @property
    def events(self) -> frozenset[str]:
        """Names of the events that some state takes."""
        return frozenset(event for _, event in self.rows)

    @property
    def actions(self) -> tuple[Action, ...]:
        """Everything that may be done."""
        return tuple(action for step in self.table.steps for action in step.actions)


def read_table(path: Path, content: bytes | None = None) -> CheckedTable:
    """Read and check a table of TOML; `content` instead of the file's where it is given.

    Raises:
        InputError: it cannot be read, or as `check_table`.
    """
    table = read_toml(path, "a state table") if content is None else parse_toml(content, path.name)
    return check_table(convert_table(table, StateTable, path.name), path.name)


def check_table(table: StateTable, where: str) -> CheckedTable:
    """Check a table.

    Args:
        table: as converted.
        where: its file, for messages.

    Raises:
        UnknownNameError: a state that is not among the states.
        InputError: a state that is never reached, one that can never be left and is not final, a state without a
            fallback where the table asks for one, a step that is never taken, a time-out without its time, a watchdog
            without a safe state, an action that names nothing, a guard that is none.
    """
    checked = sorted_table(table, where)
    for error in table_problems(checked, where):
        raise error
    return checked


def sorted_table(table: StateTable, where: str) -> CheckedTable:
    """Return the rows of a table by state and event; whether they make a whole is not checked.

    Raises:
        UnknownNameError, InputError: as `check_table`, for what a row says by itself.
    """
    if len(set(table.states)) != len(table.states):
        raise InputError("every state once", "one twice", f"{where} states")
    _known(table, where)
    return CheckedTable(table, *_sorted(table, where))


def table_problems(checked: CheckedTable, where: str) -> Iterator[InputError]:
    """Yield what is wrong with the rows as a whole, as `check_table` raises the first of it."""
    yield from _shadows(checked, where)
    yield from _fallbacks(checked, where)
    yield from _reached(checked, where)


def check_names(checked: CheckedTable, names: Collection[str], events: Collection[str], where: str) -> None:
    """Refuse guards and events that nobody gives.

    Args:
        checked: the table.
        names: that guards may ask for.
        events: that may come, beside 'timeout', 'late' and '*'.
        where: its file, for messages.

    Raises:
        UnknownNameError: listing the known ones.
    """
    for guard in checked.guards:
        requested = {*guard.names, *(rate.name for rate in guard.rates)}
        for name in sorted(requested - set(names)):
            raise UnknownNameError("name for a guard", name, names, f"{where}, {guard.text!r}")
    allowed = {*events, TIMEOUT, LATE, EVERY}
    for index, step in enumerate(table_steps(checked)):
        if step.event not in allowed:
            raise UnknownNameError("event", step.event, allowed, f"{where} steps[{index}].event")


def table_steps(checked: CheckedTable) -> tuple[Step, ...]:
    """Return the rows as written."""
    return checked.table.steps


def states_of(step: Step, table: StateTable) -> tuple[str, ...]:
    """Return the states that a step belongs to."""
    named = (step.state,) if isinstance(step.state, str) else step.state
    return table.states if EVERY in named else named


def _known(table: StateTable, where: str) -> None:
    named = [("initial", table.initial), *(("final", name) for name in table.final)]
    named += [(key, name) for key in ("retrieve", "layout") for name in getattr(table, key)]
    if table.safe:
        named.append(("safe", table.safe))
    for index, step in enumerate(table.steps):
        at = f"steps[{index}]"
        states = (step.state,) if isinstance(step.state, str) else step.state
        if not states:
            raise InputError("a state", "none", f"{where} {at}.state")
        named += [(f"{at}.state", name) for name in states if name != EVERY]
        named += [(f"{at}.to", step.to)] if step.to else []
    for key, name in named:
        if name not in table.states:
            raise UnknownNameError("state", name, table.states, f"{where} {key}")
    if bool(table.safe) != bool(table.patience):
        missing, there = ("safe", "patience") if table.patience else ("patience", "safe")
        text = "its target state" if missing == "safe" else "a number of seconds after which it fires"
        raise InputError(f"`{missing}` beside `{there}`", "none", where, f"The watchdog must know {text}")


def _sorted(
    table: StateTable, where: str
) -> tuple[dict[tuple[str, str], tuple[Row, ...]], dict[str, Row], tuple[Guard, ...]]:
    rows: dict[tuple[str, str], list[Row]] = {}
    timeouts: dict[str, Row] = {}
    for index, step in enumerate(table.steps):
        at = f"{where} steps[{index}]"
        row = Row(index, step, read_guard(step.when, f"{at}.when"))
        for action in step.actions:
            given = [name for name in action.__struct_fields__ if getattr(action, name)]
            if len(given) != 1:
                known = " or ".join(action.__struct_fields__)
                raise InputError(f"one of {known} in an action", ", ".join(given) or "none", f"{at}.actions")
        if (step.event == TIMEOUT) != (step.after is not None):
            raise InputError("`after` in a step of event 'timeout' and in no other", str(step.after), f"{at}.after")
        if step.event == TIMEOUT and step.when:
            raise InputError("a time-out without a guard", repr(step.when), f"{at}.when")
        if step.event == LATE and (step.when or step.to not in ("", table.safe) or not table.safe):
            raise InputError("event 'late' without a guard, to the `safe` state", repr(step.to or step.when), at)
        for state in states_of(step, table):
            if step.event != TIMEOUT:
                rows.setdefault((state, step.event), []).append(row)
            elif state in timeouts:
                raise InputError(f"one time-out for state {state!r}", "two", f"{at}.event")
            else:
                timeouts[state] = row
    guards = tuple(row.guard for rows_of in rows.values() for row in rows_of)
    return {key: tuple(rows_of) for key, rows_of in rows.items()}, timeouts, guards


def _shadows(checked: CheckedTable, where: str) -> Iterator[InputError]:
    reachable: dict[int, bool] = {}
    before: dict[int, int] = {}
    for rows in checked.rows.values():
        always: Row | None = None
        for row in rows:
            reachable[row.index] = reachable.get(row.index, False) or always is None
            if always is not None:
                before[row.index] = always.index
            elif not row.step.when.strip():
                always = row
    for index, once in reachable.items():
        if not once:
            text = f"steps[{before[index]}], which has no guard, comes first"
            yield InputError("a step that can be taken", text, f"{where} steps[{index}]", "Change their order")


def _fallbacks(checked: CheckedTable, where: str) -> Iterator[InputError]:
    table = checked.table
    if table.fallback == "stay":
        return
    for state in table.states:
        # A retrieval is answered at once: no other event comes.
        if state in table.final or state in table.retrieve:
            continue
        rows = checked.rows.get((state, EVERY), ())
        if not any(not row.step.when.strip() for row in rows):
            yield InputError(
                f"a fallback in state {state!r}", "none", where,
                "Add a step with event = '*' and no guard; rules of a device (no dialogues) may set fallback = 'stay'",
            )  # fmt: skip


def _reached(checked: CheckedTable, where: str) -> Iterator[InputError]:
    table = checked.table
    ways: dict[str, set[str]] = {state: set() for state in table.states}
    for (state, event), rows in checked.rows.items():
        if event != LATE:
            ways[state] |= {row.step.to for row in rows if row.step.to}
    for state, row in checked.timeouts.items():
        ways[state] |= {row.step.to} - {""}
    # The watchdog reaches the safe state from everywhere, but nobody is meant to wait for it as the only way out.
    seen = _closure({table.initial, table.safe} - {""}, ways)
    for state in table.states:
        if state not in seen:
            yield InputError(f"a way to state {state!r}", f"none from {table.initial!r}", where,
                             "Add a step that leads there, or leave the state out")  # fmt: skip
        if state not in table.final and not ways[state] - {state}:
            yield InputError(f"a way out of state {state!r}", "none: a dead end", where,
                             "Add a step or a time-out that leaves it, or name it in `final`")  # fmt: skip
        if state in table.final and ways[state] - {state}:
            yield InputError(f"no way out of the final state {state!r}", "one", where, "Leave it out of `final`")


def _closure(begin: set[str], ways: Mapping[str, set[str]]) -> set[str]:
    seen, open_ = set(begin), list(begin)
    while open_:
        for other in ways[open_.pop()] - seen:
            seen.add(other)
            open_.append(other)
    return seen
