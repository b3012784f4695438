"""`--json` of every command, against golden files; EDGEWRIGHT_WRITE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from edgewright.cli.main import cli as group
from edgewright.cli.main import run
from json_stories import NOT_RUN, PREPARE, STORIES, Story, lasting

GOLDEN = Path(__file__).resolve().parent / "json"
WIDTH = 118


def commands(command: click.Command, context: click.Context, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Give the name of each command below one that has `--json`."""
    if any("--json" in parameter.opts for parameter in command.params):
        yield " ".join(words)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, click.Context(child, context, name), (*words, name))


def run_command(line: str, monkeypatch: pytest.MonkeyPatch, *, plain: bool) -> tuple[int, list[Any], str]:
    """Run a command, with `--json` unless it is plain; return its exit code, its documents and its standard error."""
    line, _, standard_input = line.partition(" < ")
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True), io.StringIO()
    with monkeypatch.context() as patch, redirect_stderr(err):
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{standard_input}\n".encode())))
        code = run([*shlex.split(line), *([] if plain else ["--json"])])
    text = out.buffer.getvalue().decode()
    documents = [] if plain else _documents(text)
    return code, documents, err.getvalue()


def _documents(text: str) -> list[Any]:
    """Return the documents in an output: one in lines of its own, behind plain ones, or one a line."""
    with suppress(msgspec.DecodeError):
        return [msgspec.json.decode(text[max(0, re.search(r"^[\[{]$|\Z", text, re.M).start()) :])]  # type: ignore[union-attr]
    return [msgspec.json.decode(line) for line in text.splitlines()]


def story_record(story: Story, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the commands of a story; return what lasts of what they print, by the command."""
    story.prepare(folder)
    monkeypatch.chdir(folder)
    record: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    for raw in story.lines.strip().splitlines():
        line = raw.strip()
        if line.startswith("@"):
            PREPARE[line[1:]](folder)
            continue
        name, _, rest = line.partition(" = ")
        if not rest or " " in name:
            name, rest = "", line
        command = rest.removeprefix(": ").format(**kept)
        code, documents, err = run_command(command, monkeypatch, plain=rest.startswith(":"))
        if rest.startswith(":"):
            assert code == 0, (command, err)
            continue
        entry: dict[str, Any] = {"exit": code, "documents": documents}
        if code > 1:
            entry["error"] = err.splitlines()[-1:]
        if name:
            kept[name] = documents[0]
        key = rest if rest not in record else f"{rest} (again)"
        record[key] = lasting(entry, folder, figures=story.figures)
        record[key]["exit"] = code
    return record


def written(value: Any, before: str = "") -> str:  # noqa: ANN401 - what JSON holds
    """Return JSON in which whatever fits stands in one line."""
    line = msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    if len(before) + len(line) <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = before + " "
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + written(item, inner) for item in value) + f"\n{before}]"
    lines = [f"{inner}{msgspec.json.encode(key).decode()}: {written(item, inner)}" for key, item in value.items()]
    return "{\n" + ",\n".join(lines) + f"\n{before}}}"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if story.slow else ()) for name, story in STORIES.items()]
)
def test_json_is_as_it_was(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = story_record(STORIES[name], tmp_path, monkeypatch)
    file = GOLDEN / f"{name}.json"
    if os.environ.get("EDGEWRIGHT_WRITE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(written(record) + "\n", encoding="utf-8")
    golden = msgspec.json.decode(file.read_bytes())
    assert list(record) == list(golden)
    for command, entry in golden.items():
        assert record[command] == entry, command


def test_each_command_with_json_has_a_story_or_a_reason() -> None:
    known = set(commands(group, click.Context(group, info_name="edgewright")))
    lines = [
        line.strip().removeprefix(": ").rpartition(" = ")[2]
        for story in STORIES.values()
        for line in story.lines.splitlines()
    ]
    covered = {name for name in known if any(f"{line} ".startswith(f"{name} ") for line in lines)}
    assert known - covered - set(NOT_RUN) == set()
    assert set(NOT_RUN) <= known - covered, "a command with a story needs no reason"
