"""`[[boards]]` of device.toml, read without the rest of it: who hands weights to boards is not who reads rows."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgewright.runtime.boards.places import checked_link
from edgewright.runtime.tables import convert_table
from edgewright.schema.boards import MOST, BoardEntry
from edgewright.schema.errors import InputError


class _Boards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    boards: tuple[BoardEntry, ...] = ()


def read_boards(path: Path | None) -> tuple[BoardEntry, ...]:
    """The boards of a configuration; none without a file.

    Raises:
        UnknownNameError: for a key that is not known.
        InputError: it is no TOML, or a value does not fit.
    """
    if path is None:
        return ()
    try:
        table = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise InputError("a configuration", error.strerror or str(error), str(path)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("TOML", str(error), str(path)) from None
    found = convert_table({"boards": table.get("boards", [])}, _Boards, path.name).boards
    check_boards(found, path.name)
    return found


def check_boards(entries: Sequence[BoardEntry], where: str) -> None:
    """Lines that can be understood, and every board once.

    Raises:
        InputError: not so.
    """
    if len(entries) > MOST:
        raise InputError(f"at most {MOST} boards", str(len(entries)), f"{where} boards")
    for place, entry in enumerate(entries):
        checked_link(entry.link, f"{where} boards[{place}].link")
    for what in ("name", "link"):
        most = Counter(getattr(entry, what) for entry in entries).most_common(1)
        if most and most[0][1] > 1:
            raise InputError(f"a {what} of its own for every board", f"{most[0][0]!r} twice", f"{where} boards")
