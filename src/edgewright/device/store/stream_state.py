"""What an agent remembers, in the table `meta` of the store: its place in the source, and the states of its streams.

The agent gives it (`device/agent/checkpoint.py`) together with what came of the rows, and both become durable in one
transaction. States are made of raw rows, so they count in the quota and go when rows are purged. Older versions kept
the states in a file beside the database, which is read once and then removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from edgewright.core.errors import OutputError
from edgewright.core.files import flush, os_errors
from edgewright.device.store import file_operations
from edgewright.device.store.database import Database
from edgewright.device.store.records import SourcePlace, StoreConfig

STATE_FILE = "learnt.state"
"""Where older versions kept the states."""
LARGEST = 4 << 20
LEARNED_FOLDER = "learned"
"""Folders by package: what an agent has learned from labels (`device/agent/learned.py`)."""
PLACE_VERSION = 1
_POSITION, _STATE = "source", "learnt\n"
_STATES = "key >= 'learnt' || char(10) AND key < 'learnt' || char(11)"


def share(config: StoreConfig, minimum: int) -> int:
    """Bytes of the quota that are its: `LARGEST`, or a quarter of what a small quota has beyond `minimum` bytes."""
    return max(0, min(LARGEST, (config.quota - config.ballast - minimum) // 4))


def load(database: Database) -> dict[str, bytes]:
    """Return the states by name; those written last come last."""
    rows = database.execute(f"SELECT key, value FROM meta WHERE {_STATES}")  # noqa: S608 - a constant
    return {key.removeprefix(_STATE): bytes(value) for key, value in rows if isinstance(value, bytes)}


def source_place(database: Database, scope: str = "") -> SourcePlace | None:
    """Return the place in the source; None where there is none, it is damaged, or a newer version wrote it."""
    content = database.value("SELECT value FROM meta WHERE key = ?", (_POSITION + scope,))
    with suppress(msgspec.MsgspecError, TypeError):
        known = msgspec.json.decode(content or b"", type=SourcePlace)
        return known if known.version <= PLACE_VERSION else None
    return None


def entries(states: Mapping[str, bytes | None], now: SourcePlace, scope: str) -> dict[str, bytes | None]:
    """Return rows of `meta`, by key; None deletes one."""
    rows: dict[str, bytes | None] = {_STATE + name: state for name, state in states.items()}
    rows[_POSITION + scope] = msgspec.json.encode(now)
    return rows


def write(database: Database, rows: Mapping[str, bytes | None]) -> None:
    """Within a transaction: write or delete rows of `meta`."""
    for key, value in rows.items():
        if value is None:
            database.execute("DELETE FROM meta WHERE key = ?", (key,))
        else:
            database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def forget_states(database: Database) -> int:
    """Within a transaction: delete the states and leave the place; the bytes that they had."""
    size = int(database.value(f"SELECT total(length(value)) FROM meta WHERE {_STATES}"))  # noqa: S608 - a constant
    database.execute(f"DELETE FROM meta WHERE {_STATES}")  # noqa: S608 - a constant
    return size


def purge(database: Database, *, everything: bool) -> int:
    """Within a transaction: delete the states, and the place where `everything` goes; how many rows there were."""
    states, keys = f"DELETE FROM meta WHERE {_STATES} OR key GLOB ?", f"{_POSITION}*" if everything else ""  # noqa: S608
    database.execute(states, (keys,))
    return int(database.value("SELECT changes()"))


def disk_usage(folder: Path) -> int:
    """Return bytes on the disk of the file of an older version, with what a kill left of writing it."""
    return sum(file_operations.size(path) for path in _files(folder))


def remove(folder: Path) -> list[str]:
    """Overwrite and delete the file of an older version and what a kill left of it; return their names.

    Raises:
        OutputError: it cannot be deleted.
    """
    paths = [path for path in _files(folder) if path.exists()]
    with os_errors(OutputError, "to delete what was learnt", str(folder / STATE_FILE)):
        for path in paths:
            _remove(path)
        if paths:
            file_operations.sync_folder(folder)
    return [path.name for path in paths]


def forget(folder: Path) -> list[str]:
    """Overwrite and delete what was learned of packages from labels, in the folders of `learned`; their names.

    Raises:
        OutputError: a file cannot be deleted.
    """
    paths = sorted((folder / LEARNED_FOLDER).glob("*/*adapt.*"))
    with os_errors(OutputError, "to delete what was learned", folder / LEARNED_FOLDER):
        for path in paths:
            _remove(path)
            file_operations.sync_folder(path.parent)
    return [f"{path.parent.name}/{path.name}" for path in paths]


def _files(folder: Path) -> list[Path]:
    return [folder / STATE_FILE, *sorted(folder.glob(f".{STATE_FILE}.*"))]


def _remove(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(file_operations.size(path)))
        flush(file)
    file_operations.remove(path)
