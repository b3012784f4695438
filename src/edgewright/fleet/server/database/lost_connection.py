"""Lost database connections: detection of their errors, and retries until the database answers or a timeout."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from edgewright.schema.errors import OutputError

T = TypeVar("T")
_FIRST_S, _LONGEST_S = 0.1, 2.0
_SHUT_DOWN = ("57P01", "57P02", "57P03")
"""admin_shutdown, crash_shutdown and cannot_connect_now: PostgreSQL is restarting."""


class WriteError(OutputError):
    """The database could not be written, or the connection was lost before the result was known."""


def is_lost(error: BaseException) -> bool:
    """Return whether an error means that the database server closed or refused the connection."""
    if isinstance(error, sa.exc.PendingRollbackError):
        return True
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", "")  # None: no answer from a PostgreSQL server
    unanswered = state is None and isinstance(error, sa.exc.OperationalError)
    return error.connection_invalidated or state in _SHUT_DOWN or unanswered


def retried(work: Callable[[], T], patience_s: float, report: Callable[[str], None] = lambda why: None) -> T:
    """Run repeatable work; repeat it if the database drops the connection.

    Args:
        work: function without effect if it fails, or with the same effect in each repetition.
        patience_s: seconds after which the error is raised.
        report: called with the reason before each repetition.

    Returns:
        The result of the work.
    """
    until, wait = time.monotonic() + patience_s, _FIRST_S
    while True:
        try:
            return work()
        except (sa.exc.SQLAlchemyError, WriteError) as error:
            if not (isinstance(error, WriteError) or is_lost(error)) or time.monotonic() + wait > until:
                raise
            report(str(error).splitlines()[0][:300])
        time.sleep(wait)
        wait = min(2.0 * wait, _LONGEST_S)
