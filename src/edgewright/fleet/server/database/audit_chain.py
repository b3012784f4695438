"""The audit log: append-only rows, each with the hash of the previous one."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.server.database import postgres
from edgewright.fleet.server.database.tables import audit

START = "0" * 64
"""The first row's value for the hash of the previous row."""
_LAST = sa.select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
_ADD = sa.insert(audit)


def digest(row: dict[str, Any]) -> str:
    """Return the SHA-256 of the previous hash and the row's content, as JSON with sorted keys."""
    content = {name: row[name] for name in ("before", "number", "at", "who", "what", "subject", "detail")}
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def append(
    connection: sa.Connection, *, at: float, who: str, action: str, subject: str = "",
    detail: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Add a row; call it in the transaction of the logged action.

    Args:
        connection: connection in a write transaction.
        at: seconds since 1970.
        who: name of the operator, or a part of the server such as 'scheduler'.
        action: the action, such as 'token.made'.
        subject: object of the action.
        detail: more information, without secrets.
    """
    if connection.dialect.name == "postgresql":
        postgres.lock(connection, postgres.CHAIN)
    last = connection.execute(_LAST).one_or_none()
    number, before = (last.number + 1, last.hash) if last else (1, START)
    text = msgspec.json.encode(detail or {}, order="deterministic").decode()
    row: dict[str, Any] = {
        "number": number, "at": float(at), "who": who[:64], "what": action[:64], "subject": subject[:200],
        "detail": text, "before": before,
    }  # fmt: skip
    connection.execute(_ADD, {**row, "hash": digest(row)})


def verify(connection: sa.Connection) -> tuple[int, str, str]:
    """Verify the whole chain.

    Returns:
        The number of valid rows from the first, the hash of the last of them, and the problem of the next row (empty
        for none). Rows missing at the end can be detected only with a hash that was noted earlier.
    """
    before, count = START, 0
    for audit_row in connection.execute(sa.select(audit).order_by(audit.c.number)):
        row = dict(audit_row._mapping)
        if row["number"] != count + 1:
            return count, before, f"row {count + 1} is missing"
        if row["before"] != before:
            return count, before, f"row {row['number']} does not follow the previous row"
        if digest(row) != row["hash"]:
            return count, before, f"row {row['number']} was changed"
        before, count = row["hash"], count + 1
    return count, before, ""
