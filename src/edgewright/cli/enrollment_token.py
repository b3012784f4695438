"""An enrolment token from an option, a file or standard input: others see the arguments of a command in `ps`."""

from __future__ import annotations

import sys
from pathlib import Path

from edgewright.schema.errors import InputError


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
        raise InputError("one token", "two", "--token (or EDGEWRIGHT_TOKEN) and --token-file", "Leave one of them out")
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("a file with an enrolment token", str(error), file) from None
    line = text.partition("\n")[0].strip()
    if not line:
        where = "standard input" if file == "-" else file
        raise InputError(
            "an enrolment token in the first line", "nothing", where, "Make one: edgewright fleet token new"
        )
    return line
