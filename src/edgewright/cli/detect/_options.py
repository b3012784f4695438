"""What the commands share: settings as KEY=VALUE, and files that are not overwritten unasked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgewright.schema.errors import InputError


def settings_of(given: Sequence[str]) -> dict[str, object]:
    """Settings from `KEY=VALUE`; values as JSON has them, else text.

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


def check_out(path: Path, force: bool) -> None:
    """Refuses a file that is there, or a folder that is not.

    Raises:
        InputError: naming it.
    """
    if path.exists() and not force:
        raise InputError("a new file", "one that exists", str(path), "Name another, or replace it with --force")
    if not path.parent.is_dir():
        raise InputError("a folder to write into", "none", str(path.parent), "Make it first")


def refractory_of(text: str) -> float:
    """Rows after an alarm without another: '150', or '5%' of the rows seen as a share below 1.

    Raises:
        InputError: anything else.
    """
    share = text.strip().endswith("%")
    try:
        value = float(text.strip().removesuffix("%")) / (100 if share else 1)
    except ValueError:
        value = math.nan
    if not (0.001 <= value < 1 if share else 0 <= value <= 1 << 31 and value.is_integer()):
        raise InputError("a number of rows, or 0.1% to 99.9% of the rows seen", repr(text), "--refractory")
    return value
