"""The database of the control plane: SQLite or PostgreSQL."""
