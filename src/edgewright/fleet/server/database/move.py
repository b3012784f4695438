"""A fleet moves from the SQLite file of its folder to PostgreSQL: all of it, and from then on."""

from __future__ import annotations

from pathlib import Path

from edgewright.fleet.server.database import copy, database_url, postgres, sqlite
from edgewright.fleet.server.database.engine import open_address
from edgewright.fleet.server.server_registry import alone
from edgewright.schema.errors import InputError


def move(folder: Path, address: str) -> dict[str, int]:
    """Copies everything there and keeps the address; the SQLite file stays under another name. Rows by table.

    Args:
        folder: of the fleet; no server may run.
        address: of an empty database of PostgreSQL.

    Raises:
        InputError: the fleet has another database already, that one is not empty, or a server runs.
        OutputError: it cannot be reached, or the copy failed; the fleet stays where it was.
    """
    database_url.checked(address, "--database")
    held = database_url.address(folder)
    if held:
        raise InputError(
            "a fleet whose database is its SQLite file", f"one at {postgres.shown(held)}", str(folder),
            "Copy it with fleet backup, and restore that where it should be",
        )  # fmt: skip
    with alone(folder):
        file = folder / sqlite.NAME
        counts: dict[str, int] = {}
        if file.is_file():
            counts = copy.fill(address, file)
        else:
            open_address(address).close()
        database_url.keep(folder, address)
        if file.is_file():
            file.rename(file.with_suffix(".moved.sqlite"))
    return counts
