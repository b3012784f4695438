"""Reports of a device by time, for gates; what devices say of metadata and downloads; the clock of the retention."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
INDEXES = {"ix_reports_device_at": ("reports", ("device", "at"))}
"""Over PostgreSQL these are built before the transaction of the migration, while servers go on writing reports."""


def upgrade() -> None:
    """Add the columns, the table and the index."""
    op.add_column("devices", sa.Column("signed", sa.Double, nullable=False, server_default="0"))
    op.add_column("devices", sa.Column("transport_faults", sa.Integer, nullable=False, server_default="0"))
    op.add_column("devices", sa.Column("transport_fault", sa.String(500), nullable=False, server_default=""))
    op.create_table(
        "retention_clock",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_retention_clock"),
    )
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, list(columns), if_not_exists=True)
