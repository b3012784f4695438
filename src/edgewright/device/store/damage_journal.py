"""The journal of damage: one line of JSON for each file that was found damaged. It outlives the store."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.device.store import file_operations
from edgewright.schema.store import Damage

DAMAGE_FILE = "damage.jsonl"
_LAST = 100


def note(folder: Path, damage: Damage) -> None:
    """Adds a line, durably."""
    file_operations.append(folder / DAMAGE_FILE, msgspec.json.encode(damage) + b"\n")


def history(folder: Path) -> tuple[Damage, ...]:
    """The last hundred; lines that a power cut tore are left out."""
    try:
        lines = (folder / DAMAGE_FILE).read_bytes().splitlines()[-_LAST:]
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Damage))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return tuple(found)
