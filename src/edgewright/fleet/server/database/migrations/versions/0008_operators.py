"""Tokens of operators expire; those that are there hold until somebody revokes them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column."""
    op.add_column("operators", sa.Column("expires", sa.Double, nullable=True))
