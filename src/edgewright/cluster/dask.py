"""`--cluster dask://HOST:PORT`: engine on the workers of a running Dask cluster."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import math
import queue
import statistics
import threading
import time
import urllib.request
import uuid
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any, Self

from dask import config
from distributed import Client, get_worker
from distributed.client import AllExit

from edgewright.cluster._worker import DONE, FAILED, failure
from edgewright.cluster.contract import BatchError, ClusterLostError, Job, Jobs, work_named
from edgewright.cluster.identity import difference, identity
from edgewright.schema.errors import InputError

# A line that is cut for less costs time; by Dask's own setting of 30 s it ends a command. A user's setting stays.
config.update_defaults({"distributed": {"comm": {"timeouts": {"tcp": "120s"}}}})
# Shared bytes of recent runs by digest, kept on each worker; the oldest entry is removed first.
_KEPT: dict[str, bytes] = {}
_MAX_KEPT = 4
# Answer of a worker that removed the shared bytes of a run because other clients began later ones.
_FORGOTTEN = b""
# Batches of several clients run one after the other in a process, as each of them would alone.
_ONE = threading.Lock()
# Interval at which a batch looks whether its client still wants it.
_WANTED_INTERVAL_S = 0.5


def is_news(record: logging.LogRecord) -> bool:
    """Return whether asyncio reports more than that Dask stopped waiting for a worker that died."""
    return record.exc_info is None or record.exc_info[0] is not AllExit


class _StoppedError(BaseException):
    """The client of a batch cancelled it or is gone."""


def keep(digest: str, shared: bytes) -> None:
    """Store the shared bytes of a run on a worker."""
    _KEPT.pop(digest, None)  # the run that begins last is removed last
    _KEPT[digest] = shared
    while len(_KEPT) > _MAX_KEPT:
        del _KEPT[next(iter(_KEPT))]


def perform(work: str, digest: str, batch: bytes, key: str) -> bytes:
    """Run a batch and return its result or error as bytes, so that no exception is pickled."""
    try:
        with _ONE, _ends_when_unwanted(key):
            shared = _KEPT.get(digest)
            return _FORGOTTEN if shared is None else DONE + work_named(work)(shared, batch)
    except Exception as error:  # noqa: BLE001 - the caller receives the error
        return failure(error)
    except _StoppedError:
        return FAILED + b"it was cancelled"


@contextmanager
def _ends_when_unwanted(key: str) -> Iterator[None]:
    """Raise `_StoppedError` in the block once the scheduler no longer wants the result of a task."""
    tasks, thread = get_worker().state.tasks, threading.get_ident()
    finished, lock = threading.Event(), threading.Lock()

    def watch() -> None:
        while not finished.wait(_WANTED_INTERVAL_S):
            task = tasks.get(key)
            with lock:
                if not finished.is_set() and (task is None or task.state != "executing"):
                    _raise_in(thread, ctypes.py_object(_StoppedError))
                    return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            finished.set()
        _raise_in(thread, None)  # what was raised too late is taken back


def _raise_in(thread: int, error: Any) -> None:  # noqa: ANN401 - a `ctypes.py_object` or None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), error)


CONNECT_SECONDS = 10.0
# Timeout for a result that a worker has.
FETCH_SECONDS = 20.0
_DASHBOARD_S = 2.0
# Interval between queries of the scheduler for its workers, and so the maximum delay until a dead worker is noticed.
POLL_INTERVAL_S = 0.5
# A worker that joins gets work after so many seconds: the nanny of one that dies while it starts gives up.
_SETTLING_S = 2.0
# Timeout for a new worker after the last one died.
WORKER_TIMEOUT_S = 60.0
# A batch that takes this many times the median of the others, and so many seconds, is also given to a free worker.
_SLOW_FACTOR, SLOW_S = 3.0, 5.0
# These loggers print a traceback for a lost connection; the engine silences them and raises a one-line error instead.
_LOGGERS = ("distributed", "distributed.client", "distributed.core", "distributed.comm.tcp")
# A function of the standard library, so that a worker without edgewright can run it and report its absence.
_ask = version
_HERE = "Work on this machine with --cluster local:N"


@dataclass(eq=False)
class _Attempt:
    """A batch on a worker; `answer` is None where it has none, or it does not arrive."""

    job: Job
    worker: str
    future: Any  # the library has no type annotations
    began: float
    answer: bytes | None = None

    def fetch(self, done: queue.SimpleQueue[_Attempt]) -> None:
        """Fetch the answer; its worker may stand still since it finished, or its line be cut."""
        with suppress(Exception):  # as of a worker that died: the batch is retried
            if self.future.status == "finished":
                self.answer = self.future.result(timeout=FETCH_SECONDS)
        done.put(self)


@dataclass
class _RunState:
    """State of one call of `run`; `has` are the workers that have its shared bytes."""

    jobs: Jobs
    has: set[str]
    busy: dict[str, _Attempt] = field(default_factory=dict)
    done: queue.SimpleQueue[_Attempt] = field(default_factory=queue.SimpleQueue)
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=100))

    def attempts(self, job: Job) -> int:
        """Return how many workers run a batch."""
        return sum(attempt.job is job for attempt in self.busy.values())

    def next(self) -> Job | None:
        """Return the next batch; where none is left, one that a slow worker does not finish."""
        job = self.jobs.next()
        if job is not None or not self.durations:
            return job
        limit = time.monotonic() - max(SLOW_S, _SLOW_FACTOR * statistics.median(self.durations))
        slow = [attempt for attempt in self.busy.values() if self._is_alone(attempt.job) and attempt.began < limit]
        return min(slow, key=lambda attempt: attempt.began).job if slow else None

    def _is_alone(self, job: Job) -> bool:
        return not job.finished and self.attempts(job) == 1

    @property
    def is_waited_for(self) -> bool:
        """Whether a batch without a result is on a worker."""
        return any(not attempt.job.finished for attempt in self.busy.values())


class DaskEngine:
    """Engine that pins one batch at a time to each worker process.

    By its own settings, the scheduler would restart a batch several times after its worker died. The engine therefore
    pins batches to workers and decides itself which batch to retry.

    Args:
        address: 'HOST:PORT' of the scheduler.
    """

    def __init__(self, address: str) -> None:
        self.address, self.title = address, f"dask://{address}"
        self.workers, self.retried = 1, 0
        self.client: Any = None
        self._levels: dict[str, int] = {}
        self._refused: set[str] = set()
        # Workers that gave their versions, and since when they are known.
        self._known: dict[str, float] = {}
        # Workers that have the shared bytes of a run, by digest; the next heat of a race has the same ones.
        self._holders: dict[str, set[str]] = {}

    def __enter__(self) -> Self:
        self._levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        # Stays: asyncio reports such a task when its memory is freed, which may be after the last batch.
        logging.getLogger("asyncio").addFilter(is_news)
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
        wanted, where = "a Dask scheduler that answers", f"--cluster dask://{self.address}"
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
        self.workers = len(there)
        if dashboard := self._dashboard():
            self.title = f"{self.title}, its dashboard {dashboard}"

    def _dashboard(self) -> str:
        """Return the address of the scheduler's dashboard; empty where it has none: Dask names one in any case."""
        link = str(self.client.dashboard_link)
        try:
            self.client.run_on_scheduler(_ask, "bokeh")  # which draws it
            with urllib.request.urlopen(link, timeout=_DASHBOARD_S):  # noqa: S310 - of the scheduler, which is trusted
                return link
        except Exception:  # noqa: BLE001 - as of a scheduler that is asked, or of its page
            return ""

    def _check(self, addresses: set[str], where: str = "") -> None:
        """Exclude new workers whose code or libraries differ, because these give other results.

        A worker says its version first, by a function that needs no edgewright; the hash of its files then shows
        whether that is true.

        Args:
            addresses: addresses of the workers.
            where: location for the error; where empty, such workers are ignored without an error.

        Raises:
            InputError: `where` is set, and a worker has no edgewright, or another one or other libraries.
        """
        new = sorted(addresses - self._known.keys())
        if not new:
            return
        own = version("edgewright")
        versions = self.client.run(_ask, "edgewright", workers=new, on_error="return")
        same = [address for address, theirs in versions.items() if theirs == own]
        identities = self.client.run(identity, workers=same, on_error="return") if same else {}
        for address, theirs in versions.items():
            there = identities.get(address)
            if isinstance(theirs, OSError) or isinstance(there, OSError):
                continue  # the worker has died
            self._known[address] = 0.0 if where else time.monotonic()
            if isinstance(theirs, Exception):
                got = "no edgewright"
            elif theirs != own:
                got = f"edgewright {theirs}"
            else:
                got = difference(identity(), there if isinstance(there, dict) else {})
            if not got:
                continue
            self._refused.add(address)
            if where:
                raise InputError(
                    f"edgewright {own} and the same libraries on every worker", got, f"worker {address} of {where}",
                    f"Install the same there. {_HERE}",
                )  # fmt: skip

    def run(
        self, work: str, shared: bytes, batches: Iterable[bytes | None]
    ) -> Generator[tuple[int, bytes | BatchError], None, None]:
        """Run every batch; when the generator is closed, as by Ctrl-C, batches that run are ended on their workers.

        Raises:
            InputError: the function is unknown.
            ClusterLostError: the scheduler or the last worker is lost; earlier results have been yielded.
        """
        work_named(work)
        digest = hashlib.sha256(shared).hexdigest()
        state = _RunState(Jobs(batches), self._holders.setdefault(digest, set()))
        try:
            yield from self._go(work, digest, shared, state)
        except (OSError, TimeoutError):
            raise self._disconnected("the scheduler stopped responding") from None
        finally:
            left = [attempt.future for attempt in state.busy.values()]
            if left and self.client is not None and self.client.status == "running":
                with suppress(Exception):
                    self.client.cancel(left, force=True)

    def _go(
        self, work: str, digest: str, shared: bytes, state: _RunState
    ) -> Generator[tuple[int, bytes | BatchError], None, None]:
        there = self._ready(digest, shared, state.has)
        requested = time.monotonic()
        while True:
            self._submit(work, digest, state, there)
            if not state.is_waited_for and not state.jobs.has_next():
                return
            with suppress(queue.Empty):
                attempt = state.done.get(timeout=POLL_INTERVAL_S)
                if state.busy.get(attempt.worker) is attempt:
                    reported = self._finish(attempt, state)
                    if reported is not None:
                        yield reported
            if time.monotonic() - requested < POLL_INTERVAL_S and there - set(state.busy) and there <= state.has:
                continue
            requested, there = time.monotonic(), self._ready(digest, shared, state.has)
            for attempt in [attempt for address, attempt in state.busy.items() if address not in there]:
                reported = self._lost(attempt, state)
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
            ClusterLostError: no worker connects within the timeout.
        """
        until = time.monotonic() + WORKER_TIMEOUT_S
        while True:
            if self.client.status != "running":
                raise OSError("no connection")
            workers = set(self.client.nthreads())
            self._check(workers)
            settled = time.monotonic() - _SETTLING_S
            usable = {address for address in workers - self._refused if self._known.get(address, math.inf) <= settled}
            if usable:
                self.workers = len(usable)
                return usable
            if time.monotonic() > until:
                raise self._disconnected("its last worker disconnected")
            time.sleep(POLL_INTERVAL_S)

    def _submit(self, work: str, digest: str, state: _RunState, there: set[str]) -> None:
        """Submit a batch for every free worker."""
        for address in sorted(there - set(state.busy)):
            job = state.next()
            if job is None:
                return
            # The key identifies the attempt, so that a late result of an earlier one is ignored after a retry.
            key = f"edgewright-{uuid.uuid4().hex}"
            future = self.client.submit(
                perform, work, digest, job.batch, key, key=key, workers=[address], allow_other_workers=False, pure=False
            )
            attempt = state.busy[address] = _Attempt(job, address, future, time.monotonic())
            # Each in a thread of its own, so that none waits for another.
            fetch = partial(threading.Thread, target=attempt.fetch, args=(state.done,), daemon=True)
            future.add_done_callback(lambda _, fetch=fetch: fetch().start())

    def _finish(self, attempt: _Attempt, state: _RunState) -> tuple[int, bytes | BatchError] | None:
        """Return the result of a finished batch; None where the batch is retried, or another worker was faster."""
        answer = attempt.answer
        if answer is None:
            if self.client.status != "running":
                raise OSError("no connection")
            return self._lost(attempt, state)
        del state.busy[attempt.worker]
        if answer == _FORGOTTEN:
            state.has.discard(attempt.worker)
        if attempt.job.finished:
            return None
        if answer == _FORGOTTEN:
            if not state.attempts(attempt.job):
                state.jobs.put_back(attempt.job)
            return None
        attempt.job.finished = True
        state.durations.append(time.monotonic() - attempt.began)
        return attempt.job.index, answer[1:] if answer[:1] == DONE else BatchError(answer[1:].decode())

    def _lost(self, attempt: _Attempt, state: _RunState) -> tuple[int, BatchError] | None:
        """Queue a batch whose worker died for a retry and return None; return an error after the last attempt."""
        del state.busy[attempt.worker]
        self.client.cancel([attempt.future], force=True)
        job = attempt.job
        if job.finished or state.attempts(job):
            return None
        self.retried += 1
        error = state.jobs.retry(job)
        job.finished = error is not None
        return None if error is None else (job.index, error)

    def _disconnected(self, problem: str) -> ClusterLostError:
        return ClusterLostError(
            "a running Dask cluster", problem, f"--cluster dask://{self.address}",
            "Continue with --resume where the command has it, on a cluster or here with --cluster local:N",
        )  # fmt: skip


def _make(rest: str) -> DaskEngine:
    address = rest.removeprefix("//")
    host, _, port = address.rpartition(":")
    if address == rest or not host.strip("/") or not (port.isdecimal() and 0 < int(port) < 65536):
        raise InputError("dask://HOST:PORT", repr(f"dask:{rest}"), "--cluster", "For example dask://127.0.0.1:8786")
    return DaskEngine(address)


ENGINE = _make
