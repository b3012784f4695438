"""The help of a group parses the files of its commands and imports none of them."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from edgewright.cli.main import cli

SCRIPT = """
import sys
from edgewright.cli.main import run
run(sys.argv[1:])
print(sum(name.startswith("edgewright") for name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("words", [["--help"], ["language", "--help"]])
def test_help_loads_at_most_40_modules(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stderr.split()[-1]) <= 40


def test_help_of_each_command_is_that_of_the_imported_command() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        parsed, command = cli._help_of(context, name), cli.get_command(context, name)
        assert command is not None
        assert parsed.split() == (command.help or "").split()
