"""Help, versions and names of commands."""

from __future__ import annotations

import click
import pytest
from click.shell_completion import ShellComplete

from cli_runner import Cli
from edgewright import __version__
from edgewright.cli.main import cli, run
from edgewright.cli.removed import COMMANDS as COMMANDS_REMOVED
from edgewright.cli.removed import OPTIONS as OPTIONS_REMOVED

COMMANDS = cli.list_commands(click.Context(cli))


def commands() -> dict[tuple[str, ...], click.Command]:
    """Every command and every command below it, by its path."""
    commands: dict[tuple[str, ...], click.Command] = {}
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        commands[name,] = command
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                below = command.get_command(context, inner)
                assert below is not None
                commands[name, inner] = below
    return commands


def test_the_commands_of_the_first_fifteen_minutes_are_there() -> None:
    assert {"check", "demo", "init", "predict", "run"} <= set(COMMANDS)


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(
    path: tuple[str, ...], cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Click keeps the help option of a command that another test ran as the root, where it has no -h.
    monkeypatch.setattr(commands()[path], "_help_option", None)
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
    ("arguments", "message"),
    [
        (["activty"], "no command 'activty'. Known: adapt, advise, check, "),
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
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert err.startswith("edgewright: ")
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        (["export", "runs/x", "--to"], "li", ["library"]),
        (["prove", "runs/x", "--device"], "nrf", ["nrf52840"]),
        (["estimate", "runs/x", "--device"], "own.to", ["own.to"]),
        ([], "expo", ["export"]),
    ],
)
def test_a_shell_completes_commands_and_values(words: list[str], begun: str, offered: list[str]) -> None:
    shell = ShellComplete(cli, {}, "edgewright", "_EDGEWRIGHT_COMPLETE")
    assert [one.value for one in shell.get_completions(words, begun)] == offered


@pytest.mark.parametrize("words", COMMANDS_REMOVED)
def test_a_removed_command_names_its_replacement(cli: Cli, words: str) -> None:
    message = cli(*words.split(), "--whatever", code=2)
    assert f"edgewright {words}, which was removed. Use {COMMANDS_REMOVED[words]}" in message
    *group, name = words.split()
    assert not [line for line in cli(*group, "--help").splitlines() if line.startswith(f"  {name} ")]


@pytest.mark.parametrize("words", OPTIONS_REMOVED)
def test_a_removed_option_names_its_replacement(cli: Cli, words: str) -> None:
    for option, replacement in OPTIONS_REMOVED[words].items():
        message = cli(*words.split(), option, "x", code=2)
        assert f"edgewright {words} {option}, which was removed. Use {replacement}" in message
