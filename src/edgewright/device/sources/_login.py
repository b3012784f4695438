"""Passwords in files."""

from __future__ import annotations

from pathlib import Path

from edgewright.schema.errors import InputError


def first_line(path: str) -> str:
    """Return the first line of a file, such as a password.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("a file with a password", str(error), path) from None
