"""Help, versions and names of commands."""

from __future__ import annotations

import click
import pytest

from cli_runner import Cli
from edgewright import __version__
from edgewright.cli.main import cli, run

COMMANDS = cli.list_commands(click.Context(cli))


def paths() -> list[tuple[str, ...]]:
    """Every command and every command below it."""
    found: list[tuple[str, ...]] = []
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.list_commands(context)]
    return found


def test_the_commands_of_the_first_fifteen_minutes_are_there() -> None:
    assert {"check", "data", "demo", "predict", "run"} <= set(COMMANDS)


@pytest.mark.parametrize("path", paths(), ids=" ".join)
def test_every_command_has_help_with_an_example(
    path: tuple[str, ...], cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"Usage: edgewright {' '.join(path)}" in out
    assert f"Example: edgewright {path[0]}" in out
    assert cli(*path, "-h") == out


def test_help_lists_every_command_with_a_sentence(cli: Cli) -> None:
    out = cli("--help")
    for name in COMMANDS:
        (line,) = [line for line in out.splitlines() if line.startswith(f"  {name} ")]
        assert len(line.split()) > 4
    assert "Start with: edgewright demo" in out


def test_version_and_nothing(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("--version") == f"edgewright {__version__}\n"
    assert run([]) == 2
    assert "Usage: edgewright" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["activty"], "no command 'activty'. Known: advise, check, "),
        (["chek", "x"], "Did you mean 'check'?"),
        (["run"], "Missing argument 'PIPELINE'. Try: edgewright run --help"),
        (["run", "activity", "--seed", "3"], "No such option"),
        (["run", "activity", "--set"], "Option '--set' requires an argument"),
        (["predict"], "Missing argument"),
        (["check", "x.csv", "--window", "-1"], "-1 is not in the range"),
        (["check", "x.csv", "--seed", "a"], "'a' is not a valid integer"),
        (["demo", "more"], "unexpected extra argument"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert told in err
    assert err.startswith("edgewright: ")
    assert err.count("\n") == 1
    assert out == ""
