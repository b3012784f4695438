"""What is left of a damaged store: its rows are read from both ends into a new file, and the old file is set aside."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from edgewright.device.store import file_operations, tables
from edgewright.device.store.database import Connect, Database
from edgewright.device.store.records import Damage

DAMAGE_FILE = "damage.jsonl"
_LAST = 100


def note(folder: Path, damage: Damage) -> None:
    """Add a line, durably."""
    file_operations.append(folder / DAMAGE_FILE, msgspec.json.encode(damage) + b"\n")


def history(folder: Path) -> tuple[Damage, ...]:
    """Return the last hundred; lines that a power cut tore are left out."""
    lines: list[bytes] = []
    for path in (folder / DAMAGE_FILE, *sorted(folder.glob(f"*/{DAMAGE_FILE}"))):
        with suppress(OSError):
            lines += path.read_bytes().splitlines()[-_LAST:]
    damages = []
    for line in lines:
        try:
            damages.append(msgspec.json.decode(line, type=Damage))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return tuple(damages)


RESCUED_FILE = "store.rescued"
NEW_FILE = "store.new"
_BATCH = 64
_SIDES = ("", "-wal", "-shm", "-journal")


def sound(database: Database, deep: bool) -> str:
    """Return what is wrong with the file, empty when nothing is found.

    Args:
        database: the open store.
        deep: read every page (`PRAGMA quick_check`), not only the list of tables.
    """
    try:
        known = {row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        missing = set(tables.TABLES) - known
        if missing:
            return f"tables are missing: {', '.join(sorted(missing))}"
        if deep:
            text = str(database.value("PRAGMA quick_check(1)"))
            return "" if text == "ok" else text
    except Exception as error:  # noqa: BLE001 - whatever the library of the connection raises
        return str(error)
    return ""


def _remove(folder: Path, name: str) -> None:
    for side in _SIDES:
        file_operations.remove(folder / f"{name}{side}")


def tidy(folder: Path, boot: int) -> None:
    """Finish or undo what a power cut interrupted: a file that was being made, or a rescue."""
    path = folder / tables.STORE_FILE
    _remove(folder, NEW_FILE)
    if path.exists():
        _remove(folder, RESCUED_FILE)
        return
    # A log without its database belongs to one that was set aside; a new database must never meet it.
    _move(folder, _name(folder, boot), ("-wal", "-journal"))
    file_operations.remove(folder / f"{tables.STORE_FILE}-shm")
    if (folder / RESCUED_FILE).exists():
        tables.adopt(folder / RESCUED_FILE, path)


def set_aside(folder: Path, boot: int, wall: float, reason: str, opener: Connect) -> Damage:
    """Save what can be read into a new store, and give the damaged file a name that says what it is.

    The order makes every power cut harmless: the new file is whole before the old one moves, and `tidy` goes on from
    any state between. Nothing is deleted.
    """
    path, rescued = folder / tables.STORE_FILE, folder / RESCUED_FILE
    _remove(folder, RESCUED_FILE)
    new = tables.make(rescued, opener)
    counts: dict[str, int] = {}
    try:
        old = Database(path, opener)
    except Exception:  # noqa: BLE001 - not even that much is left
        old = None
    if old is not None:
        for table in tables.TABLES:
            with suppress(Exception):
                counts[table] = _copy(old, new, table)
        with suppress(Exception):
            old.close()
    new.close()
    file_operations.sync_folder(folder)
    name = _name(folder, boot)
    _move(folder, name, ("",))
    file_operations.sync_folder(folder)
    _move(folder, name, ("-wal", "-journal"))
    file_operations.remove(folder / f"{tables.STORE_FILE}-shm")
    tables.adopt(rescued, path)
    damage = Damage(boot=boot, wall=wall, subject=reason, file=name, rescued=counts)
    note(folder, damage)
    return damage


def _name(folder: Path, boot: int) -> str:
    """Return a name that is free; by boot, since the clock may jump."""
    number = 1
    while any((folder / f"store.damaged-boot{boot:06d}-{number}.sqlite{side}").exists() for side in _SIDES):
        number += 1
    return f"store.damaged-boot{boot:06d}-{number}.sqlite"


def _move(folder: Path, name: str, sides: tuple[str, ...]) -> None:
    for side in sides:
        old = folder / f"{tables.STORE_FILE}{side}"
        if old.exists():
            file_operations.rename(old, folder / f"{name}{side}")


def _copy(old: Database, new: Database, table: str) -> int:
    """Return rows copied: up from the first to where reading fails, then down from the last to the same place."""
    order = tables.ORDER[table]
    keys = order.split(", ")
    names = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    places = [names.index(key) for key in keys]
    marks = ", ".join("?" * len(names))
    insert = f"INSERT OR IGNORE INTO {table} VALUES ({marks})"  # noqa: S608 - names of our own tables
    bound = f"({order}) {{}} ({', '.join('?' * len(keys))})"
    total = 0
    for compare, direction in ((">", "ASC"), ("<", "DESC")):
        turned = ", ".join(f"{key} {direction}" for key in keys)
        last: list[Any] | None = None
        batch, failed = _BATCH, False
        while True:
            where = f"WHERE {bound.format(compare)}" if last else ""
            sql = f"SELECT {', '.join(names)} FROM {table} {where} ORDER BY {turned} LIMIT {batch}"  # noqa: S608
            try:
                rows = old.execute(sql, last or ())
            except Exception:  # noqa: BLE001 - a damaged page: come nearer row by row, then stop
                failed = True
                if batch == 1:
                    break
                batch = 1
                continue
            if not rows:
                break
            before = new.value(f"SELECT count(*) FROM {table}")  # noqa: S608
            with new.transaction():
                for row in rows:
                    new.execute(insert, row)
            fresh = int(new.value(f"SELECT count(*) FROM {table}")) - int(before)  # noqa: S608
            total += fresh
            if fresh == 0:
                break  # where both ways meet, or where a damaged page leads back
            last = [rows[-1][index] for index in places]
        if not failed:
            break
    return total
