"""What a store remembers from boot to boot, and the bytes it has written: flash wears out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from edgewright.device.store import file_operations
from edgewright.device.store.database import Database

_DAY = 86400.0
_LOG_LIMIT = 512 << 10
_LOG_HEADER, _FRAME_HEADER = 32, 24


class Written(msgspec.Struct):
    """What is kept of it: all bytes ever, the day of running time, and the bytes of it and of the day before."""

    ever: int = 0
    day: int = 0
    today: int = 0
    yesterday: int = 0


class Memory(msgspec.Struct):
    """Running time in seconds, bytes written, keys that the gate kept back, the quota that was set."""

    age: float = 0.0
    written: Written = msgspec.field(default_factory=Written)
    withheld: int = 0
    quota: int = 0


def load(database: Database) -> Memory:
    """Return what was saved last; the age is at least that of the newest entry."""
    memory = Memory()
    content = database.value("SELECT value FROM meta WHERE key = 'memory'")
    with suppress(msgspec.MsgspecError, TypeError):
        memory = msgspec.json.decode(content or b"{}", type=Memory)
    for table in ("events", "rows"):
        newest = database.value(f"SELECT age FROM {table} ORDER BY id DESC LIMIT 1")  # noqa: S608
        memory.age = max(memory.age, float(newest or 0.0))
    return memory


def save(database: Database, memory: Memory) -> None:
    """Within a transaction: store what the next boot needs."""
    database.execute("INSERT OR REPLACE INTO meta VALUES ('memory', ?)", (msgspec.json.encode(memory),))


class WriteCounter:
    """Counts what SQLite writes: the growth of its log, and pages copied from it into the database.

    Args:
        database: of the store, with automatic checkpoints off.
        written: as it was stored.
    """

    def __init__(self, database: Database, written: Written) -> None:
        self._database, self.written = database, written
        self._log = database.path.with_name(f"{database.path.name}-wal")
        self._seen = file_operations.size(self._log)
        self._blocked = 0
        self._page = int(database.value("PRAGMA page_size"))

    def committed(self, age: float) -> None:
        """Count what the last commit added to the log."""
        now = file_operations.size(self._log)
        self._add(now - self._seen if now >= self._seen else now, age)
        self._seen = now

    def checkpoint(self, age: float, always: bool = False) -> bool:
        """Copy the log into the database once it is long, and empty it; return whether it was copied."""
        if not always and self._seen < _LOG_LIMIT + self._blocked:
            return False
        pages = self._pages()
        # Whoever reads meanwhile is not waited for: the log grows by another piece, then it is tried again.
        (patience,) = self._database.execute("PRAGMA busy_timeout")[0]
        self._database.execute("PRAGMA busy_timeout=0")
        try:
            busy, _, _ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        finally:
            self._database.execute(f"PRAGMA busy_timeout={patience}")
        self._blocked = self._seen if busy else 0
        if busy:
            return False
        self._add(pages * self._page, age)
        self._seen = file_operations.size(self._log)
        return True

    def today(self, age: float) -> int:
        """Bytes of the last day that the store ran: of this day, and the share of yesterday that is still in it."""
        self._turn(age)
        return round(self.written.today + self.written.yesterday * (1 - age % _DAY / _DAY))

    def _pages(self) -> int:
        """Different pages in the log: each is written into the database once, however often it stands in the log."""
        numbers = set()
        with suppress(OSError), self._log.open("rb") as file:
            # A header of 32 bytes, then frames: 24 bytes that begin with the page's number, and the page
            # (sqlite.org/fileformat.html, 4.1).
            for offset in range(_LOG_HEADER, self._seen, _FRAME_HEADER + self._page):
                file.seek(offset)
                numbers.add(file.read(4))
        return len(numbers)

    def _add(self, count: int, age: float) -> None:
        self._turn(age)
        self.written.ever += count
        self.written.today += count

    def _turn(self, age: float) -> None:
        day = int(age // _DAY)
        if day != self.written.day:
            self.written.yesterday = self.written.today if day == self.written.day + 1 else 0
            self.written.day, self.written.today = day, 0


def of_process() -> int | None:
    """Return bytes that this process caused to be sent to storage, as Linux counts them (proc(5), `write_bytes`)."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes:")), None)
