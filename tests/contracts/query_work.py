"""Every statement that a server executes, with its parameters, where it stands in the source, and the work it was."""

from __future__ import annotations

import ast
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import sqlalchemy as sa

import edgewright.fleet.server

SERVER = Path(edgewright.fleet.server.__file__).parent
_STEPS = 100
"""Steps of SQLite's virtual machine between two counts."""


@dataclass
class Statement:
    """One text that was executed, perhaps many times.

    Attributes:
        text: of the statement.
        calls: where it was executed: file below `SERVER` and line.
        parameters: of the execution that was most work.
        steps: of SQLite's virtual machine, the most of an execution.
    """

    text: str
    calls: set[tuple[str, int]] = field(default_factory=set)
    parameters: Any = None
    steps: int = 0

    @property
    def where(self) -> str:
        """The files that execute it, for exceptions and messages."""
        return ", ".join(sorted({name for name, _ in self.calls}))


class Collector:
    """Statements by their text."""

    def __init__(self) -> None:
        self.statements: dict[str, Statement] = {}
        self._running: dict[int, tuple[Statement, Any, list[int]]] = {}

    def begin(self, cursor: Any, text: str, parameters: Any) -> None:  # noqa: ANN401 - of a driver
        """Attribute what the connection does from now on to this statement."""
        statement = self.statements.setdefault(text, Statement(text))
        statement.calls |= set(_callers(sys._getframe()))
        if statement.parameters is None:
            statement.parameters = parameters
        connection = cursor.connection
        if isinstance(connection, sqlite3.Connection):
            count = [0]
            self._running[id(connection)] = statement, parameters, count

            def step() -> int:
                count[0] += _STEPS
                if count[0] > statement.steps:
                    statement.steps, statement.parameters = count[0], parameters
                return 0

            connection.set_progress_handler(step, _STEPS)


def _callers(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(f"{SERVER}/"):
            yield str(Path(name).relative_to(SERVER)), frame.f_lineno
        frame = frame.f_back


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect the statements of all engines of this process."""
    collector = Collector()

    def before(_: object, cursor: Any, text: str, parameters: Any, context: object, many: bool) -> None:  # noqa: ANN401
        collector.begin(cursor, text, parameters)

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    try:
        yield collector
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", before)


def executing_calls() -> Iterator[tuple[str, int, int]]:
    """Yield file, first and last line of each call in the server that executes a statement."""
    for path in sorted(SERVER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("execute", "exec_driver_sql")
            ):
                yield str(path.relative_to(SERVER)), node.lineno, node.end_lineno or node.lineno
