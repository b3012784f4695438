"""The PostgreSQL-specific parts of the control plane: opening a database, and locks for concurrent writers.

SQLite allows one writer at a time, and the control plane is designed for that. With PostgreSQL the same holds for all
operations except reports: a transaction takes one advisory lock exclusively, or shares it with other reports. A shared
transaction may change only rows of its own devices, which it locks first, and the audit log, which has its own lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from edgewright.core import files
from edgewright.core.errors import FleetDatabaseError, FleetInUseError, OutputError
from edgewright.core.files import PRIVATE, open_private, write_atomic
from edgewright.fleet.protocol.layout import lock_within
from edgewright.fleet.repository.folder import ADDRESS as NAME

SERVING = ".serving"
"""Lock file of the process that serves a folder; several servers share the lock."""
_MOMENT_S = 0.2
"""Seconds for which `is_served` of another process may hold the lock."""


def alone(folder: Path) -> AbstractContextManager[None]:
    """Prevent other processes from serving the folder in the meantime.

    Raises:
        InputError: another process serves it.
    """
    return _locked(folder)


def serving(folder: Path) -> AbstractContextManager[None]:
    """Register this process as a server of the folder, exclusively or shared, depending on the database.

    Servers of one folder share one signer: the first one starts it, and any remaining one restarts it.

    Raises:
        InputError: another process has locked the folder.
    """
    return _locked(folder, shared=bool(address(folder)))


@contextmanager
def _locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    with open_private(folder / SERVING, "a") as handle:
        if not lock_within(handle, _MOMENT_S, shared=shared):
            do = "Stop that server first"
            raise FleetInUseError("a fleet that no other process serves", "one that is being served", str(folder), do)
        yield


def is_served(folder: Path) -> bool:
    """Return whether a process on this machine serves the folder."""
    try:
        with (folder / SERVING).open("r") as handle:
            return not files.lock(handle)
    except OSError:
        return False


def address(folder: Path) -> str:
    """Return the address of a fleet's database; empty for the SQLite file in its folder.

    Raises:
        InputError: the file with the address cannot be read, or its content is not an address.
    """
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise FleetDatabaseError("the address of a database", str(error), str(path)) from None
    return checked(text, str(path))


def checked(text: str, where: str) -> str:
    """Check a database address and return it unchanged.

    Raises:
        InputError: the text is not a PostgreSQL address.
    """
    if not is_address(text):
        raise FleetDatabaseError("postgresql://USER@HOST:PORT/NAME", text.partition(":")[0][:40] or "nothing", where)
    return text


def keep(folder: Path, text: str) -> None:
    """Store the database address of a folder. It can contain a password, so only the owner can read the file."""
    write_atomic(folder / NAME, text.encode() + b"\n", PRIVATE)


SCHEMES = ("postgresql", "postgres")
WRITING, CHAIN, MIGRATING, LOOKING, _BUILDING = 0x65770001, 0x65770002, 0x65770003, 0x65770004, 0x65770005
"""Numbers of the advisory locks: for writing, for the end of the audit log, for migrations, for processing rollouts
and for building indexes. A server that starts waits for migrations in a transaction, for which a build would wait."""
_PATIENCE = "10s"
_BUILD_PATIENCE_S, _PAUSE_S = 10.0, 0.2
_VALID = sa.text(
    "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "WHERE c.relname = :name AND pg_table_is_visible(c.oid)"
)
_AGAIN = ("40001", "40P01")
"""serialization_failure and deadlock_detected: nothing was done, and a retry may succeed."""
_EXTRA = "pip install 'edgewright[fleet,postgres]'"


def is_address(text: str) -> bool:
    """Return whether a text is a PostgreSQL address."""
    return text.partition(":")[0] in SCHEMES


def shown(address: str) -> str:
    """Return an address without its password, for messages and logs."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    user = f"{parts.username}@" if parts.username else ""
    return f"postgresql://{user}{host}{port}{parts.path}"


def engine(address: str, *, reading: bool) -> sa.Engine:
    """Create an engine for a database.

    Commits are durable when they return: `synchronous_commit` is at least on, regardless of the server's setting.
    Reading connections have a consistent snapshot and cannot write.

    Args:
        address: postgresql://USER:PASSWORD@HOST:PORT/NAME; missing parts come from libpq's environment variables.
        reading: whether the connections only read.

    Raises:
        InputError: the address is invalid, or the driver is not installed; at the first connection, the database's
            encoding is not UTF8.
    """
    try:
        url = sa.make_url(address).set(drivername="postgresql+psycopg")
        built = sa.create_engine(
            url, pool_pre_ping=True, pool_size=8 if reading else 2, max_overflow=8,
            isolation_level="REPEATABLE READ" if reading else "READ COMMITTED",
            # Without a client encoding, the driver could return bytes for text before the check below refuses it.
            connect_args={"connect_timeout": 10, "application_name": "edgewright-fleet", "client_encoding": "utf8"},
        )  # fmt: skip
    except ArgumentError:
        raise FleetDatabaseError("postgresql://USER@HOST:PORT/NAME", shown(address), "--database") from None
    except ModuleNotFoundError:
        raise FleetDatabaseError("the driver of PostgreSQL", "none", "--database", _EXTRA) from None

    @sa.event.listens_for(built, "connect")
    def connected(connection: object, record: object) -> None:
        encoding = connection.info.parameter_status("server_encoding")  # type: ignore[attr-defined]
        if encoding != "UTF8":  # other encodings count bytes instead of characters, or cannot store all characters
            raise FleetDatabaseError(
                "a database of UTF8", str(encoding), shown(address), "Make it: createdb -E UTF8 -T template0 NAME"
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

    return built


def lock(connection: sa.Connection, number: int, *, shared: bool = False) -> None:
    """Take an advisory lock until the transaction ends, exclusively or shared."""
    how = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    connection.exec_driver_sql(f"SELECT {how}({number})")


def build_indexes(engine: sa.Engine, indexes: Mapping[str, tuple[str, Sequence[str]]]) -> None:
    """Build indexes (table and columns, by name) while others write; an invalid one is what an interrupted build left.

    Raises:
        OutputError: another process builds them.
    """
    if not indexes:
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # its end releases the lock and drops the setting
        # Waiting for a lock inside of the database would be a transaction that the other build waits for.
        until = time.monotonic() + _BUILD_PATIENCE_S
        while not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_BUILDING})").scalar_one():
            if time.monotonic() > until:
                raise OutputError("the only migration", "another one that runs", "the database", "Wait for its end")
            time.sleep(_PAUSE_S)
        # A build waits for all older transactions.
        connection.exec_driver_sql("SET lock_timeout = 0")
        connection.exec_driver_sql("SET statement_timeout = 0")
        for name, (table, columns) in indexes.items():
            valid = connection.execute(_VALID, {"name": name}).scalar_one_or_none()
            if valid is False:
                connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {name}")
            if not valid:
                connection.exec_driver_sql(f"CREATE INDEX CONCURRENTLY {name} ON {table} ({', '.join(columns)})")


def may_look(connection: sa.Connection) -> bool:
    """Try to take the lock for processing rollouts until the transaction ends; False if another server has it."""
    return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({LOOKING})").scalar_one())


def may_try_again(error: BaseException) -> bool:
    """Return whether a transaction failed only because of a concurrent one."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in _AGAIN


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
