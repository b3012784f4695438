"""The signed files in the database: what is held, and the one way in which the next state follows it."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from edgewright.fleet.protocol.layout import INDEX, ROOT
from edgewright.fleet.repository import metadata
from edgewright.fleet.server.database.tables import heads, signed, signed_files
from edgewright.schema.errors import EdgewrightError

ONLINE_HEAD = "online"


class RacedError(EdgewrightError):
    """Another step was faster; nothing of this one was done."""

    def __init__(self, what: str) -> None:
        super().__init__("to follow what was read", "another step in between", what, "Look again")


def serial(connection: sa.Connection) -> int:
    """Which state of the signed files holds; to be handed to `follow`."""
    return int(connection.execute(sa.select(heads.c.serial).where(heads.c.name == ONLINE_HEAD)).scalar_one())


def follow(connection: sa.Connection, seen: int) -> None:
    """Compare and set: the state that was read is still the one that holds, and is no more.

    Raises:
        RacedError: it is not.
    """
    where = sa.and_(heads.c.name == ONLINE_HEAD, heads.c.serial == seen)
    if connection.execute(sa.update(heads).where(where).values(serial=seen + 1)).rowcount != 1:
        raise RacedError("the signed files")


def held(connection: sa.Connection) -> dict[str, bytes]:
    """Newest metadata by role."""
    newest = sa.select(signed.c.role, sa.func.max(signed.c.version).label("version")).group_by(signed.c.role).subquery()
    found = connection.execute(
        sa.select(signed.c.role, signed.c.body).join(
            newest, sa.and_(signed.c.role == newest.c.role, signed.c.version == newest.c.version)
        )
    )
    return {row.role: row.body for row in found}


def roots(connection: sa.Connection) -> list[bytes]:
    """Every root that was ever published, oldest first."""
    query = sa.select(signed.c.body).where(signed.c.role == ROOT).order_by(signed.c.version)
    return list(connection.execute(query).scalars())


def keep(connection: sa.Connection, roles: Mapping[str, bytes], at: float) -> None:
    """Add metadata. A version that is there with other bytes breaks the transaction: the first seen wins.

    Raises:
        RacedError: it is there with other bytes.
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


def index_path(held: Mapping[str, bytes]) -> str:
    """Path of the standings that the newest metadata names, below the folder of targets; empty for none."""
    digest = metadata.index_hash(held)
    return metadata.prefixed(INDEX, digest) if digest else ""


def keep_index(connection: sa.Connection, index: bytes, at: float) -> str:
    """Add the file of standings; its path below the folder of targets."""
    path = metadata.prefixed(INDEX, metadata.sha256(index))
    there = connection.execute(sa.select(signed_files.c.path).where(signed_files.c.path == path)).one_or_none()
    if there is None:
        connection.execute(sa.insert(signed_files).values(path=path, body=index, at=at))
    return path
