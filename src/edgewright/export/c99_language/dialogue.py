"""A dialogue as C99: the state table as constant arrays, and a machine that takes the same steps as `nlp.dialogue`.

    NAME_machine m;
    NAME_begin(&m, 0.0, act, context);                          the greeting
    NAME_slot drink = {NAME_SLOT_DRINK, 0, 0.0, "soda"};
    NAME_push(&m, NAME_EVENT_DISPENSE_DRINK, &drink, 1, 2.5, act, context);
    NAME_tick(&m, 40.0, act, context);                          time-outs

`act` is called for each thing that is done, in order; `NAME_render` fills the slots into what is said. Guards have
Kleene's three values as in `core.state_machine.guards`. There is no heap, and nothing is remembered outside it.

With a model that understands sentences it is one piece of C, text in, the steps of the table out:

    vending_machine machine;
    vending_begin(&machine, 0.0, act, context);
    vending_hear(&context, &machine, text, bytes, VENDING_WORDS_NO_DATE, seconds, act, context);

An intent becomes its event and slots become what guards see, as in `nlp.dialogue`; what is no text is out of scope.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgewright.core.errors import DialogueError, StateTableError
from edgewright.core.state_machine.guards import Tree
from edgewright.core.state_machine.table import EVERY, TIMEOUT, CheckedTable, Row
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import guarded, identifier, literal, template_comment
from edgewright.export.c99_language.student import Slots, write_language_c99
from edgewright.nlp.dialogue import BLANK, CONFIDENCE, START, UNCLEAR, event_name
from edgewright.nlp.records import LanguageSpec

C = parts(__file__, "dialogue.c")
_HELPERS = ("known", "number", "word", "size", "true", "not", "and", "or", "compare")


def helpers(guards: str) -> str:
    """Return functions that the guards call, and no other: a compiler warns of what nobody calls."""
    needed = {"known"} if "_known(" in guards else set()
    needed |= {name for name in _HELPERS if f"@_{name}(" in guards}
    return "\n\n".join(C[name] for name in _HELPERS if name in needed)


WORD = 64
"""Bytes of a word that a slot holds, with the one that ends it."""
_SIGNS = {"<": 0, "<=": 1, ">": 2, ">=": 3, "==": 4, "!=": 5}
_KINDS = ("say", "event", "alarm", "command", "forget")


def dialogue_files(checked: CheckedTable, name: str) -> dict[str, str]:
    """NAME.h and NAME.c of a dialogue.

    Args:
        checked: the table, as `language.dialogue.check` leaves it.
        name: prefix of all names.

    Raises:
        InputError: for a name that C does not take, two names that are one in C, or a table with a watchdog or
            retrievals.
    """
    identifier(name)
    if checked.table.retrieve:
        raise DialogueError("a dialogue that retrieves nothing", "`retrieve`", f"{checked.table.name} in C",
                         "An index needs Python: edgewright language chat")  # fmt: skip
    if checked.table.patience:
        raise DialogueError("a dialogue without a watchdog", "`patience`", f"{checked.table.name} in C")
    return _Writer(checked, name).files()


def numbers_of(checked: CheckedTable) -> tuple[dict[str, int], dict[str, int]]:
    """Return numbers of events and of slots in the C of a dialogue; any other event is 0."""
    writer = _Writer(checked, "")
    return writer.events, writer.slots


class _Writer:
    """Numbers of states, events, slots and texts, and the text of both files."""

    def __init__(self, checked: CheckedTable, name: str) -> None:
        self.checked, self.name, self.table = checked, name, checked.table
        self.states = {state: number for number, state in enumerate(self.table.states)}
        named = sorted(event for event in checked.events if event not in (EVERY, TIMEOUT))
        self.events = {event: number for number, event in enumerate(["other", *(e for e in named if e != "other")])}
        requested = {name for guard in checked.guards for name in guard.names}
        for action in checked.actions:
            requested |= {*BLANK.findall(action.say), *([action.forget] if action.forget else [])}
        self.slots = {slot: number for number, slot in enumerate(sorted(requested | {CONFIDENCE}))}
        for kind, names in (("STATE", self.states), ("EVENT", self.events), ("SLOT", self.slots)):
            self._distinct(kind, names)

    def files(self) -> dict[str, str]:
        fill = {"@@": self.name.upper(), "@": self.name}
        texts = {}
        for ending, text in ((".h", self._header()), (".c", self._source())):
            for key, value in fill.items():
                text = text.replace(key, value)
            # What was meant as the sign itself.
            texts[self.name + ending] = text.replace("\x01", "@")
        return texts

    def constant(self, kind: str, name: str) -> str:
        """`VENDING_STATE_IDLE`."""
        return f"@@_{kind}_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}"

    def _distinct(self, kind: str, names: Mapping[str, int]) -> None:
        seen: dict[str, str] = {}
        for name in names:
            other = seen.setdefault(self.constant(kind, name), name)
            if other != name:
                raise StateTableError("names that differ in C", f"{other!r} and {name!r}", f"{self.table.name} in C",
                                 "Rename one of them")  # fmt: skip

    def _header(self) -> str:
        lists = [
            "\n".join(f"#define {self.constant(kind, name)} {number}" for name, number in names.items())
            for kind, names in (("STATE", self.states), ("EVENT", self.events), ("SLOT", self.slots))
        ]
        return filled(
            parts(__file__, "dialogue.h")["header"],
            name=template_comment(self.table.name), states=lists[0], events=lists[1], slots=lists[2],
            n_states=len(self.states), n_events=len(self.events), n_slots=len(self.slots), word=WORD,
        )  # fmt: skip

    def _source(self) -> str:
        rows: list[str] = []
        guards: list[str] = []
        actions: list[str] = []
        timeouts: list[str] = []
        firsts = [0]
        for state in self.table.states:
            for row in self._rows(state):
                guard = -1
                if row.guard.tree is not None:
                    guard = len(guards)
                    guards.append(f"    case {guard}: return {self._truth(row.guard.tree)};")
                event = -1 if row.step.event == EVERY else self.events[row.step.event]
                rows.append(self._row(row, event, guard, actions))
            late = self.checked.timeouts.get(state)
            if late is None:
                timeouts.append("{0.0, -1}")
            else:
                timeouts.append(f"{{{late.step.after!r}, {len(rows)}}}")
                rows.append(self._row(late, -2, -1, actions))
            firsts.append(len(rows))
        final = ", ".join("1" if state in self.table.final else "0" for state in self.table.states)
        begins = START in self.events and (self.table.initial, START) in self.checked.rows
        begin = "@_push(m, @@_START, 0, 0, time, act, context)" if begins else "@_tick(m, time, act, context)"
        return filled(
            C["machine"],
            rows=",\n    ".join(rows), firsts=", ".join(map(str, firsts)), timeouts=", ".join(timeouts), final=final,
            actions=",\n    ".join(actions) or "{0, -1, 0}", initial=self.states[self.table.initial],
            guards="\n".join(guards) or "    case -2: return 0;", begin=begin, helpers=helpers("\n".join(guards)),
            slot_names=", ".join(_text(slot) for slot in self.slots),
        ).replace("@@_START", self.constant("EVENT", START) if begins else "0")  # fmt: skip

    def _rows(self, state: str) -> list[Row]:
        rows_of_state = [row for (at, _), rows in self.checked.rows.items() if at == state for row in rows]
        # Those of any other event come last: the first row that fits is taken.
        return sorted(rows_of_state, key=lambda row: (row.step.event == EVERY, row.index))

    def _row(self, row: Row, event: int, guard: int, actions: list[str]) -> str:
        first = len(actions)
        for action in row.step.actions:
            kind = next(name for name in _KINDS if getattr(action, name))
            content = getattr(action, kind)
            slot = self.slots[content] if kind == "forget" else -1
            actions.append(f"{{@@_DO_{kind.upper()}, {slot}, {_text(content)}}}")
        to = self.states[row.step.to] if row.step.to else -1
        return f"{{{event}, {guard}, {to}, {first}, {len(actions) - first}, {row.index}}}"

    def _truth(self, tree: Tree) -> str:
        kind = tree[0]
        if kind in ("and", "or"):
            return f"@_{kind}({self._truth(tree[1])}, {self._truth(tree[2])})"
        if kind == "not":
            return f"@_not({self._truth(tree[1])})"
        if kind == "true":
            return f"@_true({self._value(tree[1])})"
        return f"@_compare({_SIGNS[kind]}, {self._value(tree[1])}, {self._value(tree[2])})"

    def _value(self, tree: Tree) -> str:
        kind, content = tree
        if kind == "name":
            return f"@_known(m, {self.slots[content]})"
        if kind == "abs":
            return f"@_size({self._value(content)})"
        return f"@_number({float(content)!r})" if kind == "number" else f"@_word({_text(content)})"


def _text(text: str) -> str:
    return literal(text).replace("@", "\x01")


WORDS = "_words"
"""What is added to a dialogue's name for the model that understands its sentences."""


_HEAR = parts(__file__, "hear.h")
HEAR_HEADER = _HEAR["title"] + guarded("@@_HEAR_H", '"@.h" "@_words.h"', _HEAR["header"])


def hearing_files(
    checked: CheckedTable, spec: LanguageSpec, arrays: dict[str, NDArray[Any]], name: str
) -> dict[str, str]:
    """NAME.h and .c of the dialogue, NAME_words.h and .c of the model, NAME_hear.h and .c that join them.

    Args:
        checked: the table, as `language.dialogue.check` leaves it.
        spec: of the model, from `read_language`.
        arrays: of the model, from `read_language`.
        name: prefix of all names.
    """
    events, slots = numbers_of(checked)
    numbers = {
        "events": ", ".join(str(events.get(event_name(intent), 0)) for intent in spec.intents),
        "asked": ", ".join(str(_machine_slot(slots, slot)) for slot in Slots(spec, arrays).names),
        "unclear": events.get(UNCLEAR, 0), "confidence": slots[CONFIDENCE],
        "title": template_comment(checked.table.name),
    }  # fmt: skip
    joined = {
        f"{name}_hear.h": filled(HEAR_HEADER, **numbers),
        f"{name}_hear.c": filled(parts(__file__, "hear.c")["source"], **numbers),
    }
    joined = {file: text.replace("@@", name.upper()).replace("@", name) for file, text in joined.items()}
    return {**dialogue_files(checked, name), **write_language_c99(spec, arrays, name=name + WORDS), **joined}


def _machine_slot(slots: dict[str, int], name: str) -> int:
    """Return the machine's number of a slot; the probability of the intent is none that can be said."""
    called = event_name(name)
    return -1 if called == CONFIDENCE else slots.get(called, -1)
