"""A dialogue on a page: its picture, what keeps it from being held and where, and the files that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.core.state_machine.validation import CheckedTable, sorted_table, states_of
from edgewright.core.toml_tables import read_toml
from edgewright.language.dialogue.diagram import MARGIN, TOP, Drawing, drawing
from edgewright.language.dialogue.validation import Vocabulary, problems, summary, vocabulary
from edgewright.nlp.dialogue import START, UNCLEAR
from edgewright.nlp.utterance.model_file import read_language
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.state_table import EVERY, FOUND, NOT_FOUND, TIMEOUT, StateTable, Step
from edgewright.studio.frame import error_text
from edgewright.studio.paths import files_below

_STEP, _STATE = re.compile(r"steps\[(\d+)\]"), re.compile(r"state '([^']+)'|a cycle: (\S+)|through '([^']+)'")


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

    def positions(self) -> dict[str, tuple[int, int]]:
        """Return where each state stands, as `[layout]` says it."""
        return {box.state: (round(box.x - MARGIN), round(box.y - TOP)) for box in self.drawing.boxes}

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
    state = _STATE.search(f"{error.expected} {error.got}")
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
        layout={name: at for name, at in table.layout.items() if name in states},
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
