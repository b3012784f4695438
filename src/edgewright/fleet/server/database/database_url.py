"""Which database a fleet's folder belongs to: its own SQLite file, or the PostgreSQL that a file there names."""

from __future__ import annotations

from pathlib import Path

from edgewright.core.files import write_atomic
from edgewright.fleet.repository.folder import ADDRESS as NAME
from edgewright.fleet.server.database import postgres
from edgewright.schema.errors import InputError


def address(folder: Path) -> str:
    """The address of a fleet's database; empty for the SQLite file of its folder.

    Raises:
        InputError: the file that names it cannot be read, or names none.
    """
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("the address of a database", str(error), str(path)) from None
    return checked(text, str(path))


def checked(text: str, where: str) -> str:
    """An address as it was given.

    Raises:
        InputError: it is none of PostgreSQL.
    """
    if not postgres.is_address(text):
        raise InputError("postgresql://USER@HOST:PORT/NAME", text.partition(":")[0][:40] or "nothing", where)
    return text


def keep(folder: Path, text: str) -> None:
    """From now on the folder's database is this one. The file may hold a password: its owner alone reads it."""
    path = folder / NAME
    path.touch(mode=0o600)
    path.chmod(0o600)
    write_atomic(path, text.encode() + b"\n")
    path.chmod(0o600)
