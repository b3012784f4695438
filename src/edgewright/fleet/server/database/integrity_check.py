"""A damaged SQLite file is found when a server starts, not when somebody needs the damaged page."""

from __future__ import annotations

import threading
from collections.abc import Callable

import sqlalchemy as sa

from edgewright.fleet.server import log
from edgewright.fleet.server.database.engine import Database

_DO = "stop every server, keep the file, and restore: edgewright fleet restore --backup FILE"


def start(database: Database, ready: dict[str, str]) -> Callable[[], None]:
    """Check the file while the server begins to answer; `ready` gets what is damaged. What is returned stops it."""
    if database.readers.dialect.name != "sqlite":
        return lambda: None
    connection = database.readers.connect()
    driver = connection.connection.driver_connection

    def check() -> None:
        try:
            report = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        except sa.exc.DBAPIError as error:
            report = str(error.orig)
        finally:
            connection.close()
        if report not in ("ok", "interrupted"):
            ready["database"] = f"the file is damaged ({report[:200]}): {_DO}"
            log.line("error", "database.damaged", why=report[:500], do=_DO)

    thread = threading.Thread(target=check, name="integrity", daemon=True)
    thread.start()

    def stop() -> None:
        if thread.is_alive() and driver is not None:
            driver.interrupt()
        thread.join(10.0)

    return stop
