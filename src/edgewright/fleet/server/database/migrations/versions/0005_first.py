"""The tables of the first release; `engine.migrate` creates them, and later revisions change them."""

from __future__ import annotations

revision = "0005"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do nothing: no database is older."""
