"""Options of commands that ask the control plane: the fleet's own folder, or a server and a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import Desk

_FILE = click.Path(path_type=Path)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def desk_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --fleet, --url, --token-file and --ca-file; the command gets them as one argument `asked`."""

    @wraps(function)
    def with_desk(
        *args: object, fleet: Path, url: str, token_file: Path | None, ca_file: Path | None, **more: object
    ) -> object:
        return function(*args, asked=lambda: desk(fleet, url, token_file, ca_file), **more)

    for option in (
        click.option("--ca-file", type=_FILE, help="Certificates to trust, for --url."),
        click.option("--token-file", type=_FILE, help="File with an operator's token, for --url."),
        click.option("--url", default="", help="Address of a control plane elsewhere."),
        click.option(
            "--fleet",
            type=click.Path(path_type=Path),
            default=Path(),
            show_default="this folder",
            help="Folder of the fleet.",
        ),
    ):
        with_desk = option(with_desk)
    return with_desk


@contextmanager
def desk(fleet: Path, url: str, token_file: Path | None, ca_file: Path | None) -> Iterator[Desk]:
    """The desk that the options name.

    Raises:
        InputError: an address without a token, or no fleet there.
    """
    from edgewright.fleet.server.api.client import local_desk, remote_desk

    if not url:
        with local_desk(fleet) as found:
            yield found
        return
    if token_file is None:
        raise InputError(
            "--token-file with --url", "none", do="An administrator makes one: edgewright fleet operator add"
        )
    try:
        token = token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("a file with a token", str(error), str(token_file)) from None
    with remote_desk(url, token, str(ca_file or "")) as found:
        yield found


def seconds(text: str, where: str) -> float:
    """Seconds in '90s', '15m', '12h' or '7d'.

    Raises:
        InputError: something else.
    """
    try:
        value = float(text[:-1]) * _UNITS[text[-1:]]
    except (ValueError, KeyError):
        value = 0.0
    if not 0.0 < value < 1e9:
        raise InputError("a time such as 90s, 15m, 12h or 7d", repr(text), where)
    return value


def print_json(value: object) -> None:
    """One line of JSON."""
    click.echo(msgspec.json.encode(value).decode())


def when(moment: float | None) -> str:
    """A time for people, in UTC; '-' for none."""
    import datetime

    if moment is None:
        return "-"
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")


def part(text: str) -> str:
    """A name as one part of a path."""
    from urllib.parse import quote

    return quote(text, safe="") or "-"
