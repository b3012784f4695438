"""Tables of rollouts and of the signed files that they lead to."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.fleet.server.database.tables import metadata

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("plan", sa.String(63), primary_key=True),
    sa.Column("product", sa.String(63), nullable=False, index=True),
    sa.Column("counter", sa.BigInteger, nullable=False),  # of the release
    sa.Column("sha256", sa.String(64), nullable=False),  # of the plan's bytes
    sa.Column("body", sa.LargeBinary, nullable=False),  # the plan, as it was signed offline
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("entered", sa.Double, nullable=False),  # when the stage began
    sa.Column("revert", sa.Boolean, nullable=False),  # an aborted rollout calls devices back
    sa.Column("version", sa.BigInteger, nullable=False),  # rises with every transition: compare and set
    sa.Column("why", sa.String(500), nullable=False),  # of the last transition
    sa.Column("started_at", sa.Double, nullable=False, index=True),
    sa.Column("started_by", sa.String(64), nullable=False),
    sa.Column("judged_at", sa.Double, nullable=True),  # when the gates were asked last
    sa.Column("judged", sa.Text, nullable=False),  # what they said, JSON of plans.gates.Judged
    sa.Column("holds", sa.String(500), nullable=False),  # why it does not go on now
)

signed = sa.Table(  # every version of every role that was ever to be published; bytes are never changed
    "signed",
    metadata,
    sa.Column("role", sa.String(64), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

signed_files = sa.Table(  # targets that the online role names; by content, so that two never differ under one path
    "signed_files",
    metadata,
    sa.Column("path", sa.String(200), primary_key=True),  # below the folder of targets
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

heads = sa.Table(  # one row: which state of the signed files the next one follows
    "heads",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("serial", sa.BigInteger, nullable=False),  # compare and set
)
