"""Removes the table for keys of older versions and overwrites its bytes: the database must not contain keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Remove the table `secrets` if an older version created it."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    if sa.inspect(connection).has_table("secrets"):
        op.drop_table("secrets")
