"""One result, two views: text and JSON of what a command returns."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from edgewright.cli.command import Aside, Result, Stream, argument, declare, option
from edgewright.cli.text import describe, wrote
from edgewright.core.errors import CHECK_SAID_NO, CheckFailedError


class Part(msgspec.Struct, frozen=True):
    """A part of a machine."""

    name: str
    size_bytes: int
    latency_us: float | None = None


class Machine(msgspec.Struct, frozen=True):
    """A structure with every kind of field."""

    name: str
    live: bool
    rows: int
    age_seconds: float
    since: float
    tags: tuple[str, ...]
    parts: tuple[Part, ...]
    counts: dict[str, int]


MACHINE = Machine(
    name="pump\x1b[2J", live=True, rows=12_345, age_seconds=7_200.0, since=1.7e9, tags=("a", "b"),
    parts=(Part("cell", 2_500, 1_310.0), Part("coil", 12)), counts={"ok": 3, "odd": 0},
)  # fmt: skip


def run(command: click.Command, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(command, [*words], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.return_value or 0, done.stdout, done.stderr


def test_any_structure_is_lines_with_units_and_a_list_is_a_table() -> None:
    assert list(describe(MACHINE)) == [
        "name   pump�[2J",
        "live   yes",
        "rows   12,345",
        "age    2 h",
        "since  2023-11-14 22:13:20",
        "tags   a, b",
        "parts",
        "  name    size  latency",
        "  cell  2.5 kB  1.31 ms",
        "  coil    12 B        -",
        "counts",
        "  ok   3",
        "  odd  0",
    ]


def test_a_value_is_json_or_text() -> None:
    @declare(name="show", view=lambda part: [f"{part.name}!"])
    def command(name: str = argument()) -> Part:
        return Part(name, 3)

    assert run(command, "cell") == (0, "cell!\n", "")
    code, out, _ = run(command, "cell", "--json")
    assert (code, msgspec.json.decode(out, type=Part)) == (0, Part("cell", 3))
    assert out.startswith('{\n "name"')


def test_a_result_carries_text_asides_and_an_exit_code() -> None:
    @declare(name="show")
    def command(compact: bool = option()) -> Result:
        return Result({"a": 1}, ["one line", Aside("beside")], code=CHECK_SAID_NO, compact=compact)

    assert run(command) == (CHECK_SAID_NO, "one line\n", "beside\n")
    assert run(command, "--json") == (CHECK_SAID_NO, '{\n "a": 1\n}\n', "")
    assert run(command, "--json", "--compact") == (CHECK_SAID_NO, '{"a":1}\n', "")


def test_a_failure_is_raised_when_all_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    @declare(name="show")
    def command() -> Result:
        return Result({"a": 1}, ["printed"], failure=CheckFailedError("it does not fit"))

    with pytest.raises(CheckFailedError, match="it does not fit"):
        command.main([], standalone_mode=False)
    assert capsys.readouterr().out == "printed\n"


def test_text_is_not_made_where_json_is_printed() -> None:
    @declare(name="show")
    def command() -> Result:
        return Result([1], (str(1 / zero) for zero in [0]))

    assert run(command, "--json")[1] == "[\n 1\n]\n"
    with pytest.raises(ZeroDivisionError):
        run(command)


def test_a_stream_is_printed_as_it_comes_and_closed() -> None:
    happened: list[str] = []

    @declare(name="watch", view=lambda value: [f"value {value['n']}"])
    def command() -> Stream:
        try:
            yield Result(text=["head"])
            yield {"n": 1}
            happened.append("second")
            yield Result({"n": 2}, ["two"])
            return CHECK_SAID_NO
        finally:
            happened.append("closed")

    assert run(command) == (CHECK_SAID_NO, "head\nvalue 1\ntwo\n", "")
    assert run(command, "--json") == (CHECK_SAID_NO, '{"n":1}\n{\n "n": 2\n}\n', "")
    assert happened == ["second", "closed"] * 2


def test_a_command_without_a_value_has_no_json() -> None:
    @declare(name="serve")
    def command(out: Path | None = option()) -> None:
        click.echo(wrote("a.csv", "b.csv", str(out)))

    assert run(command, "--out", "c") == (0, "wrote a.csv, b.csv and c\n", "")
    with pytest.raises(click.NoSuchOption):
        command.main(["--json"], standalone_mode=False)


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_failure_that_a_stream_yields_is_raised_and_a_result_without_a_value_prints_nothing(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    @declare(name="go", json="Print JSON.")
    def command() -> Stream:
        """Go."""
        yield Result(1, "one")
        yield Result()
        yield Result(failure=CheckFailedError("refused"))
        return 0

    with pytest.raises(CheckFailedError, match="refused"):
        command.main(arguments, standalone_mode=False)
    assert capsys.readouterr().out.split() == (["1"] if arguments else ["one"])
