"""Alembic's environment: runs revisions on the given connection, inside its transaction."""

from __future__ import annotations

from alembic import context

from edgewright.fleet.server.database.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
