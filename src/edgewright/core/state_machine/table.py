"""A state machine as a table: in which state, on which event, under which guard, what is done and where it goes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgewright.core.errors import InputError, StateTableError, UnknownNameError
from edgewright.core.state_machine.guards import Guard, read_guard
from edgewright.core.toml_tables import convert_table, parse_toml, read_toml, toml_text

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
EventName = Annotated[str, msgspec.Meta(pattern=r"^(\*|[A-Za-z_][A-Za-z0-9_.-]{0,63})$")]
Pixel = Annotated[int, msgspec.Meta(ge=0, le=20_000)]
EVERY = "*"
"""As a state: every state. As an event: every event that no other step of the state takes."""
TIMEOUT, LATE = "timeout", "late"
FOUND, NOT_FOUND = "found", "not_found"
"""What came of a retrieval."""


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that is done; exactly one of the fields is given.

    Attributes:
        alarm: raises an alarm of this label.
        event: notes an event of this label.
        command: starts a command that the device's settings allow by this name.
        say: an answer or a question of a dialogue; {drink} stands for the slot `drink`. A device notes it as an event.
        forget: the name, a slot for example, that is unknown from now on.
    """

    alarm: str = ""
    event: str = ""
    command: str = ""
    say: Annotated[str, msgspec.Meta(max_length=500)] = ""
    forget: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One row of the table. The first row that fits is taken.

    Attributes:
        state: one state, several, or '*' for every state.
        event: what happened; 'timeout' when the state has lasted for `after` seconds, 'late' when the watchdog calls,
            '*' for every event that no other row of the state takes.
        when: guard, in the words of `core.state_machine.guards`; empty: always.
        to: the next state; empty: it stays, and its time goes on.
        after: seconds in the state, for 'timeout'.
        actions: what is done, in order.
    """

    state: str | tuple[str, ...]
    event: EventName
    when: str = ""
    to: str = ""
    after: Annotated[float, msgspec.Meta(gt=0.0, le=1e9)] | None = None
    actions: tuple[Action, ...] = ()


class Retrieval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a state of a dialogue looks up when it is entered; events 'found' and 'not_found' say what came of it.

    Attributes:
        index: file of `edgewright language index`, relative to the table.
        top: passages at most.
        minimum: probability of an answer below which it is not found; None: the limit that the index was measured with.
    """

    index: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    top: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    minimum: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] | None = None


class StateTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A state machine.

    Attributes:
        name: name of the table.
        states: all of them.
        initial: the first.
        final: states that are meant to be left no more.
        safe: where the watchdog goes.
        patience: seconds without a sure answer of the model after which the watchdog calls; 0: there is none.
        fallback: 'step': every state must say what it does with any other event; 'stay': other events change nothing.
        steps: the rows.
        model: file of the model that understands a dialogue's utterances, relative to the table.
        retrieve: states of a dialogue that look something up, and where.
        layout: positions that the drawing editor of version 0.2.0 wrote; ignored.
    """

    name: Name
    states: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=1000)]
    initial: Name
    final: tuple[Name, ...] = ()
    safe: str = ""
    patience: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] = 0.0
    fallback: Literal["step", "stay"] = "step"
    steps: Annotated[tuple[Step, ...], msgspec.Meta(max_length=10_000)] = ()
    model: str = ""
    retrieve: dict[Name, Retrieval] = {}
    layout: dict[Name, tuple[Pixel, Pixel]] = {}


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
        raise StateTableError("every state once", "one twice", f"{where} states")
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


def switch_text(rise: str, fall: str, wait: float, events: tuple[str, str]) -> str:
    """Return the TOML of a state table with the states off and on, each step below the others.

    Args:
        rise: condition that switches on.
        fall: condition that switches off.
        wait: seconds that a condition has to hold; 0 switches at the first row.
        events: emitted when the state becomes on, and off.
    """
    steps = [*_change("off", "on", rise, wait, events[0]), *_change("on", "off", fall, wait, events[1])]
    names = tuple(dict.fromkeys(state for step in steps for state in (str(step.state), step.to)))
    table = StateTable(name="ladder", states=names, initial="off", fallback="stay", steps=tuple(steps))
    head = {key: getattr(table, key) for key in ("name", "states", "initial", "fallback")}
    return "\n".join([toml_text(head), *("[[steps]]\n" + toml_text(msgspec.to_builtins(step)) for step in steps)])


def _change(before: str, after: str, when: str, wait: float, label: str) -> list[Step]:
    """Return the steps from one state to the other, direct or through an intermediate state with a timeout.

    The change emits the class as an event.
    """
    done = (Action(event=label),)
    if wait <= 0:
        return [Step(state=before, event="row", when=when, to=after, actions=done)]
    between = f"perhaps_{after}"
    return [
        Step(state=before, event="row", when=when, to=between),
        Step(state=between, event="row", when=f"not ({when})", to=before),
        Step(state=between, event="timeout", after=wait, to=after, actions=done),
    ]


def _known(table: StateTable, where: str) -> None:
    named = [("initial", table.initial), *(("final", name) for name in table.final)]
    named += [(key, name) for key in ("retrieve", "layout") for name in getattr(table, key)]
    if table.safe:
        named.append(("safe", table.safe))
    for index, step in enumerate(table.steps):
        at = f"steps[{index}]"
        states = (step.state,) if isinstance(step.state, str) else step.state
        if not states:
            raise StateTableError("a state", "none", f"{where} {at}.state")
        named += [(f"{at}.state", name) for name in states if name != EVERY]
        named += [(f"{at}.to", step.to)] if step.to else []
    for key, name in named:
        if name not in table.states:
            raise UnknownNameError("state", name, table.states, f"{where} {key}")
    if bool(table.safe) != bool(table.patience):
        missing, there = ("safe", "patience") if table.patience else ("patience", "safe")
        text = "its target state" if missing == "safe" else "a number of seconds after which it fires"
        raise StateTableError(f"`{missing}` beside `{there}`", "none", where, f"The watchdog must know {text}")


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
                raise StateTableError(f"one of {known} in an action", ", ".join(given) or "none", f"{at}.actions")
        if (step.event == TIMEOUT) != (step.after is not None):
            raise StateTableError(
                "`after` in a step of event 'timeout' and in no other", str(step.after), f"{at}.after"
            )
        if step.event == TIMEOUT and step.when:
            raise StateTableError("a time-out without a guard", repr(step.when), f"{at}.when")
        if step.event == LATE and (step.when or step.to not in ("", table.safe) or not table.safe):
            raise StateTableError("event 'late' without a guard, to the `safe` state", repr(step.to or step.when), at)
        for state in states_of(step, table):
            if step.event != TIMEOUT:
                rows.setdefault((state, step.event), []).append(row)
            elif state in timeouts:
                raise StateTableError(f"one time-out for state {state!r}", "two", f"{at}.event")
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
            yield StateTableError("a step that can be taken", text, f"{where} steps[{index}]", "Change their order")


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
            yield StateTableError(
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
            yield StateTableError(f"a way to state {state!r}", f"none from {table.initial!r}", where,
                             "Add a step that leads there, or leave the state out")  # fmt: skip
        if state not in table.final and not ways[state] - {state}:
            yield StateTableError(f"a way out of state {state!r}", "none: a dead end", where,
                             "Add a step or a time-out that leaves it, or name it in `final`")  # fmt: skip
        if state in table.final and ways[state] - {state}:
            yield StateTableError(f"no way out of the final state {state!r}", "one", where, "Leave it out of `final`")


def _closure(begin: set[str], ways: Mapping[str, set[str]]) -> set[str]:
    seen, open_ = set(begin), list(begin)
    while open_:
        for other in ways[open_.pop()] - seen:
            seen.add(other)
            open_.append(other)
    return seen
