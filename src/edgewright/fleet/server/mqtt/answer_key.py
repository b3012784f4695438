"""The key with which answers over a broker are signed: of all servers of a fleet, made by the first of them."""

from __future__ import annotations

import base64

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.engine import insert_new
from edgewright.fleet.server.database.tables import secrets

NAME = "answers"


def answer_key(plane: Plane) -> Ed25519PrivateKey:
    """The key of a control plane, durable before it is given.

    Raises:
        OutputError: the database cannot be written.
        BusyError: too much waits to be written.
    """
    made = Ed25519PrivateKey.generate().private_bytes_raw()

    def work(connection: sa.Connection) -> bytes:
        insert_new(connection, secrets, [{"name": NAME, "value": made}])
        return bytes(connection.execute(sa.select(secrets.c.value).where(secrets.c.name == NAME)).scalar_one())

    return Ed25519PrivateKey.from_private_bytes(plane.committer.submit(work).result())


def public_text(key: Ed25519PrivateKey) -> str:
    """As devices are told it: base64 of 32 bytes."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")
