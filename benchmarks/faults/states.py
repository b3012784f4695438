"""Every state that a power cut may leave of what was recorded, opened again and held to what was promised."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faults.model import WAYS, Disk, Operation, Way, lay

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
    promises = [(place, step.promise) for place, step in enumerate(steps) if step.what == "mark"]
    for point, step in enumerate(steps):
        disk.apply(step)
        if step.what == "mark":
            continue
        after = next((promise for place, promise in promises if place > point), disk.promise)
        for way in WAYS if disk.pending() else ("kept",):
            if chance.random() < share:
                yield State(point, way, disk.after_cut(way, chance), disk.promise, after)


def check_all(found: Iterator[State], check: Callable[[Path, State], str]) -> Result:
    """Lays every state down and asks `check` what is wrong with it; empty for nothing."""
    result = Result()
    with scratch() as folder:
        for number, state in enumerate(found):
            place = folder / str(number)
            lay(state.files, place)
            try:
                problem = check(place, state)
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                problem = f"{type(error).__name__}: {error}"
            shutil.rmtree(place, ignore_errors=True)
            result.add(state.way, f"step {state.point}, {state.way}: {problem}" if problem else "")
    return result


class scratch:  # noqa: N801 - a context manager
    """A folder in memory where there is one, since thousands of states are laid down and flushed."""

    def __enter__(self) -> Path:
        """The folder."""
        self._folder = tempfile.TemporaryDirectory(dir=_FAST if _FAST.is_dir() else None, prefix="edgewright-faults-")
        return Path(self._folder.name)

    def __exit__(self, *_: object) -> None:
        """It goes."""
        self._folder.cleanup()
