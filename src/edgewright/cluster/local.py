"""`--cluster local:N`: N worker processes, or this process for a single worker."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable
from typing import IO, Self

from edgewright.cluster._worker import BATCH, DONE, SHARED, WORK, receive, send
from edgewright.cluster.contract import BatchError, Job, Jobs, work_named
from edgewright.schema.errors import InputError

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_MAX_WORKERS = 1024
# Timeout while waiting for results; a wait without a timeout would block Ctrl-C until the next result.
POLL_TIMEOUT_S = 0.5
Answer = tuple["_Process", bytes | None]


class _Process:
    """A worker process with a thread that reads its results; None stands for a dead worker.

    Attributes:
        job: batch that it runs.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-m", "edgewright.cluster._worker"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env={**os.environ, **_ONE_THREAD})
        self.job: Job | None = None
        self.has_ended = False
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        # Work and shared bytes that it has.
        self._has: tuple[str, bytes] | None = None
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            while (answer := receive(stream)) is not None:
                self._answers.put((self, answer))
        self.has_ended = True
        self._answers.put((self, None))

    def give(self, job: Job, needs: tuple[str, bytes], answers: queue.SimpleQueue[Answer]) -> None:
        """Send a batch to the worker.

        Args:
            job: the batch.
            needs: name of the work, and the shared bytes; sent where the worker has others.
            answers: receives the result.
        """
        self.job, self._answers = job, answers
        if self._has != needs:
            work, shared = needs
            self._send(WORK + work.encode())
            self._send(SHARED, shared)
            self._has = needs
        self._send(BATCH, job.batch)
        if self.has_ended:  # it may have reported that to the answers of the run before
            answers.put((self, None))

    def _send(self, *parts: bytes) -> None:
        assert self.process.stdin is not None  # noqa: S101 - Popen was called with stdin=PIPE
        try:
            send(self.process.stdin, *parts)
        except OSError:
            return  # the worker has died; the reader thread reports it

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except OSError:
                return


class LocalEngine:
    """Engine of spawned processes with one BLAS thread each; JAX's disk cache shares compiled programs between them.

    Idle processes stay alive for the next `run`, because loading their libraries can take longer than a batch.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int) -> None:
        self.workers, self.retried, self.title = workers, 0, f"local:{workers}"
        self._idle: list[_Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._idle:
            self._idle.pop().end()

    def run(
        self, work: str, shared: bytes, batches: Iterable[bytes | None]
    ) -> Generator[tuple[int, bytes | BatchError], None, None]:
        """Run every batch, in any order."""
        function, jobs = work_named(work), Jobs(batches)
        if self.workers > 1:
            yield from self._spawned((work, shared), jobs)
            return
        while (job := jobs.next()) is not None:
            try:
                yield job.index, function(shared, job.batch)
            except Exception as error:  # noqa: BLE001 - reported with the batch, like an error of a worker
                yield job.index, BatchError(f"{type(error).__name__}: {error}")

    def _spawned(self, needs: tuple[str, bytes], jobs: Jobs) -> Generator[tuple[int, bytes | BatchError], None, None]:
        answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        busy: set[_Process] = set()
        try:
            while True:
                while len(busy) < self.workers and (job := jobs.next()) is not None:
                    worker = self._free()
                    busy.add(worker)
                    worker.give(job, needs, answers)
                if not busy:
                    return
                try:
                    worker, answer = answers.get(timeout=POLL_TIMEOUT_S)
                except queue.Empty:
                    continue
                if worker not in busy or worker.job is None:
                    continue  # its end was reported twice
                busy.discard(worker)
                if answer is not None:
                    self._idle.append(worker)
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

    def _free(self) -> _Process:
        """Return an idle process, or a new one."""
        while self._idle:
            worker = self._idle.pop()
            if not worker.has_ended:
                return worker
            worker.end()
        return _Process()


def _make(rest: str) -> LocalEngine:
    if rest and not (rest.isdecimal() and 0 < int(rest) <= _MAX_WORKERS):
        raise InputError(f"local:N with 1 to {_MAX_WORKERS} processes", repr(f"local:{rest}"), "--cluster")
    return LocalEngine(int(rest) if rest else len(os.sched_getaffinity(0)))


ENGINE = _make
