"""Options that several commands share, and how they are read."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from edgewright.cli.command import option, own_language_model, own_model
from edgewright.cli.interrupt import loading
from edgewright.core.errors import (
    EnrollmentTokenMissingError,
    ExistingFileError,
    FolderMissingError,
    InputError,
    OptionFormatError,
    OptionsConflictError,
)
from edgewright.core.formatting import parse_duration

if TYPE_CHECKING:
    from edgewright.core.records.data import Floats
    from edgewright.core.records.package import Manifest
    from edgewright.nlp.utterance.parse import Understands


FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
VERBOSE = "Print every part of the trace as it comes, instead of forty lines at the end."


@dataclass(frozen=True, kw_only=True)
class RowOptions:
    """Options about rows of any source."""

    kind: str = option(help="Kind of source or public set; detected from the path by default.")
    group: str = option(help="Column with the person or machine of a row; splits and folds keep each one whole.")
    session: str = option(help="Column with the session of a row.")
    time: str = option(help="Column with the time of a row.")
    ignore: tuple[str, ...] = option(metavar="COLUMN", help="Column that is not a measurement; may be repeated.")


@dataclass(frozen=True, kw_only=True)
class Columns(RowOptions):
    """Options of commands that read rows with labels."""

    target: str = option(help="Column to predict.")
    time_unit: str = option(
        metavar="UNIT",
        help="Unit of a time in numbers: s, ms, us, ns, min, h, y, or d for days; dmy or mdy for dates with the day "
        "or the month first.",
    )
    skip_bad_rows: bool = option(help="Leave out rows and files that cannot be read; more than 5 % are an error.")

    def table(self) -> dict[str, object]:
        """Return the columns and the kind that were named, as a pipeline's `[data]` has them."""
        named = {one.name: getattr(self, one.name) for one in fields(Columns)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in named.items() if value}


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
        raise OptionFormatError("lengths separated by commas, such as 100,3", repr(text), "--shape")
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
            raise OptionFormatError("KEY=VALUE", repr(text), "--set")
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
        raise ExistingFileError("a file", "a folder", str(out))
    if out.exists() and not force:
        raise ExistingFileError("a new file", "one that exists", str(out), "Choose another, or replace it with --force")
    if not out.parent.is_dir():
        raise FolderMissingError("a folder to write into", "none", str(out.parent), "Make it first")


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


def seconds_of(text: str, where: str, *, zero: bool = False) -> float:
    """Return the seconds of '90', '30min', '12h', '1d' or '1w'; 0 only if `zero` allows it.

    Raises:
        InputError: anything else.
    """
    seconds = parse_duration(text)
    if seconds is None or not (seconds > 0 or zero):
        raise OptionFormatError("a length of time such as 30min, 12h or 1d", repr(text), where)
    return seconds


T = TypeVar("T")


def ask(question: str, default: str, read: Callable[[str], T]) -> T:
    """Return the answer to a question; what is wrong is said and asked again.

    An empty line, and the end of what is piped in, take the default. The questions go to stderr.

    Args:
        question: in a line.
        default: as a person would write it.
        read: turns text into the answer; raises `InputError` for what is wrong.
    """
    while True:
        click.echo(f"{question} [{default or 'none'}]: ", err=True, nl=False)
        line = sys.stdin.readline()
        if not line:
            click.echo("", err=True)
            return read(default)
        try:
            return read(line.strip() or default)
        except InputError as error:
            click.echo(f"  {error}", err=True)


def enrollment_token(token: str, file: str) -> str:
    """Return the token.

    Args:
        token: of `--token` or EDGEWRIGHT_TOKEN; empty where neither was given.
        file: of `--token-file`, whose first line is the token; '-' is standard input.

    Raises:
        InputError: both are given, or the file cannot be read or is empty.
    """
    if not file:
        return token
    if token:
        raise EnrollmentTokenMissingError(
            "one token", "two", "--token (or EDGEWRIGHT_TOKEN) and --token-file", "Leave one of them out"
        )
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise EnrollmentTokenMissingError("a file with an enrolment token", str(error), file) from None
    line = text.partition("\n")[0].strip()
    if not line:
        where = "standard input" if file == "-" else file
        raise EnrollmentTokenMissingError(
            "an enrolment token in the first line", "nothing", where, "Make one: edgewright fleet token new"
        )
    return line


def labelled_examples(path: Path, manifest: Manifest, label_column: str) -> dict[str, Floats]:
    """Return samples of a package by label.

    Args:
        path: a CSV file or folder per label, or one file with `label_column`; for pictures, a folder or ZIP with a
            folder for each label.
        manifest: of the package.
        label_column: column with the labels; empty where the files carry them.

    Raises:
        InputError: nothing that can be read so.
    """
    if len(manifest.shape) == 3:
        from edgewright.data.picture_samples import read_picture_examples

        return read_picture_examples(path, manifest)
    from edgewright.core.neighbours import read_examples

    return read_examples(path, manifest, label_column)


def open_parser(model: Path, by: str | None, encoder: Path | None = None) -> AbstractContextManager[Understands]:
    """Return what parses: a trained model, or a language model that is served meanwhile.

    Args:
        model: file of `language train`; of utterances for a language model.
        by: name or file of the language model, if one parses.
        encoder: of a model that was trained with --for gateway.

    Raises:
        InputError: a file that cannot be read, or `by` and `encoder`.
    """
    if by is not None:
        if encoder is not None:
            raise OptionsConflictError("--by or --encoder", "both", "--by")
        language_model = own_language_model(by, "--by")
        with loading():
            from edgewright.language.language_models.intents import language_model_parser
            from edgewright.language.utterances import read
        return language_model_parser(language_model, read(model), str(model))
    from edgewright.nlp.utterance.parse import Understanding, read_language

    embedding = None
    spec, arrays = read_language(model)
    encoder = own_model("text", encoder, name=spec.head.encoder if spec.head else "")
    if encoder is not None:
        from edgewright.language.embedding import load

        embedding = load(encoder)
    return nullcontext(Understanding(spec, arrays, str(model), embedding))
