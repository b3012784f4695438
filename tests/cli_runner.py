"""Commands run in the process of a test: what they print, their JSON, and the exit code that is expected."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgewright.cli.main import run


class Cli:
    """Runs commands; the fixture `cli` of every test.

    Attributes:
        out: standard output of the last command.
        err: its standard error.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: object, code: int = 0) -> str:
        """Run a command and return its output; its standard error where the exit code is not 0."""
        self._capsys.readouterr()
        ended = run([str(argument) for argument in arguments])
        self.out, self.err = self._capsys.readouterr()
        assert ended == code, self.err
        return self.err if code else self.out

    def json(self, *arguments: object, code: int = 0) -> Any:  # noqa: ANN401 - what JSON holds
        """Run a command with `--json` and return the document that it prints."""
        self(*arguments, "--json", code=code)
        return msgspec.json.decode(self.out)

    def rows(self, *arguments: object) -> list[Any]:
        """Run a command with `--json` and return the documents that it prints, one a line."""
        return [msgspec.json.decode(line) for line in self(*arguments, "--json").splitlines()]
