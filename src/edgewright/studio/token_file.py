"""Files of a running studio for other programs of the same user: its address and token, mode 600."""

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


class StudioAddress(msgspec.Struct, frozen=True):
    """A running studio.

    Attributes:
        address: without the token.
        token: send it as `Authorization: Bearer TOKEN`.
        folder: of runs.
        process: number of its process.
    """

    address: str
    token: str
    folder: str
    process: int


def token_folder() -> Path:
    """Return the folder of the token files: `~/.local/state/edgewright/studio`, or below $XDG_STATE_HOME."""
    return state_folder() / "studio"


@contextmanager
def token_files(address: str, token: str, folder: Path, port: int) -> Iterator[Path | None]:
    """Provide `PORT.json`, and next to it `PORT.html`, which opens the studio in a browser.

    A browser gets the path of a file: every user of the machine can read the arguments of a process.

    Args:
        address: of the studio, without the token.
        token: the owner's.
        folder: of runs.
        port: of the studio.

    Yields:
        The page that opens the studio; None if the files cannot be written, or others may write to their folder.
    """
    home = token_folder()
    record, page = home / f"{port}.json", home / f"{port}.html"
    described = StudioAddress(address, token, str(folder.resolve()), os.getpid())
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
