"""A store for tests: a clock by hand, small settings, events and rows with known content."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.core.records.device import Event, Kind
from edgewright.device.store.records import StoreConfig
from edgewright.device.store.store import Store

DAY = 86400.0


class HandClock:
    """Both clocks move when they are told to."""

    def __init__(self, wall: float = 1.7e9) -> None:
        self.seconds, self.now = 100.0, wall

    def running(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.seconds += seconds
        self.now += seconds


def config(**changes: object) -> StoreConfig:
    """Commit by hand only, unless told otherwise; no ballast."""
    settings = {"group_seconds": 1e9, "group_items": 10**9, "at_once": (), "ballast": 0, **changes}
    return StoreConfig(**settings)  # type: ignore[arg-type]


def opened(folder: Path, clock: HandClock | None = None, **changes: object) -> Store:
    return Store.open(folder, config(**changes), "device-1", clock or HandClock())


def event(kind: Kind = "decision", label: str = "walking", number: int = 0) -> Event:
    return Event(kind=kind, stream="wrist", time=float(number), label=label, score=0.9, detail={"count": number})


def put_rows(store: Store, count: int = 50, seed: int = 0, stream: str = "wrist") -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)
    store.append_rows(stream, ("ax", "ay"), np.arange(count) / 50.0, values)
    return values


def stop(store: Store) -> None:
    """As a process that is killed: nothing is committed, nothing is closed in order."""
    store.database.close()
    store.identity.close()
    store._lock.close()
