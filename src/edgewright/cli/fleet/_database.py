"""What a database says when it cannot be used, as one line for people."""

from __future__ import annotations

import sys
from typing import Any

from edgewright.schema.errors import InputError, OutputError

_DAMAGED = ("file is not a database", "malformed")
_LOCKED = ("database is locked", "database table is locked")


def of_database(error: Exception) -> InputError | OutputError | None:
    """Return the error of a database in words; None where it is another's.

    Args:
        error: any. SQLAlchemy is not loaded for this: where it is not there, no database was asked.
    """
    known: Any = sys.modules.get("sqlalchemy.exc")
    if known is None or not isinstance(error, known.DBAPIError):
        return None
    text = " ".join(str(error.orig).split())[:300]
    if any(one in text for one in _DAMAGED):
        do = "Move the file away and take a backup: edgewright fleet restore --backup FILE"
        return InputError("the fleet's database", text, "fleet.sqlite", do)
    if any(one in text for one in _LOCKED):
        do = "Another program keeps it: end that one, or ask again later"
    elif "sqlite" in type(error.orig).__module__:
        do = "Look at the folder's disk, and who may write there"
    else:
        do = "Look whether PostgreSQL runs, and at the address, user and password in database.url"
    return OutputError("a database that answers", text, "the fleet's database", do)
