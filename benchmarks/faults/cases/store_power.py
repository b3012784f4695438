"""The store's power is cut after every operation on a file, and again while it recovers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.model import Operation
from benchmarks.faults.recorder import recorded
from benchmarks.faults.states import Result, State, check_all, scratch, states
from benchmarks.faults.workload import CONFIG, Promise, fingerprint, use
from edgewright.runtime.store import Store, blocks, reading

_SEED = 5
_AGAIN = 40
"""Of so many states one is recovered under the recorder, and its power cut again."""


def run(share: float) -> Iterator[tuple[str, Result]]:
    """Power cuts while the store works, and while it recovers from them."""
    steps = record()
    found = list(states({}, steps, _SEED, share))
    yield "store: power cut while it works", check_all(iter(found), check)
    again = Result()
    for state in found[:: max(1, round(_AGAIN * share) or 1)][: round(80 * max(share, 0.1))]:
        start, recovery = _recover(state)
        told = [Operation("mark", promise=state.before), *recovery]
        result = check_all(
            (State(s.point, s.way, s.files, state.before, state.after) for s in states(start, told, _SEED, 0.5)), check
        )
        for way, count in result.states.items():
            again.states[way] = again.states.get(way, 0) + count
        again.wrong += result.wrong
    yield "store: power cut again while it recovers", again


def record() -> list[Operation]:
    """Operations and promises of the workload."""
    with scratch() as folder, recorded() as recorder:
        use(folder / "store", recorder.connect, recorder.promise)
        return list(recorder.steps)


def check(folder: Path, state: State) -> str:
    """What is wrong with a store after a cut; empty for nothing."""
    before: Promise | None = state.before
    after: Promise | None = state.after
    with Store.open(folder, CONFIG) as store:
        if aside := list(folder.glob("store.damaged-*")):
            return f"{aside[0].name} was set aside"
        said = store.database.value("PRAGMA integrity_check")
        if said != "ok":
            return str(said)
        if before is not None:
            if store.device != before.device:
                return "another device"
            if store.boot <= before.boot:
                return f"boot {store.boot} after boot {before.boot}"
            if store.identity.floors.get("release", 0) < before.floor:
                return "a floor sank"
        content = fingerprint(store.database)
        if before is not None and content not in {before.content, after.content if after else None}:
            return "neither what was promised before the cut nor what was being written"
        for _, _, count, names, plain in store.database.execute("SELECT boot, sequence, count, names, plain FROM rows"):
            if blocks.unpack(blocks.Block(names, plain, b"", ""), count, None, "") is None:
                return "rows that cannot be read"
        waiting = store.database.value("SELECT count(*) FROM outbox")
        if len(store.outbox.take(1 << 30, 10**6)) > waiting:
            return "an item twice"
    with reading.look(folder) as database:
        return "" if fingerprint(database) == content else "another content after closing"


def _recover(state: State) -> tuple[dict[str, bytes], list[Operation]]:
    """Opens a state under the recorder and leaves it without closing."""
    with scratch() as folder, recorded() as recorder:
        for name, content in state.files.items():
            (folder / name).write_bytes(content)
        store = Store.open(folder, CONFIG, opener=recorder.connect)
        steps = list(recorder.steps)
        store.identity.close()
        store.database.close()
        store._lock.close()
    return state.files, steps
