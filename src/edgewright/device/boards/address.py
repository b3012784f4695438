"""Where the line to a board is, as people write it."""

from __future__ import annotations

import re

from edgewright.schema.errors import InputError

BAUD = 115200
_FORMS = "serial:PORT, serial:PORT@BAUD or tcp:HOST:PORT"


def checked_link(link: str, where: str) -> tuple[str, str, int]:
    """Kind, port or host, and baud rate or TCP port.

    Raises:
        InputError: not of a form that is known.
    """
    if found := re.fullmatch(r"tcp:(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+):(\d{1,5})", link):
        return "tcp", found[1].strip("[]"), int(found[2])
    if found := re.fullmatch(r"serial:([^@\s]+)(?:@(\d{2,8}))?", link):
        return "serial", found[1], int(found[2] or BAUD)
    raise InputError(f"a line as {_FORMS}", repr(link), where)
