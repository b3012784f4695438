"""Processor time of devices, for gates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns; 0 means not measured."""
    for table in ("vitals", "reports"):
        op.add_column(table, sa.Column("processor", sa.Double, nullable=False, server_default="0"))
