"""`--cluster local:N`: N worker processes, or this process for a single worker."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import IO, Self

from edgewright.cluster._worker import DONE, receive, send
from edgewright.cluster.contract import BatchError, Job, Jobs, work_named
from edgewright.schema.errors import InputError

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_MAX_WORKERS = 1024
# Timeout while waiting for results; a wait without a timeout would block Ctrl-C until the next result.
POLL_TIMEOUT_S = 0.5
Answer = tuple["_Process", bytes | None]


class _Process:
    """A worker process with a thread that reads its results; None stands for a dead worker."""

    def __init__(self, work: str, shared: bytes, answers: queue.SimpleQueue[Answer]) -> None:
        command = [sys.executable, "-m", "edgewright.cluster._worker"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env={**os.environ, **_ONE_THREAD})
        self.job: Job | None = None
        threading.Thread(target=self._listen, args=(self.process.stdout, answers), daemon=True).start()
        self._send(work.encode())
        self._send(shared)

    def _listen(self, stream: IO[bytes], answers: queue.SimpleQueue[Answer]) -> None:
        with stream:
            while (answer := receive(stream)) is not None:
                answers.put((self, answer))
        answers.put((self, None))

    def _send(self, message: bytes) -> None:
        assert self.process.stdin is not None  # noqa: S101 - Popen was called with stdin=PIPE
        try:
            send(self.process.stdin, message)
        except OSError:
            return  # the worker has died; the reader thread reports it

    def give(self, job: Job) -> None:
        """Send a batch to the worker."""
        self.job = job
        self._send(job.batch)

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except OSError:
                return


@dataclass
class _Pool:
    """Processes for one work and its shared bytes, and the queue of their answers.

    Attributes:
        of: name of the work, and the shared bytes.
        idle: processes without a batch.
        answers: results; None for a process that has died.
    """

    of: tuple[str, bytes]
    idle: list[_Process] = field(default_factory=list)
    answers: queue.SimpleQueue[Answer] = field(default_factory=queue.SimpleQueue)

    def end(self) -> None:
        """Kill the idle processes."""
        while self.idle:
            self.idle.pop().end()


class LocalEngine:
    """Engine of spawned processes with one BLAS thread each; JAX's disk cache shares compiled programs between them.

    Idle processes stay alive for the next `run` of the same work, because loading their libraries can take longer than
    a batch.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int) -> None:
        self.workers, self.retried, self.title = workers, 0, f"local:{workers}"
        # Pool that no `run` uses. A `run` that begins within another one gets a pool of its own.
        self._pool: _Pool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave(None)

    def run(
        self, work: str, shared: bytes, batches: Iterable[bytes | None]
    ) -> Generator[tuple[int, bytes | BatchError], None, None]:
        """Run every batch, in any order."""
        function, jobs = work_named(work), Jobs(batches)
        if self.workers > 1:
            yield from self._spawned(work, shared, jobs)
            return
        while (job := jobs.next()) is not None:
            try:
                yield job.index, function(shared, job.batch)
            except Exception as error:  # noqa: BLE001 - reported with the batch, like an error of a worker
                yield job.index, BatchError(f"{type(error).__name__}: {error}")

    def _spawned(self, work: str, shared: bytes, jobs: Jobs) -> Generator[tuple[int, bytes | BatchError], None, None]:
        if self._pool is None or self._pool.of != (work, shared):
            self._leave(_Pool((work, shared)))
        pool, self._pool = self._pool, None
        assert pool is not None  # noqa: S101 - as above
        busy: set[_Process] = set()
        try:
            while True:
                while len(busy) < self.workers and (job := jobs.next()) is not None:
                    worker = pool.idle.pop() if pool.idle else _Process(work, shared, pool.answers)
                    busy.add(worker)
                    worker.give(job)
                if not busy:
                    return
                try:
                    worker, answer = pool.answers.get(timeout=POLL_TIMEOUT_S)
                except queue.Empty:
                    continue
                if worker not in busy or worker.job is None:
                    if worker in pool.idle:  # an idle worker has died
                        pool.idle.remove(worker)
                        worker.end()
                    continue
                busy.discard(worker)
                if answer is not None:
                    pool.idle.append(worker)
                    yield worker.job.index, answer[1:] if answer[:1] == DONE else BatchError(answer[1:].decode())
                    continue
                worker.end()
                self.retried += 1
                error = jobs.retry(worker.job, f" (exit status {worker.process.returncode})")
                if error is not None:
                    yield worker.job.index, error
        finally:
            for worker in busy:
                worker.end()
            self._leave(pool)

    def _leave(self, pool: _Pool | None) -> None:
        """Keep a pool for the next `run` instead of the one that is kept."""
        if self._pool is not None:
            self._pool.end()
        self._pool = pool


def _make(rest: str) -> LocalEngine:
    if rest and not (rest.isdecimal() and 0 < int(rest) <= _MAX_WORKERS):
        raise InputError(f"local:N with 1 to {_MAX_WORKERS} processes", repr(f"local:{rest}"), "--cluster")
    return LocalEngine(int(rest) if rest else len(os.sched_getaffinity(0)))


ENGINE = _make
