"""A damaged SQLite file is found when a server starts, not when somebody needs the damaged page."""

from __future__ import annotations

import threading
from collections.abc import Callable

import sqlalchemy as sa

from edgewright.fleet.server import log
from edgewright.fleet.server.control_plane import Plane

_DO = "stop every server, keep the file, and restore: edgewright fleet restore --backup FILE"


def start(plane: Plane) -> Callable[[], None]:
    """Check the file while the server begins to answer; `/readyz` says what is damaged. What is returned stops it."""
    if plane.database.readers.dialect.name != "sqlite":
        return lambda: None
    connection = plane.database.readers.connect()
    driver = connection.connection.driver_connection

    def check() -> None:
        try:
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        except sa.exc.DBAPIError as error:
            found = str(error.orig)
        finally:
            connection.close()
        if found not in ("ok", "interrupted"):
            plane.ready["database"] = f"the file is damaged ({found[:200]}): {_DO}"
            log.line("error", "database.damaged", why=found[:500], do=_DO)

    thread = threading.Thread(target=check, name="integrity", daemon=True)
    thread.start()

    def stop() -> None:
        if thread.is_alive() and driver is not None:
            driver.interrupt()
        thread.join(10.0)

    return stop
