"""No federated learning."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Drop the tables; the backup of a migration has their rows."""
    for table in ("federation_groups", "federation_members", "federations"):
        op.drop_table(table)
