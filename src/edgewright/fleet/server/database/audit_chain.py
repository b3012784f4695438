"""The audit log: rows that are only ever added, each with the hash of the one before."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.server.database import postgres
from edgewright.fleet.server.database.tables import audit

START = "0" * 64
"""What the first row has in place of the hash before it."""
_LAST = sa.select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
_ADD = sa.insert(audit)


def digest(row: dict[str, Any]) -> str:
    """SHA-256 over the hash before and the row's own content, as JSON with sorted names."""
    content = {name: row[name] for name in ("before", "number", "at", "who", "what", "subject", "detail")}
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def append(
    connection: sa.Connection, *, at: float, who: str, what: str, subject: str = "",
    detail: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Add a row; to be called in the transaction that it tells of.

    Args:
        connection: inside a transaction that may write.
        at: seconds since 1970.
        who: operator's name, or 'scheduler' and the like.
        what: act, such as 'token.made'.
        subject: what it was done to.
        detail: more, without secrets.
    """
    if connection.dialect.name == "postgresql":
        postgres.lock(connection, postgres.CHAIN)
    last = connection.execute(_LAST).one_or_none()
    number, before = (last.number + 1, last.hash) if last else (1, START)
    text = msgspec.json.encode(detail or {}, order="deterministic").decode()
    row: dict[str, Any] = {
        "number": number, "at": float(at), "who": who[:64], "what": what[:64], "subject": subject[:200],
        "detail": text, "before": before,
    }  # fmt: skip
    connection.execute(_ADD, {**row, "hash": digest(row)})


def verify(connection: sa.Connection) -> tuple[int, str, str]:
    """Read the whole chain.

    Returns:
        How many rows hold from the first, the hash of the last of them, and what is wrong with the next (empty where
        nothing is). A chain that was cut off at its end is found only by one who noted an earlier hash.
    """
    before, count = START, 0
    for found in connection.execute(sa.select(audit).order_by(audit.c.number)):
        row = dict(found._mapping)
        if row["number"] != count + 1:
            return count, before, f"row {count + 1} is missing"
        if row["before"] != before:
            return count, before, f"row {row['number']} does not follow the previous row"
        if digest(row) != row["hash"]:
            return count, before, f"row {row['number']} was changed"
        before, count = row["hash"], count + 1
    return count, before, ""
