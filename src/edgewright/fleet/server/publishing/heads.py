"""The signed files in the database, and the compare-and-set step to their next state."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import INDEX, ROOT
from edgewright.fleet.repository import metadata
from edgewright.fleet.server.database.tables import heads, signed, signed_files
from edgewright.schema.errors import EdgewrightError

ONLINE_HEAD = "online"


class RacedError(EdgewrightError):
    """A concurrent step changed the state first; this step did nothing."""

    def __init__(self, subject: str) -> None:
        super().__init__("to follow what was read", "another step in between", subject, "Look again")


def serial(connection: sa.Connection) -> int:
    """Return the number of the current state of the signed files, for `follow`."""
    return int(connection.execute(sa.select(heads.c.serial).where(heads.c.name == ONLINE_HEAD)).scalar_one())


def follow(connection: sa.Connection, seen: int) -> None:
    """Advance the state by compare-and-set, if it is still the one that was read.

    Raises:
        RacedError: the state has changed.
    """
    where = sa.and_(heads.c.name == ONLINE_HEAD, heads.c.serial == seen)
    if connection.execute(sa.update(heads).where(where).values(serial=seen + 1)).rowcount != 1:
        raise RacedError("the signed files")


def role_files(connection: sa.Connection) -> dict[str, bytes]:
    """Return the newest metadata by role."""
    newest = sa.select(signed.c.role, sa.func.max(signed.c.version).label("version")).group_by(signed.c.role).subquery()
    rows = connection.execute(
        sa.select(signed.c.role, signed.c.body).join(
            newest, sa.and_(signed.c.role == newest.c.role, signed.c.version == newest.c.version)
        )
    )
    return {row.role: row.body for row in rows}


def roots(connection: sa.Connection) -> list[bytes]:
    """Return all published roots, oldest first."""
    query = sa.select(signed.c.body).where(signed.c.role == ROOT).order_by(signed.c.version)
    return list(connection.execute(query).scalars())


def keep(connection: sa.Connection, roles: Mapping[str, bytes], at: float) -> None:
    """Add metadata; existing versions are never changed.

    Raises:
        RacedError: a version exists with other bytes.
    """
    for role, body in roles.items():
        version = metadata.version({role: body}, role)
        there = connection.execute(
            sa.select(signed.c.body).where(signed.c.role == role, signed.c.version == version)
        ).scalar_one_or_none()
        if there is None:
            connection.execute(sa.insert(signed).values(role=role, version=version, body=body, at=at))
        elif there != body:
            raise RacedError(f"version {version} of {role}, which is there with other bytes")


def index_path(role_files: Mapping[str, bytes]) -> str:
    """Return the path of the standings in the newest metadata, below the folder of targets; empty for none."""
    digest = metadata.index_hash(role_files)
    return metadata.prefixed(INDEX, digest) if digest else ""


def keep_index(connection: sa.Connection, index: bytes, at: float) -> str:
    """Add the file of standings and return its path below the folder of targets."""
    path = metadata.prefixed(INDEX, metadata.sha256(index))
    there = connection.execute(sa.select(signed_files.c.path).where(signed_files.c.path == path)).one_or_none()
    if there is None:
        connection.execute(sa.insert(signed_files).values(path=path, body=index, at=at))
    return path
