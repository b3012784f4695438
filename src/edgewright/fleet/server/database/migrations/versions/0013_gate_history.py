"""What the gates of a rollout said over time, for its curve."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column; rollouts of an older version begin without a history."""
    op.add_column("rollouts", sa.Column("history", sa.Text, nullable=False, server_default="[]"))
