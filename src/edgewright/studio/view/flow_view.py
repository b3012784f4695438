"""A dialogue on a page: its picture, what keeps it from being held and where, and the files that it names."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Comment, Table, Whitespace

from edgewright.core.errors import EdgewrightError, InputError, StateTableError, UnknownNameError
from edgewright.core.state_machine.table import (
    EVERY,
    FOUND,
    NOT_FOUND,
    TIMEOUT,
    Action,
    CheckedTable,
    StateTable,
    Step,
    sorted_table,
    states_of,
)
from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.language.dialogue.conversation import Vocabulary, problems, summary, vocabulary
from edgewright.language.dialogue.diagram import Drawing, drawing
from edgewright.nlp.dialogue import START, UNCLEAR
from edgewright.nlp.utterance.parse import read_language
from edgewright.studio.frame import error_text
from edgewright.studio.paths import files_below

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
            raise StateTableError("TOML", str(error), where) from None
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

    def add_state(self, name: str) -> None:
        """Add a state that says that it did not understand, where no step of every state answers.

        Raises:
            InputError: no name, or one that is taken.
        """
        self._new_name(name)
        self._toml["states"].append(name)
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
            raise StateTableError(
                "another first state before this one is removed",
                repr(name),
                f"{self._where} initial",
                "Select another state and make it the first",
            )
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
            raise StateTableError("a name of letters, digits, '_', '.' and '-'", got, f"{self._where} states")
        if name in self._toml["states"]:
            raise StateTableError("a name that no other state has", repr(name), f"{self._where} states")


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
            raise StateTableError(f"text after {key!r}", "none", where)
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
        raise StateTableError("a number", repr(text[:40]), f"{where} {key}") from None
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


_STEP, _NAMED_STATE = re.compile(r"steps\[(\d+)\]"), re.compile(r"state '([^']+)'|a cycle: (\S+)|through '([^']+)'")


@dataclass(frozen=True)
class FlowProblem:
    """What keeps a dialogue from being held, with the state or step that it is about; '' and -1 for neither."""

    text: str
    state: str = ""
    step: int = -1

    @property
    def selects(self) -> str:
        """What a button of it selects."""
        return f"step:{self.step}" if self.step >= 0 else f"state:{self.state}" if self.state else ""


@dataclass(frozen=True)
class FlowView:
    """A table as a page shows it.

    Attributes:
        table: whose steps name known states; others are left out and are among the problems.
        drawing: of it.
        problems: empty where it can be held.
        notes: what is allowed, and perhaps not meant.
        intents: of the model; none without one.
    """

    table: StateTable
    drawing: Drawing
    problems: tuple[FlowProblem, ...]
    notes: tuple[str, ...]
    intents: tuple[str, ...]

    @property
    def events(self) -> list[str]:
        """Events that may be meant, for whoever types one."""
        own = {step.event for step in self.table.steps} | ({FOUND, NOT_FOUND} if self.table.retrieve else set())
        return sorted({*self.intents, *own, START, UNCLEAR, TIMEOUT, EVERY})

    def wrong(self, selects: str) -> str:
        """Return what is wrong with a state or step, empty for nothing."""
        return " ".join(problem.text for problem in self.problems if problem.selects == selects)

    def steps_of(self, state: str) -> list[tuple[int, Step]]:
        """Return the steps of a state with their places."""
        return [(index, step) for index, step in enumerate(self.table.steps) if state in states_of(step, self.table)]


def flow_view(table: StateTable, path: Path, root: Path) -> FlowView:
    """Return a table as a page shows it.

    Args:
        table: saved or not.
        path: path of its file, which the names in it are relative to.
        root: folder of the studio; a model outside it is not read.
    """
    known, notes = _vocabulary(table, path, root)
    located: list[FlowProblem] = []
    try:
        checked = sorted_table(table, path.name)
    except InputError as error:
        located.append(_located(error, table))
    else:
        located += [_located(error, table) for error in problems(checked, path.name, known)]
        notes += _findings(checked, known, path, located)
    drawable = _drawable(table)
    intents = tuple(sorted(known.intents)) if known else ()
    return FlowView(drawable, drawing(drawable), tuple(dict.fromkeys(located)), tuple(notes), intents)


def _findings(checked: CheckedTable, known: Vocabulary | None, path: Path, located: list[FlowProblem]) -> list[str]:
    return [] if located else list(summary(checked, known, path.parent).findings)


def _located(error: InputError, table: StateTable) -> FlowProblem:
    """Return a problem with the state or step that its message names."""
    step = _STEP.search(error.where)
    if step and int(step[1]) < len(table.steps):
        return FlowProblem(error_text(error), step=int(step[1]))
    state = _NAMED_STATE.search(f"{error.expected} {error.got}")
    name = next((candidate for candidate in state.groups() if candidate in table.states), "") if state else ""
    return FlowProblem(error_text(error), state=name or "")


def _drawable(table: StateTable) -> StateTable:
    states = tuple(dict.fromkeys(table.states))

    def known(step: Step) -> bool:
        names = (step.state,) if isinstance(step.state, str) else step.state
        return all(name in (*states, EVERY) for name in names) and step.to in ("", *states)

    return msgspec.structs.replace(
        table, states=states, initial=table.initial if table.initial in states else states[0],
        # Places of steps are those of the file, so a step that cannot be drawn stays, and leads nowhere.
        steps=tuple(step if known(step) else msgspec.structs.replace(step, state=(), to="") for step in table.steps),
        retrieve={name: retrieval for name, retrieval in table.retrieve.items() if name in states},
    )  # fmt: skip


def inside(root: Path, path: Path, name: str) -> Path | None:
    """Return a file that a table names, where it is there and below the studio's folder."""
    with suppress(OSError, ValueError):
        file = (path.parent / name).resolve(strict=True)
        if file.is_file() and file.is_relative_to(root.resolve()):
            return file
    return None


def model_in(table: StateTable, path: Path, root: Path) -> Path | None:
    """Return the model that a table names, where it is there and below the studio's folder."""
    return inside(root, path, table.model) if table.model else None


def models_for(path: Path, root: Path) -> dict[str, str]:
    """Return the language models below the studio's folder: how a table names each, and where it is."""
    files = files_below(root, "*.language")
    return {Path(os.path.relpath(file, path.parent)).as_posix(): location for location, file in files}


def _vocabulary(table: StateTable, path: Path, root: Path) -> tuple[Vocabulary | None, list[str]]:
    model = model_in(table, path, root)
    if model is None:
        missing = f"The model {table.model} is not in the studio's folder: intents and slots are not checked."
        return None, [missing] if table.model else []
    try:
        return vocabulary(read_language(model)[0]), []
    except EdgewrightError as error:
        return None, [error_text(error)]


def flows_below(root: Path) -> Iterator[tuple[str, StateTable | None, str]]:
    """Yield dialogues below a folder: place, table, and why it cannot be read where that is so."""
    for location, path in files_below(root, "*.toml"):
        with suppress(InputError):
            table = read_toml(path, "a state table")
            # Rules of a device are state tables, too, but those stay where they are.
            if {"states", "steps"} <= table.keys() and table.get("fallback", "step") == "step":
                try:
                    yield location, msgspec.convert(table, StateTable), ""
                except msgspec.ValidationError as error:
                    yield location, None, str(error)
