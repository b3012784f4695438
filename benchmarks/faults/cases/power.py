"""The power is cut after every operation on a file, and again while what was left is recovered."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.faults.model import WAYS, Operation
from benchmarks.faults.states import Result, State, check_all, record, recovery, states
from benchmarks.faults.workload import Workload

_SEED = 5
_AGAIN, _MAX_POINTS = 40, 80
"""Of so many states one is recovered under the recorder, and its power cut again; at most so many."""
_STATES = 3000
"""About so many states are looked at of those second cuts together."""


def run(workload: Workload, share: float) -> Iterator[tuple[str, Result]]:
    """Power cuts while the program works, and while it recovers from them."""
    start, steps = record(workload)
    seed = _SEED + 1000 * workload.seed
    chosen: list[State] = []
    every = max(1, round(_AGAIN * share))

    def some() -> Iterator[State]:
        for number, state in enumerate(states(start, steps, seed, share)):
            if number % every == 0:
                chosen.append(state)
            yield state

    yield f"{workload.what}: power cut", check_all(some(), workload.check)
    again = Result()
    chosen = chosen[: round(_MAX_POINTS * max(share, 0.1))]
    for number, state in enumerate(chosen):
        operations = [Operation("mark", promise=state.before), *recovery(workload, state)]
        some_of_them = min(0.5, _STATES * share / len(chosen) / len(operations) / len(WAYS))
        cut = (
            State(s.point, s.way, s.files, state.before, state.after)
            for s in states(state.files, operations, seed + number, some_of_them)
        )
        again.join(check_all(cut, workload.check))
    yield f"{workload.what}: power cut again while it recovers", again
