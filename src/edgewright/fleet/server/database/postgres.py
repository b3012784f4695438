"""All that is PostgreSQL's own in the control plane: how it is opened, and who writes while others do.

SQLite lets one process write at a time, and everything here was thought through for that. PostgreSQL keeps it so for
all but reports: a transaction holds one advisory lock alone, or shares it with others of its kind. What is shared may
touch only rows of the devices that it names, which it locks first, and the audit log, whose end has a lock of its own.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from edgewright.core.files import write_atomic
from edgewright.fleet.repository.folder import ADDRESS as NAME
from edgewright.schema.errors import InputError


def address(folder: Path) -> str:
    """Return the address of a fleet's database; empty for the SQLite file of its folder.

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
    """Return an address as it was given.

    Raises:
        InputError: it is none of PostgreSQL.
    """
    if not is_address(text):
        raise InputError("postgresql://USER@HOST:PORT/NAME", text.partition(":")[0][:40] or "nothing", where)
    return text


def keep(folder: Path, text: str) -> None:
    """From now on the folder's database is this one. The file may hold a password: its owner alone reads it."""
    path = folder / NAME
    path.touch(mode=0o600)
    path.chmod(0o600)
    write_atomic(path, text.encode() + b"\n")
    path.chmod(0o600)


SCHEMES = ("postgresql", "postgres")
WRITING, CHAIN, MIGRATING, LOOKING = 0x65770001, 0x65770002, 0x65770003, 0x65770004
"""Numbers of the advisory locks: whoever writes, the end of the audit log, whoever changes tables, or looks after
rollouts."""
_PATIENCE = "10s"
_AGAIN = ("40001", "40P01")
"""serialization_failure and deadlock_detected: nothing was done, and the same again may succeed."""
_EXTRA = "pip install 'edgewright[fleet,postgres]'"


def is_address(text: str) -> bool:
    """Return whether a database is named by an address of PostgreSQL."""
    return text.partition(":")[0] in SCHEMES


def shown(address: str) -> str:
    """Return an address without its password, for messages and logs."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    user = f"{parts.username}@" if parts.username else ""
    return f"postgresql://{user}{host}{port}{parts.path}"


def engine(address: str, *, reading: bool) -> sa.Engine:
    """Open a database.

    Commits are durable when they return (`synchronous_commit` is never less than on here, whatever the server's own
    setting). Readers see one moment and cannot write.

    Args:
        address: postgresql://USER:PASSWORD@HOST:PORT/NAME; what it leaves out is taken from the usual variables.
        reading: for connections that only read.

    Raises:
        InputError: no such address, or the driver is not installed; from the first connection, a database that is not
            of UTF8.
    """
    try:
        url = sa.make_url(address).set(drivername="postgresql+psycopg")
        made = sa.create_engine(
            url, pool_pre_ping=True, pool_size=8 if reading else 2, max_overflow=8,
            isolation_level="REPEATABLE READ" if reading else "READ COMMITTED",
            # The encoding is said, or the driver gives bytes for text before anybody can say that they are not taken.
            connect_args={"connect_timeout": 10, "application_name": "edgewright-fleet", "client_encoding": "utf8"},
        )  # fmt: skip
    except ArgumentError:
        raise InputError("postgresql://USER@HOST:PORT/NAME", shown(address), "--database") from None
    except ModuleNotFoundError:
        raise InputError("the driver of PostgreSQL", "none", "--database", _EXTRA) from None

    @sa.event.listens_for(made, "connect")
    def connected(connection: object, record: object) -> None:
        held = connection.info.parameter_status("server_encoding")  # type: ignore[attr-defined]
        if held != "UTF8":  # it counts bytes where columns count characters, or has no room for some of them
            raise InputError(
                "a database of UTF8", str(held), shown(address), "Make it: createdb -E UTF8 -T template0 NAME"
            )
        settings = {"lock_timeout": _PATIENCE, "idle_in_transaction_session_timeout": "60s", "timezone": "UTC"}
        settings |= {"default_transaction_read_only": "on"} if reading else {}
        with connection.cursor() as cursor:  # type: ignore[attr-defined]  # of psycopg
            for name, value in settings.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
            if not reading:
                cursor.execute("SHOW synchronous_commit")
                if cursor.fetchone()[0] in ("off", "local"):
                    cursor.execute("SELECT set_config('synchronous_commit', 'on', false)")
        connection.commit()  # type: ignore[attr-defined]

    return made


def lock(connection: sa.Connection, number: int, *, shared: bool = False) -> None:
    """Take one of the advisory locks until the transaction ends: alone, or beside others that share it."""
    how = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    connection.exec_driver_sql(f"SELECT {how}({number})")


def may_look(connection: sa.Connection) -> bool:
    """Return whether no other server looks after rollouts at this moment; until the transaction ends none will."""
    return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({LOOKING})").scalar_one())


def may_try_again(error: BaseException) -> bool:
    """Return whether a transaction failed only because of another at the same time."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in _AGAIN
