"""Every state that a power cut may leave of what was recorded, opened again and held to what was promised."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faults.forking import in_fork
from benchmarks.faults.model import WAYS, Disk, Operation, Way, lay
from benchmarks.faults.workload import Workload

_FAST = Path("/dev/shm")  # noqa: S108 - the flushes of the program under test are real; here they cost nothing


@dataclass
class Result:
    """States looked at, by way; and what was wrong."""

    states: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.states.values())

    def add(self, way: str, problem: str) -> None:
        """One state more."""
        self.states[way] = self.states.get(way, 0) + 1
        if problem:
            self.wrong.append(problem)

    def join(self, other: Result) -> None:
        """All of another's."""
        for way, count in other.states.items():
            self.states[way] = self.states.get(way, 0) + count
        self.wrong += other.wrong


@dataclass(frozen=True)
class State:
    """Files, the promise before the cut and the next one, which the cut may have come after or before."""

    point: int
    way: Way
    files: dict[str, bytes]
    before: Any
    after: Any


def states(start: dict[str, bytes], steps: Sequence[Operation], seed: int, share: float = 1.0) -> Iterator[State]:
    """States after every step, in every way; a `share` of them, drawn by chance."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    disk = Disk(start)
    promises = [(index, step.promise) for index, step in enumerate(steps) if step.what == "mark"]
    for point, step in enumerate(steps):
        disk.apply(step)
        if step.what == "mark":
            continue
        after = next((promise for index, promise in promises if index > point), disk.promise)
        for way in WAYS if disk.pending() else ("kept",):
            if chance.random() < share:
                yield State(point, way, disk.after_cut(way, chance), disk.promise, after)


def record(workload: Workload) -> tuple[dict[str, bytes], list[Operation]]:
    """Return files before the first step, and all steps and promises of a workload."""

    def act() -> list[Operation]:
        with workload.recorder(folder) as recorder:
            workload.use(folder, recorder)
            return list(recorder.steps)

    with scratch() as folder:
        workload.prepare(folder)
        start = files_of(folder)
        return start, in_fork(act) if workload.load else act()


def recovery(workload: Workload, state: State) -> list[Operation]:
    """Return the steps of a start that finds this state."""

    def act() -> list[Operation]:
        lay(state.files, folder)
        with workload.recorder(folder) as recorder:
            workload.recover(folder, recorder)
            return list(recorder.steps)

    with scratch() as folder:
        return in_fork(act) if workload.load else act()


def files_of(folder: Path) -> dict[str, bytes]:
    """Content of all files below a folder, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check_all(states_of: Iterator[State], check: Callable[[Path, Any, Any], str]) -> Result:
    """Lay every state down and asks a workload's `check` what is wrong with it."""
    result = Result()
    with scratch() as folder:
        for number, state in enumerate(states_of):
            path = folder / str(number)
            lay(state.files, path)
            try:
                problem = check(path, state.before, state.after)
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                problem = f"{type(error).__name__}: {error}"
            shutil.rmtree(path, ignore_errors=True)
            result.add(state.way, f"step {state.point}, {state.way}: {problem}" if problem else "")
    return result


class scratch:  # noqa: N801 - a context manager
    """A folder in memory where there is one, since thousands of states are laid down and flushed."""

    def __enter__(self) -> Path:
        """Return the folder."""
        self._folder = tempfile.TemporaryDirectory(dir=_FAST if _FAST.is_dir() else None, prefix="edgewright-faults-")
        return Path(self._folder.name)

    def __exit__(self, *_: object) -> None:
        """Remove the folder."""
        self._folder.cleanup()
