"""`--cluster local:N`: N worker processes, or this process for a single worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from edgewright.cluster.mapping import BatchError, Engine, call
from edgewright.core.errors import ClusterError

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_MAX_WORKERS = 1024


class _Worker:
    """A worker process, the pipe to it, and the shared bytes that it has."""

    def __init__(self) -> None:
        self.pipe, theirs = Pipe()
        self.shared: bytes | None = None
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())], pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=2, env={**os.environ, **_ONE_THREAD},
            )  # fmt: skip

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()
        self.pipe.close()


class LocalEngine(Engine):
    """Engine of processes with one BLAS thread each; JAX's disk cache shares compiled programs between them.

    Idle processes stay alive for the next `run`, because loading their libraries can take longer than a batch.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int) -> None:
        super().__init__()
        self.workers, self.title = workers, f"local:{workers}"
        self._idle: list[_Worker] = []

    def __exit__(self, *_: object) -> None:
        while self._idle:
            self._idle.pop().end()

    def run(
        self, shared: bytes, batches: Iterator[bytes | None]
    ) -> Generator[tuple[int, bytes | BatchError], None, None]:
        """Run every batch, a single worker being this process."""
        if self.workers > 1:
            yield from super().run(shared, batches)
            return
        for index, batch in enumerate(batches):
            yield index, call(shared, batch or b"")

    def _free(self, busy: Collection[Any]) -> Iterator[_Worker]:
        for _ in range(self.workers - len(busy)):
            if not self._idle:
                self._idle.append(_Worker())
            yield self._idle[-1]

    def _begin(self, worker: _Worker, shared: bytes, batch: bytes) -> Connection[Any, Any]:
        self._idle.remove(worker)
        with suppress(OSError):  # a worker that has died closes its end, which `wait` reports
            worker.pipe.send((None if shared == worker.shared else shared, batch))
        worker.shared = shared
        return worker.pipe

    def _finished(self, busy: Mapping[_Worker, Any]) -> list[tuple[_Worker, bytes | BatchError | None]]:
        ready, results = wait(busy.values()), list[tuple[_Worker, bytes | BatchError | None]]()
        for worker in busy:
            if worker.pipe in ready:
                try:
                    results.append((worker, worker.pipe.recv()))
                    self._idle.append(worker)
                except (EOFError, OSError):  # the worker has died, even within a message
                    worker.end()
                    results.append((worker, None))
        return results

    def _abandon(self, busy: Mapping[_Worker, Any]) -> None:
        for worker in busy:
            worker.end()


def _serve(pipe: Connection[Any, Any]) -> None:
    """Run batches until the parent closes the pipe or ends, even by kill -9."""
    # Ctrl-C reaches the whole process group; the parent handles it and stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    shared = b""
    with suppress(EOFError, OSError):
        while True:
            changed, batch = pipe.recv()
            shared = shared if changed is None else changed
            pipe.send(call(shared, batch))


def _make(rest: str) -> LocalEngine:
    if rest and not (rest.isdecimal() and 0 < int(rest) <= _MAX_WORKERS):
        raise ClusterError(f"local:N with 1 to {_MAX_WORKERS} processes", repr(f"local:{rest}"), "--cluster")
    return LocalEngine(int(rest) if rest else len(os.sched_getaffinity(0)))


ENGINE = _make

if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
