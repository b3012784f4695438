"""Devices that operators block, retire, tag and let try again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns; existing devices are active."""
    op.add_column("devices", sa.Column("status", sa.String(8), nullable=False, server_default="active"))
    op.add_column("devices", sa.Column("tagged_at", sa.Double, nullable=True))
    for name in ("retries", "retry_release", "retry_after"):
        op.add_column("devices", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
