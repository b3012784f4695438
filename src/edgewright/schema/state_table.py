"""A state machine as a table: in which state, on which event, under which guard, what is done and where it goes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

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
        layout: where a drawing puts the states: left and upper edge in pixels; states without are placed by it.
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
