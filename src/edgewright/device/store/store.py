"""The store of a device: events, raw rows and an outbox in one SQLite file that survives power cuts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import EdgewrightError, OutputError, StoreDamagedError
from edgewright.core.records.data import Floats
from edgewright.core.records.device import PRIORITY, Event
from edgewright.device.store import entries, startup, stream_state
from edgewright.device.store.database import Connect, Database, connect
from edgewright.device.store.entries import AllowList, Key, Write, read_key
from edgewright.device.store.group_commit import Committer, Outbox
from edgewright.device.store.identity import Identity
from edgewright.device.store.records import RAW_PRIORITY, Item, SourcePlace, StoreConfig
from edgewright.device.store.retention import TableSizes
from edgewright.device.store.startup import Clock, SystemClock

# Rows that wait are packed and written when there are so many, whatever the time.
_ROWS_AT_ONCE = 4096
_Batch = list[tuple[NDArray[np.float64], Floats]]


class Store:
    """An open store; one process writes it. Make it with `Store.open`.

    What is appended waits up to `StoreConfig.group_seconds` for others and is then made durable together; `commit`
    does it now. After `commit` has returned, a power cut takes nothing of it, on storage that honours a flush.
    """

    def __init__(
        self, folder: Path, config: StoreConfig, identity: Identity, database: Database, clock: Clock, lock: IO[str]
    ) -> None:
        self.folder, self.config, self.identity = folder, config, identity
        self.gate = AllowList(config.send_detail, config.send_columns)
        self.key: Key | None = None
        self._clock, self._lock = clock, lock
        self.guard = threading.RLock()
        """One thread at a time."""
        self._batches: dict[tuple[str, tuple[str, ...]], _Batch] = {}
        self._batched = 0
        self._sequence = 0
        self._urgent = self._grouped = False
        self.committer = Committer(folder, config, database, identity.boot, clock, self.gate, self._new_item)
        self.outbox = Outbox(self.committer, self.gate, self.guard, self._new_item, self.append_events, self.tick)

    @classmethod
    def open(
        cls, folder: Path, config: StoreConfig | None = None, device: str = "", clock: Clock | None = None,
        opener: Connect = connect,
    ) -> Store:  # fmt: skip
        """Open the store in a folder for writing, or create one, and count a boot.

        A database that is damaged is set aside under a name that says so, and what could be read of it goes on.

        Args:
            folder: holds the store alone; made where it is absent.
            config: settings.
            device: its name when the store is made; later it must be the same, or empty.
            clock: for tests.
            opener: for tests.

        Raises:
            InputError: a store of a newer version or of another device, or another process writes it.
            MissingExtraError: columns are to be encrypted and `cryptography` is absent.
            OutputError: the folder cannot be written.
        """
        config = config or StoreConfig()
        clock = clock or SystemClock()
        if config.encrypt and not config.key_file:
            raise StoreDamagedError("a key_file with 'encrypt'", "none", "[store]", "Name a file of 32 bytes")
        key = read_key(Path(config.key_file)) if config.key_file else None
        lock = startup.lock(folder)
        try:
            identity, database = startup.begin(folder, config, device, clock, opener)
            store = cls(folder, config, identity, database, clock, lock)
        except BaseException:
            lock.close()
            raise
        store.key = key
        return store

    @property
    def device(self) -> str:
        """Name of the device."""
        return self.identity.device

    @property
    def boot(self) -> int:
        """Number of this boot."""
        return self.identity.boot

    @property
    def sequence(self) -> int:
        """The last number that was given in this boot."""
        return self._sequence

    @property
    def database(self) -> Database:
        """The open database; it changes where a damaged one was set aside."""
        return self.committer.database

    @property
    def room(self) -> TableSizes:
        """Sizes and retention."""
        return self.committer.room

    def age(self) -> float:
        """Return the running time in seconds, over all boots."""
        return self.committer.age()

    def append_events(self, events: Sequence[Event]) -> list[int]:
        """Store events, in order, and queue for leaving those of the kinds in `StoreConfig.send`.

        Returns:
            Their sequence numbers in this boot.

        Raises:
            OutputError: what had to be made durable now could not be; it stays in memory and is tried again.
        """
        with self.guard:
            numbers = []
            wall, now = self._clock.wall(), self.age()
            for event in events:
                number = self._next()
                self._add(entries.event(event, self.boot, number, now, wall))
                if event.kind in self.config.send:
                    item = self._item("event", self.gate.event(event), number, wall)
                    self._add(entries.item(item, PRIORITY[event.kind], now))
                numbers.append(number)
            self._urgent |= any(event.kind in self.config.at_once for event in events)
            self.tick()
            return numbers

    def append_rows(self, stream: str, names: Sequence[str], times: NDArray[np.float64], values: Floats) -> None:
        """Store raw rows, which stay here but for columns in `StoreConfig.send_columns`.

        Args:
            stream: whose rows.
            names: of the columns.
            times: shape (rows,), seconds of the stream's clock.
            values: shape (rows, columns), float32.

        Raises:
            InputError: the shapes do not agree.
            OutputError: as `append_events`.
        """
        times, values = np.array(times, dtype=np.float64), np.array(values, dtype=np.float32)
        if times.ndim != 1 or values.shape != (len(times), len(names)):
            raise StoreDamagedError(
                f"rows of {len(names)} columns, as many as times", f"shape {values.shape}", f"stream {stream!r}"
            )
        if not len(times):
            return
        with self.guard:
            self._batches.setdefault((stream, tuple(names)), []).append((times, values))
            self._batched += len(times)
            self.committer.pending.begin(self.age())
            self._urgent |= self._batched >= _ROWS_AT_ONCE
            self.tick()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all that is appended within durable in the same transaction.

        Raises:
            OutputError: as `append_events`.
        """
        with self.guard:
            self._grouped = True
            try:
                yield
            finally:
                self._grouped = False
            self.tick()

    def remember(
        self, states: Mapping[str, bytes | None], now: SourcePlace, scope: str = "",
        done: Callable[[], None] | None = None, at_once: bool = False,
    ) -> None:  # fmt: skip
        """Store what goes on at the next start, in one transaction with what was appended before.

        Args:
            states: of streams, by name; None forgets one. Those that are not named stay.
            now: place in the source; the store numbers it.
            scope: of the source, apart from others; empty for a live one.
            done: called once it is durable.
            at_once: whether it does not wait for others.

        Raises:
            OutputError: as `append_events`.
        """
        with self.guard:
            numbered = msgspec.structs.replace(now, at=(self.boot, self._sequence))
            self.committer.pending.keep(stream_state.entries(states, numbered, scope), done, self.age())
            self._urgent |= at_once
            self.tick()

    def tick(self) -> None:
        """Make durable what has waited long enough; call it now and then where nothing is appended.

        Raises:
            OutputError: as `commit`.
        """
        with self.guard:
            if not self._grouped and (self._urgent or self.committer.due()):
                self.commit()

    def commit(self) -> None:
        """Make all that was appended, acknowledged and queued durable.

        Raises:
            OutputError: the disk is full of other things, or cannot be written. What waits stays in memory, up to
                4 MiB; the least urgent is given up first, and the next commit tries again.
        """
        with self.guard:
            self._urgent = False
            self._pack()
            self.committer.commit()

    def close(self) -> None:
        """Make everything durable and end this boot in order.

        Raises:
            OutputError: as `commit`; the store is closed all the same.
        """
        with self.guard:
            try:
                self.commit()
                self.committer.copy_log(always=True)
                self.committer.mended(self.committer.remember)
                self.committer.mended(self.identity.end)
            except EdgewrightError:
                raise
            except Exception as error:
                raise OutputError("to close the store in order", str(error), str(self.folder),
                                  "Committed data is safe; the next start checks the store") from error  # fmt: skip
            finally:
                with suppress(Exception):
                    self.database.close()
                self.identity.close()
                self._lock.close()

    def __enter__(self) -> Store:
        """Return the store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _add(self, write: Write) -> None:
        self.committer.pending.add(write, self.age())

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _item(self, kind: str, body: dict[str, Any], number: int, wall: float) -> Item:
        return Item(device=self.device, boot=self.boot, sequence=number, kind=kind, put=wall, body=body)

    def _new_item(self, kind: str, body: dict[str, Any]) -> Item:
        return self._item(kind, body, self._next(), self._clock.wall())

    def _pack(self) -> None:
        """Turn rows that wait into blocks, one a stream."""
        for (stream, names), batch in self._batches.items():
            times = np.concatenate([part[0] for part in batch])
            values = np.concatenate([part[1] for part in batch])
            item = self._new_item("rows", {})
            encrypt, age = self.config.encrypt, self.age()
            self._add(entries.rows(item, stream, names, times, values, age, encrypt, self.key))
            allowed = self.gate.columns(names)
            if allowed:
                body = entries.raw_body(stream, names, times, values, allowed)
                self._add(entries.item(msgspec.structs.replace(item, body=body), RAW_PRIORITY, age))
        self._batches, self._batched = {}, 0
