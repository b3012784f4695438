"""Rollouts, and the signed files that they lead to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes them."""
    _rollouts()
    op.create_table(
        "signed",
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("role", "version", name=op.f("pk_signed")),
    )
    op.create_table(
        "signed_files",
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_signed_files")),
    )
    heads = op.create_table(
        "heads",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heads")),
    )
    op.bulk_insert(heads, [{"name": "online", "serial": 0}])


def _rollouts() -> None:
    op.create_table(
        "rollouts",
        sa.Column("plan", sa.String(length=63), nullable=False),
        sa.Column("product", sa.String(length=63), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("entered", sa.Double(), nullable=False),
        sa.Column("revert", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(length=500), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("started_by", sa.String(length=64), nullable=False),
        sa.Column("judged_at", sa.Double(), nullable=True),
        sa.Column("judged", sa.Text(), nullable=False),
        sa.Column("holds", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("plan", name=op.f("pk_rollouts")),
    )
    op.create_index(op.f("ix_rollouts_product"), "rollouts", ["product"])
    op.create_index(op.f("ix_rollouts_started_at"), "rollouts", ["started_at"])
