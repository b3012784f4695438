"""Microcontrollers behind a device, as it saw them last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One column more: they are read with their device and never without it."""
    op.add_column("devices", sa.Column("boards", sa.Text(), nullable=False, server_default=""))
