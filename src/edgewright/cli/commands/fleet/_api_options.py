"""Options of commands that ask the control plane: the fleet's own folder, or a server and a token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from edgewright.cli.command import option
from edgewright.core.errors import ApiTokenMissingError, OptionFormatError
from edgewright.core.formatting import parse_duration

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ApiOptions:
    """The control plane that --fleet, --url, --token-file and --ca-file name."""

    fleet: Path = option(default=Path(), show_default="this folder", help="Folder of the fleet.")
    url: str = option(help="Address of a remote control plane.")
    token_file: Path | None = option(help="File with an operator's token, for --url.")
    ca_file: Path | None = option(help="CA certificates to trust, for --url.")

    @contextmanager
    def connect(self) -> Iterator[ApiClient]:
        """Connect to the control plane.

        Raises:
            InputError: an address without a token, or no fleet there.
        """
        from edgewright.fleet.server.api.client import local_client, remote_client

        if not self.url:
            notes: list[str] = []
            with local_client(self.fleet, notes.append) as client:
                yield client
            for note in notes:  # an error says enough
                click.echo(note, err=True)
            return
        if self.token_file is None:
            raise ApiTokenMissingError(
                "--token-file with --url", "none", do="An administrator creates one with: edgewright fleet operator add"
            )
        try:
            token = self.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ApiTokenMissingError("a file with a token", str(error), str(self.token_file)) from None
        with remote_client(self.url, token, str(self.ca_file or "")) as client:
            yield client

    def ask(self, kind: type[T], method: str, path: str, body: object = None) -> T:
        """Send one request over a connection of its own, as `api.client` does."""
        with self.connect() as api:
            return api.ask(kind, method, path, body)


def seconds(text: str, where: str) -> float:
    """Return seconds in '90s', '15m', '12h' or '7d'.

    Raises:
        InputError: something else.
    """
    value = parse_duration(text)
    if value is None or not 0.0 < value < 1e9:
        raise OptionFormatError("a time such as 90s, 15m, 12h or 7d", repr(text), where)
    return value


def part(text: str) -> str:
    """Return a name as one part of a path."""
    from urllib.parse import quote

    return quote(text, safe="") or "-"
