"""Tables of TOML as configuration structs, as the rooms of the desk know them; `runtime.tables` does it."""

from __future__ import annotations

from edgewright.runtime.tables import convert_table, explain, known_keys

__all__ = ["convert_table", "explain", "known_keys"]
