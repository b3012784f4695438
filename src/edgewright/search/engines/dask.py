"""`--engine dask://HOST:PORT`: engine on the workers of a running Dask cluster."""

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

# Shared bytes of recent searches by digest, kept on each worker; the oldest entry is removed first.
_KEPT: dict[str, bytes] = {}
_MAX_KEPT = 16


def keep(digest: str, shared: bytes) -> None:
    """Store the shared bytes of a search on a worker."""
    _KEPT[digest] = shared
    while len(_KEPT) > _MAX_KEPT:
        del _KEPT[next(iter(_KEPT))]


def perform(work: str, digest: str, batch: bytes) -> bytes:
    """Run a batch and return its result or error as bytes, so that no exception is pickled."""
    try:
        return DONE + work_named(work)(_KEPT[digest], batch)
    except Exception as error:  # noqa: BLE001 - the caller receives the error
        return FAILED + f"{type(error).__name__}: {error}".encode()


CONNECT_SECONDS = 10.0
# Interval between queries of the scheduler for its workers, and so the maximum delay until a dead worker is noticed.
POLL_INTERVAL_S = 0.5
# Timeout for a new worker after the last one died.
WORKER_TIMEOUT_S = 60.0
# These loggers print a traceback for a lost connection; the engine silences them and raises a one-line error instead.
_LOGGERS = ("distributed", "distributed.client", "distributed.core", "distributed.comm.tcp")
# A function of the standard library, so that a worker without edgewright can run it and report its absence.
_ask = version
_HERE = "Search on this machine with --engine local"


@dataclass(eq=False)
class _Job:
    """A batch: its index, bytes, number of attempts, and current worker."""

    index: int
    batch: bytes
    attempts: int = 0
    worker: str = ""
    future: Any = None  # the library has no type annotations


@dataclass
class _RunState:
    """State of one call of `run`."""

    waiting: Iterator[tuple[int, bytes]]
    again: deque[_Job] = field(default_factory=deque)
    busy: dict[str, _Job] = field(default_factory=dict)
    done: queue.SimpleQueue[tuple[_Job, Any]] = field(default_factory=queue.SimpleQueue)

    def next(self) -> _Job | None:
        """Return a batch to retry, otherwise the next batch; None where no batch is left."""
        return self.again.popleft() if self.again else next((_Job(n, b) for n, b in self.waiting), None)


class DaskEngine:
    """Engine that pins one batch at a time to each worker process.

    By its own settings, the scheduler would restart a batch several times after its worker died. The engine therefore
    pins batches to workers and decides itself which batch to retry.

    Args:
        address: 'HOST:PORT' of the scheduler.
        workers: maximum number of workers; 0 uses all available ones.
    """

    def __init__(self, address: str, workers: int = 0) -> None:
        self.address = address
        self.max_workers = workers
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
        self.workers = min(len(there), self.max_workers or len(there))

    def _check(self, addresses: set[str], where: str = "") -> None:
        """Exclude new workers with another version of edgewright, because other code gives other results.

        Args:
            addresses: addresses of the workers.
            where: location for the error; where empty, such workers are ignored without an error.

        Raises:
            InputError: `where` is set, and a worker has no edgewright or another version.
        """
        new = sorted(addresses - self._known)
        if not new:
            return
        own = version("edgewright")
        for address, version_ in self.client.run(_ask, "edgewright", workers=new, on_error="return").items():
            if isinstance(version_, OSError):
                continue  # the worker has died
            self._known.add(address)
            if version_ == own:
                continue
            self._refused.add(address)
            if where:
                got = "no edgewright" if isinstance(version_, Exception) else f"edgewright {version_}"
                raise InputError(
                    f"edgewright {own} on every worker", got, f"worker {address} of {where}",
                    f"Install the same version there. {_HERE}",
                )  # fmt: skip

    def run(self, work: str, shared: bytes, batches: Iterable[bytes]) -> Iterator[tuple[int, bytes | BatchError]]:
        """Run every batch once; after Ctrl-C, running batches finish on their workers and their results are dropped.

        Raises:
            InputError: the function is unknown.
            OutputError: the scheduler or the last worker is lost; earlier results have been yielded.
        """
        work_named(work)
        going = _RunState(enumerate(batches))
        try:
            yield from self._go(work, shared, going)
        except (OSError, TimeoutError):
            raise self._disconnected("the scheduler stopped responding") from None
        finally:
            left = [job.future for job in going.busy.values() if job.future is not None]
            if left and self.client is not None and self.client.status == "running":
                with suppress(Exception):
                    self.client.cancel(left, force=True)

    def _go(self, work: str, shared: bytes, going: _RunState) -> Iterator[tuple[int, bytes | BatchError]]:
        digest = hashlib.sha256(shared).hexdigest()
        has: set[str] = set()
        there = self._ready(digest, shared, has)
        requested = time.monotonic()
        while True:
            self._submit(work, digest, going, there)
            if not going.busy and not going.again:
                return
            with suppress(queue.Empty):
                job, future = going.done.get(timeout=POLL_INTERVAL_S)
                if going.busy.get(job.worker) is job and job.future is future:
                    reported = self._finish(job, going)
                    if reported is not None:
                        yield reported
            if time.monotonic() - requested < POLL_INTERVAL_S and there - set(going.busy):
                continue
            requested, there = time.monotonic(), self._ready(digest, shared, has)
            for job in [job for address, job in going.busy.items() if address not in there]:
                reported = self._retry(job, going)
                if reported is not None:
                    yield reported

    def _ready(self, digest: str, shared: bytes, has: set[str]) -> set[str]:
        """Return available workers that have the shared bytes; send the bytes to new workers."""
        there = self._there()
        new = sorted(there - has)
        if new:
            record = self.client.run(keep, digest, shared, workers=new, on_error="return")
            has.update(address for address, error in record.items() if error is None)
        return there & has

    def _there(self) -> set[str]:
        """Return available workers with the right version; wait until there is one.

        Raises:
            OutputError: no worker connects within the timeout.
        """
        until = time.monotonic() + WORKER_TIMEOUT_S
        while True:
            if self.client.status != "running":
                raise OSError("no connection")
            workers = set(self.client.nthreads())
            self._check(workers)
            usable = sorted(workers - self._refused)
            if usable:
                self.workers = min(len(usable), self.max_workers or len(usable))
                return set(usable)
            if time.monotonic() > until:
                raise self._disconnected("its last worker disconnected")
            time.sleep(POLL_INTERVAL_S)

    def _submit(self, work: str, digest: str, going: _RunState, there: set[str]) -> None:
        """Submit a batch for every free worker."""
        for address in sorted(there - set(going.busy)):
            if len(going.busy) >= (self.max_workers or len(there)):
                return
            job = going.next()
            if job is None:
                return
            job.attempts, job.worker = job.attempts + 1, address
            going.busy[address] = job
            job.future = self.client.submit(
                perform, work, digest, job.batch, workers=[address], allow_other_workers=False, pure=False
            )
            # The future identifies the attempt, so that a late result of the first attempt is ignored after a retry.
            job.future.add_done_callback(lambda future, job=job: going.done.put((job, future)))

    def _finish(self, job: _Job, going: _RunState) -> tuple[int, bytes | BatchError] | None:
        """Return the result of a finished batch; None where the batch is retried."""
        if job.future.status == "finished":
            answer = job.future.result(timeout=CONNECT_SECONDS)
            del going.busy[job.worker]
            return job.index, answer[1:] if answer[:1] == DONE else BatchError(answer[1:].decode())
        if self.client.status != "running":
            raise OSError("no connection")
        return self._retry(job, going)

    def _retry(self, job: _Job, going: _RunState) -> tuple[int, BatchError] | None:
        """Queue a batch whose worker died for a retry and return None; return an error after the second attempt."""
        del going.busy[job.worker]
        if job.future is not None:
            self.client.cancel([job.future], force=True)
        if job.attempts < 2:
            going.again.append(job)
            return None
        return job.index, BatchError("it crashed two workers")

    def _disconnected(self, problem: str) -> OutputError:
        return OutputError(
            "a running Dask cluster", problem, f"--engine dask://{self.address}",
            "Finished trials are kept. Continue with --resume, on a cluster or here with --engine local",
        )  # fmt: skip


def _make(rest: str, workers: int) -> DaskEngine:
    host, colon, port = rest.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise InputError("dask://HOST:PORT", repr(f"dask://{rest}"), "--engine", "For example dask://127.0.0.1:8786")
    return DaskEngine(rest, workers)


ENGINE = _make
