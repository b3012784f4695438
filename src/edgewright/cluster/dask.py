"""`--cluster dask://HOST:PORT`: engine on the workers of a running Dask cluster."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import queue
import time
import uuid
import warnings
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from dask import config
from distributed import Client
from distributed.client import AllExit

from edgewright.cluster.mapping import BatchError, ClusterLostError, Engine, call
from edgewright.core.errors import ClusterError

# A line that is cut for less costs time; by Dask's own setting of 30 s it ends a command. A user's setting stays.
config.update_defaults({"distributed": {"comm": {"timeouts": {"tcp": "120s"}}}})
CONNECT_SECONDS = 10.0
# Timeout for a result that a worker has.
_FETCH_SECONDS = 20.0
# Interval between queries of the scheduler for its workers, and so the maximum delay until a dead worker is noticed.
_POLL_INTERVAL_S = 0.5
# Timeout for a new worker after the last one died.
_WORKER_TIMEOUT_S = 60.0
# These loggers print a traceback for a lost connection; the engine silences them and raises a one-line error instead.
_LOGGERS = ("distributed", "distributed.client", "distributed.core", "distributed.comm.tcp")
# A function of the standard library, so that a worker without edgewright can run it and report its absence.
_ask = version
_HERE = "Work on this machine with --cluster local:N"


def is_news(record: logging.LogRecord) -> bool:
    """Return whether asyncio reports more than that Dask stopped waiting for a worker that died."""
    return record.exc_info is None or record.exc_info[0] is not AllExit


class DaskEngine(Engine):
    """Engine that pins one batch at a time to each worker process.

    Left to itself, the scheduler blames a batch for the death of a worker where it only waited, and gives work to
    workers of another version.

    Args:
        address: 'HOST:PORT' of the scheduler.
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        self.title = f"dask://{address}"
        self.client: Any = None
        self._address, self._levels = address, dict[str, int]()
        # Workers by address: whether their version fits.
        self._known: dict[str, bool] = {}
        # Shared bytes on the cluster; the next heat of a race has the same ones.
        self._shared: tuple[bytes, Any] = (b"", None)
        self._done = queue.SimpleQueue[tuple[str, Any]]()
        # Available workers, and when the scheduler was asked for them.
        self._there, self._requested = set[str](), 0.0

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
        self._shared = (b"", None)
        if self.client is not None:
            with suppress(Exception):
                self.client.close(timeout=2)
            self.client = None
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

    def _connect(self) -> None:
        where = f"--cluster {self.title}"
        try:
            self.client = Client(  # type: ignore[no-untyped-call]
                f"tcp://{self._address}", timeout=CONNECT_SECONDS, set_as_default=False
            )
            there = self.client.nthreads()
        except (OSError, TimeoutError, ValueError) as error:
            got = str(error).splitlines()[0][:120] if isinstance(error, ValueError) else "no answer"
            raise ClusterError(
                "a Dask scheduler that answers", got, where, f"Start it (dask scheduler). {_HERE}"
            ) from None
        if not there:
            raise ClusterError(
                "a Dask cluster with workers", "none", where, f"Start one: dask worker {self._address}. {_HERE}"
            )
        for address, got in self._check(set(there)).items():
            raise ClusterError(
                f"edgewright {version('edgewright')} and the same libraries on every worker", got,
                f"worker {address} of {where}", f"Install the same there. {_HERE}",
            )  # fmt: skip
        self.workers = len(there)

    def _check(self, addresses: set[str]) -> dict[str, str]:
        """Return what differs on new workers whose code or libraries differ; such workers give other results.

        A worker says its version first, by a function that needs no edgewright; the hash of its files then shows
        whether that is true.
        """
        new, own, differing = sorted(addresses - self._known.keys()), version("edgewright"), dict[str, str]()
        versions = self.client.run(_ask, "edgewright", workers=new, on_error="return") if new else {}
        same = [address for address, theirs in versions.items() if theirs == own]
        identities = self.client.run(identity, workers=same, on_error="return") if same else {}
        for address, theirs in versions.items():
            there = identities.get(address)
            if isinstance(theirs, OSError) or isinstance(there, OSError):
                continue  # the worker has died
            if theirs == own:
                got = difference(identity(), there if isinstance(there, dict) else {})
            else:
                got = "no edgewright" if isinstance(theirs, Exception) else f"edgewright {theirs}"
            self._known[address] = not got
            if got:
                differing[address] = got
        return differing

    def run(
        self, shared: bytes, batches: Iterator[bytes | None]
    ) -> Generator[tuple[int, bytes | BatchError], None, None]:
        """Run every batch; when the generator is closed, batches are removed and running ones finish unused."""
        try:
            yield from super().run(shared, batches)
        except (OSError, TimeoutError):
            raise self._disconnected("the scheduler stopped responding") from None

    def _free(self, busy: Collection[str]) -> list[str]:
        if not self._there - set(busy) or time.monotonic() - self._requested > _POLL_INTERVAL_S:
            self._requested, self._there = time.monotonic(), self._available()
        return sorted(self._there - set(busy))

    def _begin(self, worker: str, shared: bytes, batch: bytes) -> Any:  # noqa: ANN401 - the library has no type annotations
        digest = hashlib.sha256(shared).digest()
        if self._shared[0] != digest:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that they are large
                # A task of a builtin, so that any worker can hold them.
                self._shared = digest, self.client.submit(bytes, shared, key=f"edgewright-{uuid.uuid4().hex}")
        future = self.client.submit(
            call, self._shared[1], batch, key=f"edgewright-{uuid.uuid4().hex}", workers=[worker],
            allow_other_workers=False, pure=False,
        )  # fmt: skip
        future.add_done_callback(lambda future: self._done.put((worker, future)))
        return future

    def _finished(self, busy: Mapping[str, Any]) -> list[tuple[str, bytes | BatchError | None]]:
        results = dict[str, bytes | BatchError | None]()
        with suppress(queue.Empty):
            worker, future = self._done.get(timeout=_POLL_INTERVAL_S)
            if worker in busy and busy[worker] is future:  # else of an attempt that was given up
                results[worker] = None
                with suppress(Exception):  # as of a worker that died with the result: the batch is retried
                    results[worker] = future.result(timeout=_FETCH_SECONDS)
        if time.monotonic() - self._requested > _POLL_INTERVAL_S or None in results.values():
            self._requested, self._there = time.monotonic(), self._available()
        results |= dict.fromkeys(busy.keys() - self._there - results.keys())
        self.client.cancel([busy[worker] for worker, answer in results.items() if answer is None], force=True)
        return list(results.items())

    def _abandon(self, busy: Mapping[str, Any]) -> None:
        if busy and self.client is not None and self.client.status == "running":
            with suppress(Exception):
                self.client.cancel(list(busy.values()), force=True)

    def _available(self) -> set[str]:
        """Return available workers with the right version; wait until there is one.

        Raises:
            ClusterLostError: no worker connects within the timeout.
        """
        until = time.monotonic() + _WORKER_TIMEOUT_S
        while time.monotonic() < until:
            if self.client.status != "running":
                raise OSError("no connection")
            workers = set(self.client.nthreads())
            self._check(workers)
            if usable := {address for address in workers if self._known.get(address)}:
                self.workers = len(usable)
                return usable
            time.sleep(_POLL_INTERVAL_S)
        raise self._disconnected("its last worker disconnected")

    def _disconnected(self, problem: str) -> ClusterLostError:
        return ClusterLostError(
            "a running Dask cluster", problem, f"--cluster {self.title}",
            "Continue with --resume where the command has it, on a cluster or here with --cluster local:N",
        )  # fmt: skip


def _make(rest: str) -> DaskEngine:
    address = rest.removeprefix("//")
    host, _, port = address.rpartition(":")
    if address == rest or not host.strip("/") or not (port.isdecimal() and 0 < int(port) < 65536):
        raise ClusterError("dask://HOST:PORT", repr(f"dask:{rest}"), "--cluster", "For example dask://127.0.0.1:8786")
    return DaskEngine(address)


ENGINE = _make
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "jax", "jaxlib", "optax")
# Suffixes of the files that influence results.
_SUFFIXES = frozenset({".py", ".toml", ".npy", ".c", ".h"})


@cache
def identity() -> dict[str, str]:
    """Return versions by name; 'code' is a hash of the files of Edgewright, whatever version they claim."""
    root = Path(__file__).parents[1]
    code = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in _SUFFIXES):
        code.update(f"{path.relative_to(root).as_posix()}\n".encode())
        code.update(hashlib.sha256(path.read_bytes()).digest())
    versions = {"edgewright": version("edgewright"), "code": code.hexdigest()[:12]}
    # A GPU rounds otherwise than a processor.
    versions["platform"] = os.environ.get("JAX_PLATFORMS", "cpu")
    versions["python"] = ".".join(platform.python_version_tuple()[:2])
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = ""
    return versions


def difference(here: dict[str, str], there: dict[str, str]) -> str:
    """Return what differs on a worker, such as 'numpy 2.1 (here 2.2)'; empty where nothing does."""
    named = {"code": "files of edgewright", "platform": "JAX_PLATFORMS"}
    return ", ".join(
        f"{named.get(name, name)} {there.get(name, 'unknown') or 'none'} (here {own or 'none'})"
        for name, own in here.items()
        if there.get(name) != own
    )
