"""A database of a real PostgreSQL server, made for one test and dropped after it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from edgewright.fleet.server.database import postgres
from support import left_out

DEFAULT = "postgresql://postgres@127.0.0.1:5432/postgres"


def server() -> str:
    """Return address of the server's own database: `EDGEWRIGHT_POSTGRES`, by default on this machine."""
    return os.environ.get("EDGEWRIGHT_POSTGRES", DEFAULT)


@contextmanager
def fresh_database() -> Iterator[str]:
    """Provide address of an empty database."""
    try:
        connection = psycopg.connect(server(), autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        left_out(f"no PostgreSQL at {server()}: {error}")
        raise
    name = f"edgewright_{secrets.token_hex(6)}"
    with connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield server().rpartition("/")[0] + f"/{name}"
        finally:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def folder_over(kind: str, path: Path) -> Iterator[Path]:
    """Provide a fleet's folder, with the address of a database of PostgreSQL or, for 'sqlite', without one."""
    if kind == "sqlite":
        yield path
        return
    with fresh_database() as address:
        postgres.keep(path, address)
        yield path
