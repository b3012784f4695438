"""Error codes: every error of a user has one, each is explained, and the explanations name real commands."""

from __future__ import annotations

import ast
import copy
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from edgewright.cli.main import cli as group
from edgewright.cli.main import run
from edgewright.core import errors
from edgewright.core.errors import CsvNumberError, EdgewrightError, InputError, UnknownNameError

SOURCE = Path(errors.__file__).resolve().parents[1]
TEXTS = tomllib.loads((SOURCE / "core" / "errors.toml").read_text(encoding="utf-8"))


def test_every_code_is_explained_once_and_in_order() -> None:
    kinds = {
        kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EdgewrightError)
    }
    assert kinds <= set(TEXTS)
    assert list(TEXTS) == sorted(TEXTS)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", code) and text.endswith(".") for code, text in TEXTS.items())


def test_no_module_raises_an_input_error_without_a_code() -> None:
    without = []
    for file in SOURCE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for call in ast.walk(ast.parse(text)) if re.search(r"\bInputError\(", text) else ():
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "InputError":
                without += [] if any(word.arg == "code" for word in call.keywords) else [f"{file}:{call.lineno}"]
    assert without == []


def test_explanations_name_commands_that_exist() -> None:
    for text in TEXTS.values():
        for line in re.findall(r"`edgewright ([^`]+)`", text):
            command: click.Command | None = group
            for word in shlex.split(line):
                if not isinstance(command, click.Group):
                    break
                command = command.get_command(click.Context(command), word)
                assert command is not None, line


def test_a_message_shows_the_code_that_explain_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(tmp_path / "none.csv")]) == 2
    shown = re.search(r"error\[([a-z0-9-]+)\]", capsys.readouterr().err)
    assert shown is not None
    assert shown[1] == "file-not-found"
    assert run(["explain", shown[0]]) == 0
    assert capsys.readouterr().out.strip() == " ".join(TEXTS["file-not-found"].split())
    assert run(["explain", "csv-numbers"]) == 2
    assert "error[unknown-name]" in capsys.readouterr().err


def test_kinds_are_classes_with_names_that_travel_between_processes() -> None:
    error = CsvNumberError("a number", "'abc'", "rows.csv line 17", "Remove the text")
    again = copy.copy(error)  # by `__reduce__`, as between processes
    assert type(again) is CsvNumberError
    assert (again.code, again.where, str(again)) == ("csv-number", "rows.csv line 17", str(error))
    assert CsvNumberError.__name__ == "CsvNumberError"
    assert InputError("x", code="csv-quotes").code == "csv-quotes"
    assert UnknownNameError("layer", "dens", ["dense"]).code == "unknown-name"
