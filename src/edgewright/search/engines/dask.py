"""`--engine dask://HOST:PORT`: the workers of a Dask cluster that runs already."""

from __future__ import annotations

import hashlib
import logging
import queue
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Self

from distributed import Client

from edgewright.schema.errors import InputError, OutputError
from edgewright.search.engines._worker import DONE, FAILED
from edgewright.search.engines.contract import BatchError, work_named

# What batches share, by digest, of the searches that this worker works for; the oldest goes.
_KEPT: dict[str, bytes] = {}
_MOST = 16


def keep(digest: str, shared: bytes) -> None:
    """Take what the batches of a search share: sent to each worker once."""
    _KEPT[digest] = shared
    while len(_KEPT) > _MOST:
        del _KEPT[next(iter(_KEPT))]


def perform(work: str, digest: str, batch: bytes) -> bytes:
    """Do a batch; a failure is told in bytes too, so that no exception is pickled on its way back."""
    try:
        return DONE + work_named(work)(_KEPT[digest], batch)
    except Exception as error:  # noqa: BLE001 - told to who asked
        return FAILED + f"{type(error).__name__}: {error}".encode()


CONNECT_SECONDS = 10.0
# How often the scheduler is asked which workers there are: a death costs at most so much beside its batch.
ASK_SECONDS = 0.5
# A cluster whose last worker died may get another one within this time.
WITHOUT_WORKERS_SECONDS = 60.0
# What these say of a connection that is lost, with a traceback, is said by the engine in one sentence.
_LOGGERS = ("distributed", "distributed.client", "distributed.core", "distributed.comm.tcp")
# A function of the standard library: a worker without edgewright can tell that it has none.
_ask = version
_HERE = "Search on this machine with --engine local"


@dataclass(eq=False)
class _Job:
    """A batch: its place, its bytes, how often it was given to a worker, and to which."""

    place: int
    batch: bytes
    tried: int = 0
    worker: str = ""
    future: Any = None  # of a library without types


@dataclass
class _Going:
    """The state of one `run`."""

    waiting: Iterator[tuple[int, bytes]]
    again: deque[_Job] = field(default_factory=deque)
    busy: dict[str, _Job] = field(default_factory=dict)
    done: queue.SimpleQueue[tuple[_Job, Any]] = field(default_factory=queue.SimpleQueue)

    def next(self) -> _Job | None:
        """Return a batch that is to be done again, else the next one; None where there is none."""
        return self.again.popleft() if self.again else next((_Job(n, b) for n, b in self.waiting), None)


class DaskEngine:
    """One batch at a time for each worker process; every batch is given to a named worker.

    The scheduler would run a batch whose worker died again and again, as its own settings say. Batches are therefore
    pinned to workers, and this engine alone decides what is tried once more.

    Args:
        address: 'HOST:PORT' of the scheduler.
        workers: at most so many; 0 takes what is there.
    """

    def __init__(self, address: str, workers: int = 0) -> None:
        self.address = address
        self.most = workers
        self.workers = workers or 1
        self.client: Any = None
        self._levels: dict[str, int] = {}
        self._refused: set[str] = set()
        self._known: set[str] = set()

    def __enter__(self) -> Self:
        self._levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        try:
            self._connect()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.client is not None:
            with suppress(Exception):
                self.client.close(timeout=2)
            self.client = None
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

    def _connect(self) -> None:
        wanted, where = "a Dask scheduler that answers", f"--engine dask://{self.address}"
        try:
            self.client = Client(  # type: ignore[no-untyped-call]
                f"tcp://{self.address}", timeout=CONNECT_SECONDS, set_as_default=False
            )
            there = self.client.nthreads()
        except (OSError, TimeoutError, ValueError) as error:
            got = str(error).splitlines()[0][:120] if isinstance(error, ValueError) else "no answer"
            raise InputError(wanted, got, where, f"Start it (dask scheduler). {_HERE}") from None
        if not there:
            raise InputError(
                "a Dask cluster with workers", "none", where, f"Start one: dask worker {self.address}. {_HERE}"
            )
        self._check(set(there), where)
        self.workers = min(len(there), self.most or len(there))

    def _check(self, addresses: set[str], where: str = "") -> None:
        """Ask new workers for their version: other code gives other results. With `where`, refuses them loudly.

        Raises:
            InputError: edgewright is absent on a worker, or another version.
        """
        new = sorted(addresses - self._known)
        if not new:
            return
        own = version("edgewright")
        for address, found in self.client.run(_ask, "edgewright", workers=new, on_error="return").items():
            if isinstance(found, OSError):
                continue  # it died meanwhile
            self._known.add(address)
            if found == own:
                continue
            self._refused.add(address)
            if where:
                got = "no edgewright" if isinstance(found, Exception) else f"edgewright {found}"
                raise InputError(
                    f"edgewright {own} on every worker", got, f"worker {address} of {where}",
                    f"Install the same version there. {_HERE}",
                )  # fmt: skip

    def run(self, work: str, shared: bytes, batches: Iterable[bytes]) -> Iterator[tuple[int, bytes | BatchError]]:
        """Run every batch once; after Ctrl-C a worker finishes its batch, whose result is dropped.

        Raises:
            InputError: an unknown function.
            OutputError: the scheduler, or the last worker, is gone; what came before stays.
        """
        work_named(work)
        going = _Going(enumerate(batches))
        try:
            yield from self._go(work, shared, going)
        except (OSError, TimeoutError):
            raise self._gone("the scheduler stopped responding") from None
        finally:
            left = [job.future for job in going.busy.values() if job.future is not None]
            if left and self.client is not None and self.client.status == "running":
                with suppress(Exception):
                    self.client.cancel(left, force=True)

    def _go(self, work: str, shared: bytes, going: _Going) -> Iterator[tuple[int, bytes | BatchError]]:
        digest = hashlib.sha256(shared).hexdigest()
        has: set[str] = set()
        there = self._ready(digest, shared, has)
        requested = time.monotonic()
        while True:
            self._give(work, digest, going, there)
            if not going.busy and not going.again:
                return
            with suppress(queue.Empty):
                job, future = going.done.get(timeout=ASK_SECONDS)
                if going.busy.get(job.worker) is job and job.future is future:
                    reported = self._taken(job, going)
                    if reported is not None:
                        yield reported
            if time.monotonic() - requested < ASK_SECONDS and there - set(going.busy):
                continue
            requested, there = time.monotonic(), self._ready(digest, shared, has)
            for job in [job for address, job in going.busy.items() if address not in there]:
                reported = self._lost(job, going)
                if reported is not None:
                    yield reported

    def _ready(self, digest: str, shared: bytes, has: set[str]) -> set[str]:
        """Return workers that are there and have what batches share, which is sent to each once."""
        there = self._there()
        new = sorted(there - has)
        if new:
            record = self.client.run(keep, digest, shared, workers=new, on_error="return")
            has.update(address for address, error in record.items() if error is None)
        return there & has

    def _there(self) -> set[str]:
        """Return workers that are there and have the right version; waits where none is.

        Raises:
            OutputError: none comes.
        """
        until = time.monotonic() + WITHOUT_WORKERS_SECONDS
        while True:
            if self.client.status != "running":
                raise OSError("no connection")
            found = set(self.client.nthreads())
            self._check(found)
            usable = sorted(found - self._refused)
            if usable:
                self.workers = min(len(usable), self.most or len(usable))
                return set(usable)
            if time.monotonic() > until:
                raise self._gone("its last worker disconnected")
            time.sleep(ASK_SECONDS)

    def _give(self, work: str, digest: str, going: _Going, there: set[str]) -> None:
        """Submit a batch for every free worker."""
        for address in sorted(there - set(going.busy)):
            if len(going.busy) >= (self.most or len(there)):
                return
            job = going.next()
            if job is None:
                return
            job.tried, job.worker = job.tried + 1, address
            going.busy[address] = job
            job.future = self.client.submit(
                perform, work, digest, job.batch, workers=[address], allow_other_workers=False, pure=False
            )
            # With its future: a batch that is done again must not be told by what became of the first try.
            job.future.add_done_callback(lambda future, job=job: going.done.put((job, future)))

    def _taken(self, job: _Job, going: _Going) -> tuple[int, bytes | BatchError] | None:
        """Return what a finished batch gave; None where it is tried once more."""
        if job.future.status == "finished":
            answer = job.future.result(timeout=CONNECT_SECONDS)
            del going.busy[job.worker]
            return job.place, answer[1:] if answer[:1] == DONE else BatchError(answer[1:].decode())
        if self.client.status != "running":
            raise OSError("no connection")
        return self._lost(job, going)

    def _lost(self, job: _Job, going: _Going) -> tuple[int, BatchError] | None:
        """Return a batch whose worker died: once more elsewhere, or given up."""
        del going.busy[job.worker]
        if job.future is not None:
            self.client.cancel([job.future], force=True)
        if job.tried < 2:
            going.again.append(job)
            return None
        return job.place, BatchError("it crashed two workers")

    def _gone(self, what: str) -> OutputError:
        return OutputError(
            "a cluster that runs until the end", what, f"--engine dask://{self.address}",
            "Finished trials are kept. Continue with --resume, on a cluster or here with --engine local",
        )  # fmt: skip


def _make(rest: str, workers: int) -> DaskEngine:
    host, colon, port = rest.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise InputError("dask://HOST:PORT", repr(f"dask://{rest}"), "--engine", "For example dask://127.0.0.1:8786")
    return DaskEngine(rest, workers)


ENGINE = _make
