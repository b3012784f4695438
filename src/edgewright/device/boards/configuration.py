"""`[[boards]]` of device.toml, read without the rest of it: who hands weights to boards is not who reads rows."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgewright.core.errors import BoardError
from edgewright.core.records.fleet import MAX_BOARDS, BoardEntry
from edgewright.core.toml_tables import convert_table, read_toml

BAUD = 115200
_FORMS = "serial:PORT, serial:PORT@BAUD or tcp:HOST:PORT"


def checked_link(link: str, where: str) -> tuple[str, str, int]:
    """Kind, port or host, and baud rate or TCP port.

    Raises:
        InputError: not of a form that is known.
    """
    if parts := re.fullmatch(r"tcp:(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+):(\d{1,5})", link):
        return "tcp", parts[1].strip("[]"), int(parts[2])
    if parts := re.fullmatch(r"serial:([^@\s]+)(?:@(\d{2,8}))?", link):
        return "serial", parts[1], int(parts[2] or BAUD)
    raise BoardError(f"a line as {_FORMS}", repr(link), where)


class _Boards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    boards: tuple[BoardEntry, ...] = ()


def read_boards(path: Path | None, source: str = "") -> tuple[BoardEntry, ...]:
    """Return the boards of a configuration; none without a file.

    Args:
        path: path of the configuration; None for none.
        source: of the command line, which comes before the configuration's; empty for none.

    Raises:
        UnknownNameError: for a key that is not known.
        InputError: it is no TOML, a value does not fit, or the rows come over the line of a board.
    """
    if path is None:
        return ()
    table = read_toml(path, "a configuration")
    boards = convert_table({"boards": table.get("boards", [])}, _Boards, path.name).boards
    check_boards(boards, path.name)
    rows = source.removeprefix("serial:").partition("?")[0].partition("@")[0] if source.startswith("serial:") else ""
    record = table.get("source", {})
    if not source and isinstance(record, dict) and record.get("kind") == "serial":
        rows = str(record.get("port", ""))
    check_apart(boards, rows, path.name)
    return boards


def check_apart(entries: Sequence[BoardEntry], rows: str, where: str) -> None:
    """Refuse a serial port that both a source and a board use: a source would swallow the board's answers.

    Args:
        entries: boards.
        rows: serial port from which rows come; empty where they come from elsewhere.
        where: for messages.

    Raises:
        InputError: rows come over the line of a board.
    """
    for index, entry in enumerate(entries):
        kind, port, _ = checked_link(entry.link, f"{where} boards[{index}].link")
        if rows and kind == "serial" and os.path.realpath(port) == os.path.realpath(rows):
            raise BoardError(
                f"a line for the board {entry.name!r} over which no rows come", f"{port}, the port of the source",
                f"{where} boards[{index}].link",
                "Give rows a line of their own, such as a second UART or the second port of a USB device; or leave "
                "[[boards]] out and bring weights by hand while `device run` is stopped: `device board update`",
            )  # fmt: skip


def check_boards(entries: Sequence[BoardEntry], where: str) -> None:
    """Lines that can be understood, and every board once.

    Raises:
        InputError: not so.
    """
    if len(entries) > MAX_BOARDS:
        raise BoardError(f"at most {MAX_BOARDS} boards", str(len(entries)), f"{where} boards")
    for index, entry in enumerate(entries):
        checked_link(entry.link, f"{where} boards[{index}].link")
    for key in ("name", "link"):
        largest = Counter(getattr(entry, key) for entry in entries).most_common(1)
        if largest and largest[0][1] > 1:
            raise BoardError(f"a {key} of its own for every board", f"{largest[0][0]!r} twice", f"{where} boards")
