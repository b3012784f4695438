"""Opening a store for writing, step by step: lock, identity, leftovers, version, integrity; and its clocks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import IO, Protocol

from edgewright.core.errors import EdgewrightError, OutputError, StoreDamagedError
from edgewright.device.store import file_operations, recovery, tables
from edgewright.device.store.database import Connect, Database, trouble
from edgewright.device.store.identity import Identity
from edgewright.device.store.records import StoreConfig
from edgewright.device.store.retention import Ballast


class Clock(Protocol):
    """What the store asks for the time."""

    def running(self) -> float:
        """Return seconds since some moment of this boot; never goes back, goes on while the machine sleeps."""

    def wall(self) -> float:
        """Return seconds since 1970 as far as the device knows."""


class SystemClock:
    """The clocks of this machine."""

    def running(self) -> float:
        """CLOCK_BOOTTIME, which counts a suspended machine's time too; the monotonic clock where there is none."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    def wall(self) -> float:
        """Return the wall clock."""
        return time.time()


LOCK_FILE = "lock"
_PAGE = 4096
# The log may grow to this before it is copied into the database, and a transaction may add as much.
_LOG = 4 << 20
_MIN_DATA = 2 << 20
MIN_BYTES = _LOG + _MIN_DATA
"""Bytes that a quota must have beside the ballast."""


def lock(folder: Path) -> IO[str]:
    """Make the folder and take it for this process, see `file_operations.lock_folder`."""
    return file_operations.lock_folder(folder, LOCK_FILE, "a store that no other process writes")


def begin(folder: Path, config: StoreConfig, device: str, clock: Clock, opener: Connect) -> tuple[Identity, Database]:
    """Identity with this boot counted, and a sound database.

    Raises:
        InputError: a newer version, another device's folder, or settings that leave no room.
        OutputError: something cannot be written.
    """
    if config.quota - config.ballast < MIN_BYTES:
        raise StoreDamagedError(f"a quota of at least {(MIN_BYTES + config.ballast) >> 20} MiB",
                         f"{config.quota} bytes", "[store] quota")  # fmt: skip
    if (limit := file_operations.largest_file()) is not None and limit < MIN_BYTES:
        raise StoreDamagedError(f"files that may grow to {MIN_BYTES >> 20} MiB", f"a limit of {limit} bytes for a file",
                         str(folder), "Raise it: ulimit -f, or LimitFSIZE= of the service")  # fmt: skip
    try:
        try:
            return _begun(folder, config, device, clock, opener)
        except Exception as error:
            # The disk was full when the last boot ended: that a start can be counted is what the ballast is for.
            full = "full" in (trouble(error), trouble(cause) if isinstance(cause := error.__cause__, Exception) else "")
            if not (full and Ballast(folder, config.ballast).release()):
                raise
            return _begun(folder, config, device, clock, opener)
    except EdgewrightError:
        raise
    except Exception as error:
        raise OutputError("to open the store", f"{trouble(error)}: {error}", str(folder),
                          "Check that the disk has space and is not read-only") from error  # fmt: skip


def _begun(folder: Path, config: StoreConfig, device: str, clock: Clock, opener: Connect) -> tuple[Identity, Database]:
    # Before anything is counted or moved: a newer store is left as it is.
    tables.refuse_newer(folder / tables.STORE_FILE)
    identity = Identity.open(folder, device, opener)
    try:
        deep = not identity.closed
        identity.begin()
        recovery.tidy(folder, identity.boot)
        return identity, _sound(folder, config, identity.boot, clock, opener, deep)
    except BaseException:
        identity.close()
        raise


def database(folder: Path, config: StoreConfig, opener: Connect) -> Database:
    """Return the database, made where it is absent.

    Raises:
        InputError: a newer version, or no store.
    """
    path = folder / tables.STORE_FILE
    if not path.exists():
        tables.make(folder / recovery.NEW_FILE, opener).close()
        tables.adopt(folder / recovery.NEW_FILE, path)
    opened = Database(path, opener)
    try:
        tables.check_version(opened)
        largest = config.quota - config.ballast - _LOG
        # A full database makes room; one that met the limit of the process could not even copy its log.
        tables.tune(opened, min(largest, file_operations.largest_file() or largest) // _PAGE)
    except BaseException:
        opened.close()
        raise
    return opened


def _sound(folder: Path, config: StoreConfig, boot: int, clock: Clock, opener: Connect, deep: bool) -> Database:
    try:
        opened = database(folder, config, opener)
        problem = recovery.sound(opened, deep)
        if not problem:
            return opened
        opened.close()
    except EdgewrightError:
        raise
    except Exception as error:
        if trouble(error) != "corrupt":
            raise
        problem = str(error)
    recovery.set_aside(folder, boot, clock.wall(), problem, opener)
    return database(folder, config, opener)
