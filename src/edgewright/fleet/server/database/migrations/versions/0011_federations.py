"""Learning across devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "federations",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("product", sa.String(63), nullable=False),
        sa.Column("identity", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("factory", sa.LargeBinary, nullable=False),
        sa.Column("layer", sa.LargeBinary, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("joining", sa.Boolean, nullable=False),
        sa.Column("deadline", sa.Double, nullable=False),
        sa.Column("outcomes", sa.Text, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("opened_by", sa.String(64), nullable=False),
        sa.Column("why", sa.String(500), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_federations"),
    )
    op.create_index("ix_federations_opened_at", "federations", ["opened_at"])
    op.create_index("ix_federations_product_state", "federations", ["product", "state"])
    op.create_table(
        "federation_members",
        sa.Column("federation", sa.String(32), nullable=False),
        sa.Column("device", sa.String(32), nullable=False),
        sa.Column("context", sa.String(32), nullable=False),
        sa.Column("member", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("federation", "device", name="pk_federation_members"),
    )
    op.create_table(
        "federation_groups",
        sa.Column("context", sa.String(32), nullable=False),
        sa.Column("federation", sa.String(32), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("deadline", sa.Double, nullable=False),
        sa.Column("over", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("context", name="pk_federation_groups"),
    )
    op.create_index(
        "ix_federation_groups_federation_over_deadline", "federation_groups", ["federation", "over", "deadline"]
    )
