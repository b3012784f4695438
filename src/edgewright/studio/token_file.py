"""Files of a running local server for other programs of the same user: its address and token, mode 600."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path

import msgspec

from edgewright.core.files import PRIVATE, is_own, private_folder, state_folder, write_atomic
from edgewright.schema.errors import EdgewrightError

_REDIRECT = """<!doctype html><html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={address}"><title>Edgewright</title></head></html>
"""


class ServerAddress(msgspec.Struct, frozen=True):
    """A running studio or chat server.

    Attributes:
        address: without the token.
        token: send it as `Authorization: Bearer TOKEN`.
        folder: of the studio's runs; the working directory of a chat server.
        process: number of its process.
    """

    address: str
    token: str
    folder: str
    process: int


def token_folder(service: str = "studio") -> Path:
    """Return the folder of the token files: `~/.local/state/edgewright/SERVICE`, or below $XDG_STATE_HOME."""
    return state_folder() / service


@contextmanager
def token_files(address: str, token: str, folder: Path, port: int, service: str = "studio") -> Iterator[Path | None]:
    """Provide `PORT.json`, and next to it `PORT.html`, which opens the server's page in a browser.

    A browser gets the path of a file: every user of the machine can read the arguments of a process.

    Args:
        address: of the server, without the token.
        token: the owner's.
        folder: of the studio's runs, or the working directory.
        port: of the server.
        service: `studio` or `serve`.

    Yields:
        The page that opens the server's; None if the files cannot be written, or others may write to their folder.
    """
    home = token_folder(service)
    record, page = home / f"{port}.json", home / f"{port}.html"
    described = ServerAddress(address, token, str(folder.resolve()), os.getpid())
    opening: Path | None = page
    try:
        private_folder(home)
        if not is_own(home):
            opening = None
        else:
            content = _REDIRECT.format(address=escape(f"{address}?token={token}")).encode()
            write_atomic(page, content, PRIVATE)
            write_atomic(record, msgspec.json.encode(described), PRIVATE)
    except (OSError, EdgewrightError):
        opening = None
    try:
        yield opening
    finally:
        for path in (record, page) if opening else ():
            with suppress(OSError):
                path.unlink()
