"""The tables of the first release; `migration.prepare` creates them, and later revisions change them."""

from __future__ import annotations

revision = "0005"
down_revision = None


def upgrade() -> None:
    """Do nothing: there are no older databases."""
