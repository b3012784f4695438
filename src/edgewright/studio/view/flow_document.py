"""The table of a dialogue as text: what is edited changes, comments and the rest stay as they were written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Comment, Table, Whitespace

from edgewright.core.toml_tables import convert_table
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.state_table import EVERY, FOUND, NOT_FOUND, Action, StateTable, Step

Position = tuple[int, int]
_STATE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_ANSWER = "Sorry, I did not understand that."


class FlowDocument:
    """A table that is edited.

    Args:
        text: TOML.
        where: name of its file, for messages.

    Raises:
        InputError: no TOML, or no state table.
    """

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        try:
            tomllib.loads(text)
            self._toml: Any = tomlkit.parse(text)
        except (tomllib.TOMLDecodeError, TOMLKitError, RecursionError) as error:
            raise InputError("TOML", str(error), where) from None
        self.table()

    def text(self) -> str:
        """Return the text as it is now."""
        return str(tomlkit.dumps(self._toml))

    def table(self) -> StateTable:
        """Return what it says.

        Raises:
            InputError: naming the key that does not fit.
        """
        return convert_table(self._toml.unwrap(), StateTable, self._where)

    def add_state(self, name: str, at: Position) -> None:
        """Add a state that says that it did not understand, where no step of every state answers.

        Raises:
            InputError: no name, or one that is taken.
        """
        self._new_name(name)
        self._toml["states"].append(name)
        if self.table().layout:
            self._toml["layout"][name] = list(at)
        if not any(step.event == EVERY and step.state == EVERY for step in self.table().steps):
            self._append({"state": name, "event": EVERY, "actions": [{"say": _ANSWER}]})

    def rename_state(self, old: str, name: str) -> None:
        """Give a state another name, wherever it is named.

        Raises:
            InputError: no name, or one that is taken.
        """
        self._new_name(name)
        for key in ("initial", "safe"):
            if self._toml.get(key) == old:
                self._toml[key] = name
        for key in ("states", "final"):
            _replace(self._toml.get(key, []), old, name)
        for key in ("retrieve", "layout"):
            if old in self._toml.get(key, {}):
                self._toml[key][name] = self._toml[key].pop(old)
        for step in self._steps():
            if step.get("to") == old:
                step["to"] = name
            if step["state"] == old:
                step["state"] = name
            elif not isinstance(step["state"], str):
                _replace(step["state"], old, name)

    def remove_state(self, name: str) -> None:
        """Remove a state with its steps and those that lead to it.

        Raises:
            InputError: the first state.
        """
        if self._toml["initial"] == name:
            raise InputError("another first state before this one is removed", repr(name), f"{self._where} initial",
                             "Select another state and make it the first")  # fmt: skip
        for key in ("states", "final"):
            if name in self._toml.get(key, []):
                self._toml[key].remove(name)
        for key in ("retrieve", "layout"):
            if name in self._toml.get(key, {}):
                self._remove_key(key, name)
        for index, step in reversed(list(enumerate(self._steps()))):
            if step.get("to") == name or step["state"] == name:
                self.remove_step(index)
            elif not isinstance(step["state"], str) and name in step["state"]:
                step["state"].remove(name)

    def set_state(self, name: str, *, first: bool, final: bool) -> None:
        """Say whether a state is the first, and whether it ends the dialogue."""
        if first:
            self._toml["initial"] = name
        listed = [str(state) for state in self._toml.get("final", [])]
        if final and name not in listed:
            self._set_top("final", [*listed, name])
        elif not final and name in listed:
            self._toml["final"].remove(name)

    def set_model(self, name: str) -> None:
        """Let a model understand what is said; an empty name ends that."""
        if name:
            self._set_top("model", name)
        else:
            self._toml.pop("model", None)

    def set_retrieval(self, name: str, index: str, top: str, minimum: str) -> None:
        """Let a state look something up in an index; an empty index ends that.

        Raises:
            InputError: numbers out of range.
        """
        retrievals = self._toml.get("retrieve", {})
        if not index:
            if name in retrievals:
                self._remove_key("retrieve", name)
            return
        table = retrievals[name] if name in retrievals else tomlkit.table()
        _set(table, "index", index)
        _set(table, "top", _number(top, self._where, f"retrieve.{name}.top"))
        _set(table, "minimum", _number(minimum, self._where, f"retrieve.{name}.minimum"))
        if name not in retrievals:
            if "retrieve" not in self._toml:
                self._set_top("retrieve", tomlkit.table(is_super_table=True))
            self._toml["retrieve"][name] = table
        self.table()

    def move(self, positions: Mapping[str, Position]) -> None:
        """Write where states are drawn; those of all states, so that none moves by itself later."""
        if "layout" not in self._toml:
            self._set_top("layout", tomlkit.table())
        for state, at in positions.items():
            if list(self._toml["layout"].get(state, [])) != list(at):
                self._toml["layout"][state] = list(at)

    def connect(self, before: str, after: str, event: str, intents: Sequence[str]) -> int:
        """Add a step from a state to another.

        Args:
            before: state.
            after: state; the same for a step that stays.
            event: that it takes; empty: one that the state does not take yet.
            intents: of the model.

        Returns:
            The step's place.

        Raises:
            UnknownNameError: a state that is none.
        """
        table = self.table()
        for name in (before, after):
            if name not in table.states:
                raise UnknownNameError("state", name, table.states, self._where)
        used = {
            step.event
            for step in table.steps
            if before in ((step.state,) if isinstance(step.state, str) else step.state)
        }
        known = (FOUND, NOT_FOUND) if before in table.retrieve else intents
        event = event or next((name for name in known if name not in used), "") or _free("event", used)
        answers = after in table.retrieve or before == after
        self._append(
            {"state": before, "event": event, "to": after} | ({} if answers else {"actions": [{"say": "OK."}]})
        )
        self.table()
        return len(self._steps()) - 1

    def change_step(self, index: int, values: Mapping[str, str]) -> None:
        """Set the keys of a step from texts, empty ones are left out.

        Args:
            index: of the step.
            values: 'state' (names with commas), 'event', 'when', 'to', 'after' and 'actions' (a line each, such as
                `say Hello!` or `forget drink`).

        Raises:
            InputError: a text that does not fit its key.
        """
        step, at = self._steps()[index], f"steps[{index}]"
        names = [name.strip() for name in values["state"].split(",") if name.strip()]
        changed: dict[str, Any] = {
            "state": names[0] if len(names) == 1 else names, "event": values["event"].strip(),
            "when": values["when"].strip(), "to": values["to"].strip(),
            "after": _number(values["after"], self._where, f"{at}.after"),
            "actions": _actions(values["actions"], f"{self._where} {at}.actions"),
        }  # fmt: skip
        before = step.unwrap()
        for key, value in changed.items():
            if before.get(key, [] if key == "actions" else None) != value:
                _set(step, key, _listed(value) if key == "actions" else value)
        convert_table(step.unwrap(), Step, f"{self._where} {at}")

    def remove_step(self, index: int) -> None:
        """Remove a step. A comment above the next one stays above it, and its own goes."""
        steps = self._steps()
        if isinstance(steps, AoT) and index > 0:
            before, gone = steps[index - 1], steps[index]
            body, tail = before.value.body, _tail(gone)
            del body[len(body) - len(_tail(before)) :]
            body.extend(tail)
        del steps[index]

    def _steps(self) -> Any:  # noqa: ANN401 - a list of tables in either form of TOML
        return self._toml.get("steps", [])

    def _append(self, values: Mapping[str, Any]) -> None:
        step = tomlkit.table()
        for key, value in values.items():
            step.add(key, _listed(value) if key == "actions" else value)
        if "steps" not in self._toml:
            self._set_top("steps", tomlkit.aot())
        steps = self._steps()
        if isinstance(steps, AoT) and steps and not str(steps[-1].as_string()).endswith("\n\n"):
            steps[-1].add(tomlkit.nl())
        steps.append(step if isinstance(steps, AoT) else values)

    def _set_top(self, key: str, value: Any) -> None:  # noqa: ANN401 - TOML values of any type
        """Set a key of the whole table: plain values stand before the first table, tables at the end."""
        if key in self._toml or isinstance(value, Table | AoT):
            if isinstance(value, Table | AoT) and not self.text().endswith("\n\n"):
                self._toml.add(tomlkit.nl())
            self._toml[key] = value
            return
        text = self.text()
        line = f"{key} = {tomlkit.item(value).as_string()}\n"
        first = re.search(r"^\s*initial\s*=.*\n?", text, re.MULTILINE)
        at = first.end() if first else 0
        self._toml = tomlkit.parse(text[:at] + line + text[at:])

    def _remove_key(self, table: str, name: str) -> None:
        del self._toml[table][name]
        if not self._toml[table]:
            del self._toml[table]

    def _new_name(self, name: str) -> None:
        if not _STATE.fullmatch(name):
            got = repr(name[:80]) if name else "none"
            raise InputError("a name of letters, digits, '_', '.' and '-'", got, f"{self._where} states")
        if name in self._toml["states"]:
            raise InputError("a name that no other state has", repr(name), f"{self._where} states")


def actions_text(actions: Sequence[Action]) -> str:
    """Return actions as they are edited: a line each; a line break within one is written as in TOML."""
    given = ((key, value) for action in actions for key, value in msgspec.to_builtins(action).items())
    return "\n".join(f"{key} " + value.replace("\\", "\\\\").replace("\n", "\\n") for key, value in given)


def _actions(text: str, where: str) -> list[dict[str, str]]:
    actions = []
    for line in text.splitlines():
        key, _, value = line.lstrip().partition(" ")
        if not key:
            continue
        if key not in Action.__struct_fields__:
            raise UnknownNameError("action", key, Action.__struct_fields__, where)
        if not value.strip():
            raise InputError(f"text after {key!r}", "none", where)
        actions.append({key: re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], value)})
    return actions


def _listed(actions: Sequence[Mapping[str, str]]) -> Any:  # noqa: ANN401 - an array of tomlkit
    """Return actions as people write them, a line each where they are long."""
    parts = [f"{{ {key} = {tomlkit.item(value).as_string()} }}" for action in actions for key, value in action.items()]
    wide = sum(map(len, parts)) > 90 and len(parts) > 1
    text = "[\n    " + ",\n    ".join(parts) + ",\n]" if wide else f"[{', '.join(parts)}]"
    return tomlkit.parse(f"actions = {text}\n")["actions"]


def _number(text: str, where: str, key: str) -> float | int | None:
    if not text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        raise InputError("a number", repr(text[:40]), f"{where} {key}") from None
    return int(number) if number.is_integer() and "." not in text else number


def _set(table: Any, key: str, value: object) -> None:  # noqa: ANN401 - a table in either form of TOML
    """Set a key, or remove it where there is nothing to say; a new one stands before what ends the table."""
    if value in (None, "", []) or (key == "actions" and not value):
        table.pop(key, None)
    elif key in table or not isinstance(table, Table):
        table[key] = value
    else:
        tail = _tail(table)
        body = table.value.body
        del body[len(body) - len(tail) :]
        table.add(key, value)
        body.extend(tail)


def _tail(table: Table) -> list[Any]:
    """Return the empty lines and comments that stand below a table's last key: they belong to what follows."""
    body = table.value.body
    end = len(body)
    while end and body[end - 1][0] is None and isinstance(body[end - 1][1], Comment | Whitespace):
        end -= 1
    return list(body[end:])


def _replace(names: Any, old: str, name: str) -> None:  # noqa: ANN401 - an array of tomlkit
    for index, listed in enumerate(list(names)):
        if listed == old:
            names[index] = name


def _free(word: str, used: set[str]) -> str:
    number = 1
    while f"{word}_{number}" in used:
        number += 1
    return f"{word}_{number}"
