"""Tables of TOML as configuration structs, as the rooms of the desk know them; `core.toml_tables` does it."""

from __future__ import annotations

from edgewright.core.toml_tables import convert_table, explain, known_keys

__all__ = ["convert_table", "explain", "known_keys"]
