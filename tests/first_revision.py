"""A database of the control plane as its first revision had it."""

from __future__ import annotations

import sqlalchemy as sa

from edgewright.core.measures import added

ADDED = {
    "devices": (
        "status", "tagged_at", "retries", "retry_release", "retry_after", "signed", "transport_faults",
        "transport_fault",
    ),
    "operators": ("expires",),
    "rollouts": ("history",),
    "vitals": ("processor", *added()),
    "reports": ("processor", *added()),
}  # fmt: skip
"""Columns that came after the first revision."""


def first_revision(connection: sa.Connection) -> None:
    """Take a database back to the tables of revision 0005."""
    for table, columns in ADDED.items():
        for column in columns:
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
    connection.exec_driver_sql("DROP INDEX ix_reports_device_at")
    for table in ("diagnoses", "retention_clock"):
        connection.exec_driver_sql(f"DROP TABLE {table}")
    connection.execute(sa.text("UPDATE alembic_version SET version_num = '0005'"))
