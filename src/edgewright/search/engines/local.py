"""`--engine local`: one worker process per core, or this process for a single worker."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, Self

from edgewright.schema.errors import InputError
from edgewright.search.engines._worker import DONE, receive, send
from edgewright.search.engines.contract import BatchError, work_named

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Timeout while waiting for results; a wait without a timeout would block Ctrl-C until the next result.
POLL_TIMEOUT_S = 0.5
Answer = tuple["_Process", bytes | None]


class _Process:
    """A worker process with a thread that reads its results; None stands for a dead worker."""

    def __init__(self, work: str, shared: bytes, answers: queue.SimpleQueue[Answer]) -> None:
        command = [sys.executable, "-m", "edgewright.search.engines._worker"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env={**os.environ, **_ONE_THREAD})
        self.job: tuple[int, bytes, int] | None = None
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

    def give(self, job: tuple[int, bytes, int]) -> None:
        """Send a batch to the worker; the job is index, bytes and number of attempts."""
        self.job = job
        self._send(job[1])

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

    Idle processes stay alive for the next `run` of the same work, because loading their libraries can take longer than
    a batch.

    Args:
        workers: number of processes; 0 starts one per core.
    """

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers or len(os.sched_getaffinity(0))
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._idle: list[_Process] = []
        self._of: tuple[str, bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._idle:
            self._idle.pop().end()

    def run(self, work: str, shared: bytes, batches: Iterable[bytes]) -> Iterator[tuple[int, bytes | BatchError]]:
        """Run every batch once, in any order."""
        function = work_named(work)
        if self.workers > 1:
            yield from self._spawned(work, shared, batches)
            return
        for index, batch in enumerate(batches):
            try:
                yield index, function(shared, batch)
            except Exception as error:  # noqa: BLE001 - reported with the batch, like an error of a worker
                yield index, BatchError(f"{type(error).__name__}: {error}")

    def _spawned(self, work: str, shared: bytes, batches: Iterable[bytes]) -> Iterator[tuple[int, bytes | BatchError]]:
        if self._of != (work, shared):
            self.__exit__()
            self._of = (work, shared)
        waiting, again = enumerate(batches), deque[tuple[int, bytes, int]]()
        busy: set[_Process] = set()
        try:
            while True:
                while len(busy) < self.workers:
                    job = again.popleft() if again else next(((n, b, 1) for n, b in waiting), None)
                    if job is None:
                        break
                    worker = self._idle.pop() if self._idle else _Process(work, shared, self._answers)
                    busy.add(worker)
                    worker.give(job)
                if not busy:
                    return
                try:
                    worker, answer = self._answers.get(timeout=POLL_TIMEOUT_S)
                except queue.Empty:
                    continue
                if worker not in busy or worker.job is None:
                    if worker in self._idle:  # an idle worker has died
                        self._idle.remove(worker)
                        worker.end()
                    continue
                busy.discard(worker)
                index, batch, attempts = worker.job
                if answer is not None:
                    self._idle.append(worker)
                    yield index, answer[1:] if answer[:1] == DONE else BatchError(answer[1:].decode())
                elif attempts == 1:
                    worker.end()
                    again.append((index, batch, 2))
                else:
                    worker.end()
                    yield index, BatchError(f"it crashed two workers (exit status {worker.process.returncode})")
        finally:
            for worker in busy:
                worker.end()


def _make(rest: str, workers: int) -> LocalEngine:
    if rest:
        raise InputError("'local' without an address", f"local://{rest}", "--engine", "Use --engine local")
    return LocalEngine(workers)


ENGINE = _make
