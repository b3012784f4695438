"""Options that several commands share, and how they are read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import option
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.schema.config import WindowConfig

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
VERBOSE = "Print every part of the trace as it comes, instead of forty lines at the end."


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Options of commands that read rows with labels."""

    target: str = option(help="Column to predict.")
    group: str = option(help="Column with the person or machine of a row; splits and folds keep each one whole.")
    session: str = option(help="Column with the session of a row.")
    time: str = option(help="Column with the time of a row.")
    time_unit: str = option(
        metavar="UNIT",
        help="Unit of a time in numbers: s, ms, us, ns, min, h, or d for days; dmy or mdy for dates with the day "
        "or the month first.",
    )
    ignore: tuple[str, ...] = option(metavar="COLUMN", help="Column that is not a measurement; may be repeated.")
    kind: str = option(help="Kind of source or public set; detected from the path by default.")

    def table(self) -> dict[str, object]:
        """Return the columns and the kind that were named, as a pipeline's `[data]` has them."""
        named = {one.name: getattr(self, one.name) for one in fields(Columns)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in named.items() if value}


@dataclass(frozen=True, kw_only=True)
class ProblemOptions(Columns):
    """Options of commands that cross-validate models on data or on the data of a pipeline."""

    path: str | None = option("--data", metavar="PATH", help="Data of the pipeline that DATA names.")
    window: int | None = option(type=click.IntRange(min=2), help="Rows in a window; without it, single rows are used.")
    step: int | None = option(
        type=click.IntRange(min=1), help="Rows between the starts of windows; half a window by default."
    )
    window_target: str = option(
        type=click.Choice(["last", "mean", "first", "max"]),
        default="last",
        help="Which row's value is the target of a window; a class is the label of the whole window.",
    )
    by: str = option(
        type=click.Choice(["auto", "row", "block"]),
        default="auto",
        help="What folds keep whole; 'row' means that rows are independent of each other.",
    )
    metric: str = option(help="accuracy, balanced-accuracy, macro-f1, average-precision, mae, rmse.")
    seed: int = option(type=click.IntRange(min=0), default=0, help="Random seed.")

    def windows(self, command: str) -> WindowConfig | None:
        """Return the windows that the options ask for; None for rows.

        Raises:
            InputError: a step without a window.
        """
        from edgewright.schema.config import WindowConfig

        if self.step and not self.window:
            raise InputError("--window with --step", "none", command)
        if not self.window:
            return None
        return WindowConfig(samples=self.window, step=self.step, target=self.window_target)  # type: ignore[arg-type]


def listed(text: str) -> tuple[str, ...]:
    """Return the names in 'A, B'."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def sample_shape(text: str | None) -> tuple[int, ...] | None:
    """Return the lengths of a sample that `--shape` has; None where it is left out.

    Raises:
        InputError: anything but lengths.
    """
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 0 < int(part) < 1 << 24 for part in parts):
        raise InputError("lengths separated by commas, such as 100,3", repr(text), "--shape")
    return tuple(int(part) for part in parts)


def settings_of(given: Sequence[str]) -> dict[str, object]:
    """Return settings from `KEY=VALUE`; values as JSON has them, else text.

    Raises:
        InputError: one without a '='.
    """
    table: dict[str, object] = {}
    for text in given:
        key, mark, value = text.partition("=")
        if not mark or not key:
            raise InputError("KEY=VALUE", repr(text), "--set")
        try:
            table[key.strip()] = msgspec.json.decode(value.encode())
        except msgspec.DecodeError:
            table[key.strip()] = value
    return table


def refuse_existing(out: Path, force: bool) -> None:
    """Refuse to replace a file, or to write into a folder that is not there.

    Raises:
        InputError: naming it.
    """
    if out.is_dir():
        raise InputError("a file", "a folder", str(out))
    if out.exists() and not force:
        raise InputError("a new file", "one that exists", str(out), "Choose another, or replace it with --force")
    if not out.parent.is_dir():
        raise InputError("a folder to write into", "none", str(out.parent), "Make it first")


def command_line(**changes: object) -> str:
    """Write the running command with the options that differ from their defaults, ready to be typed.

    Args:
        changes: parameters of the command by name, and what they are to be instead; None leaves one out.
    """
    context = click.get_current_context()
    values = {**context.params, **changes}
    words: list[str] = []
    for parameter in context.command.params:
        value = values.get(parameter.name or "")
        given = list(value) if isinstance(value, list | tuple) else [value]
        given = [str(one) if isinstance(one, Path) else one for one in given if one is not None and one != ""]
        if isinstance(parameter, click.Argument):
            words += map(str, given)
        elif value == parameter.get_default(context):
            continue
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            words += [parameter.opts[0]] if value else []
        else:
            words += [word for one in given for word in (parameter.opts[0], str(one))]
    return f"{context.command_path} {shlex.join(words)}".rstrip()
