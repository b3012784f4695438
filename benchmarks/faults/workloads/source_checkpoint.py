"""An agent on a CSV file that was written before: whenever it ends, the next one stores what is missing, each once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TypeAlias
from unittest.mock import patch

import numpy as np

from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from benchmarks.faults.workloads.store import Clock
from edgewright.core.package import vector_files, write_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Column
from edgewright.core.records.device import Event
from edgewright.core.records.package import Manifest, WindowSpec
from edgewright.device.agent import loop
from edgewright.device.agent.plan import make_plan, settle_rates
from edgewright.device.agent.process_status import StoreWriter
from edgewright.device.agent.settings import check_settings
from edgewright.device.sources import csv, short_source
from edgewright.device.store import reader
from edgewright.device.store.database import Connect, Database, connect
from edgewright.device.store.store import Store
from edgewright.device.timeline import WallClock
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx

_RATE, _PERIOD, _EPISODES = 50.0, 1.6, 20
_PIECE = 900  # bytes of a read: about a quarter of an episode
_STARTS, _TURNS = 4, 12
_STORE = "store"
_SETTINGS = {
    "packages": [{
        "path": "switch.edge", "engine": "numpy",
        "decision": {"smoothing": 3, "debounce": 2, "alarms": ["on"]},
    }],
    "store": {"group_seconds": 1e9, "ballast": 0},
}  # fmt: skip
_Alarms: TypeAlias = tuple[tuple[str, float, str], ...]
"""Events: kind, time and label."""


def prepare(folder: Path) -> None:
    """Write the rows and the package: both are durable before the agent starts."""
    level = np.where((np.arange(round(_EPISODES * _PERIOD * _RATE)) / _RATE) % _PERIOD < _PERIOD / 2, -1.0, 1.0)
    level = level + np.random.default_rng(5).normal(size=len(level)) * 0.05
    lines = [f"{1.7e9 + index / _RATE:.3f},{value:.5f}\n" for index, value in enumerate(level.tolist())]
    (folder / "rows.csv").write_text("time,level\n" + "".join(lines))
    (folder / "switch.edge").write_bytes(_package())


def use(folder: Path, recorder: Recorder) -> None:
    """Start a few times and end each without closing; every alarm is told after it is durable."""
    alarms: list[tuple[str, float, str]] = []

    def keep_alarms(events: Sequence[Event]) -> None:
        alarms.extend(_alarms(events))
        recorder.promise(tuple(alarms))

    for _ in range(_STARTS):
        with _agent(folder, recorder.connect, keep_alarms) as agent:
            for _ in range(_TURNS):
                agent.turn(0.0)


def recover(folder: Path, recorder: Recorder) -> None:
    """Start again, and take a few pieces."""
    with _agent(folder, recorder.connect, lambda _: None) as agent:
        for _ in range(4):
            agent.turn(0.0)


def check(folder: Path, before: _Alarms | None, _after: _Alarms | None) -> str:
    """Return what is wrong after a cut: something told is not stored, or in the end something is missing or twice."""
    stored: list[tuple[str, float, str]] = []
    if (folder / _STORE / "store.sqlite").exists():
        with reader.look(folder / _STORE) as database:
            stored = _alarms(_stored(database))
    if lost := set(before or ()) - set(stored):
        return f"{len(lost)} alarms that were told are not stored"
    _finish(folder)
    with reader.look(folder / _STORE) as database:
        events = _stored(database)
        waiting = database.value("SELECT count(*) FROM outbox WHERE priority = 0")
    whole, part = _expected(), _decided(events)
    if part != whole:
        missing, more = len(set(whole) - set(part)), len(part) - len(set(part))
        return f"{len(part)} events in place of {len(whole)}: {missing} missing, {more} twice"
    return "" if waiting == len(_alarms(events)) else f"{waiting} alarms wait to leave, of {len(_alarms(events))}"


def _finish(folder: Path) -> None:
    """Read to the end of the file, as the next start does."""
    with _agent(folder, connect, lambda _: None, 1 << 16) as agent:
        quiet = 0
        while quiet < 2:
            rows = agent.report.rows
            agent.turn(0.0)
            quiet = quiet + 1 if agent.report.rows == rows else 0
        agent._end()


@contextmanager
def _agent(
    folder: Path, opener: Connect, publish: Callable[[Sequence[Event]], None], piece: int = _PIECE
) -> Iterator[loop.Agent]:
    """Provide an agent as `run_agent` puts it together, in one thread, whose clock goes on with every look at it."""
    ticks = iter(range(1 << 62))
    # Everything that the loop does now and then, it does within a few turns.
    clock = SimpleNamespace(monotonic=lambda: 0.2 * next(ticks))
    watch = partial(WallClock, wall=lambda: 1.7e9, steady=lambda: 0.0, doubt=lambda: 0.5)
    configured = check_settings(_SETTINGS, folder, "device.toml")
    store = Store.open(folder / _STORE, configured.settings.store, "device", Clock(), opener)
    source = short_source(f"csv:{folder / 'rows.csv'}?begin=start").open(("level",))
    try:
        # Times of day are texts of one length, so that every run takes the same steps.
        with (
            patch.object(loop, "time", clock), patch.object(loop, "WallClock", watch),
            patch("time.time", lambda: 1.7e9), patch.object(csv, "_BYTES", piece),
        ):  # fmt: skip
            plan = make_plan(configured.settings, folder / _STORE)
            settle_rates(plan, source, configured.timeline.tolerance)
            keeper = StoreWriter(store, lambda _: None, publish, threaded=False)
            yield loop.Agent(plan, configured, source, "csv rows.csv", keeper, recorded=False)
    finally:
        source.close()
        with suppress(Exception):
            store.identity.close()
            store.database.close()
            store._lock.close()


def _stored(database: Database) -> list[Event]:
    return [stored.event for stored in reader.events(database, limit=1 << 20, newest=False)]


def _alarms(events: Sequence[Event]) -> list[tuple[str, float, str]]:
    return [(event.kind, event.time, event.label) for event in events if event.kind == "alarm"]


def _decided(events: Sequence[Event]) -> list[tuple[str, float, str]]:
    kinds = ("alarm", "decision", "anomaly", "state")
    return [(event.kind, event.time, event.label) for event in events if event.kind in kinds]


@cache
def _expected() -> list[tuple[str, float, str]]:
    """Return the events of an agent that never ended."""
    with TemporaryDirectory() as location:
        folder = Path(location)
        prepare(folder)
        _finish(folder)
        with reader.look(folder / _STORE) as database:
            events = _decided(_stored(database))
    alarms = [math.floor((time - 1.7e9) / _PERIOD) for kind, time, _ in events if kind == "alarm"]
    if alarms != list(range(_EPISODES)):
        raise AssertionError(f"alarms in the episodes {alarms}")
    return events


@cache
def _package() -> bytes:
    """Return a package whose answer is 'on' where the mean of a window is above zero."""
    builder = Builder("switch", (1, 10), labels=("off", "on"))
    mean = builder.op("ReduceMean", builder.input, builder.integers(2), keepdims=0)
    value = builder.op("MatMul", mean, builder.constant(np.array([[-4.0, 4.0]], np.float32)))
    probabilities = builder.op("Softmax", value, axis=-1)
    outputs = {
        "label": (builder.op("ArgMax", probabilities, axis=1, keepdims=0), "int64", ()),
        "probabilities": (probabilities, "float32", (2,)),
        "confidence": (builder.op("ReduceMax", probabilities, builder.integers(1), keepdims=0), "float32", ()),
    }
    graph = builder.finish(outputs, {"licence": "Apache-2.0"})
    inputs = np.random.default_rng(1).normal(size=(4, 1, 10)).astype(np.float32)
    manifest = Manifest(
        name="switch", task="classification", shape=(1, 10), columns=(Column(name="level"),),
        window=WindowSpec(samples=10, step=5, rate=_RATE), labels=("off", "on"), target="state",
        thresholds={"confidence": 0.6}, vectors=4, tolerance={"float": 1e-5}, forms={"float": "model.onnx"},
        default="float", reference=(), licences=("Apache-2.0",), provenance={"seed": "0"}, files=(),
    )  # fmt: skip
    answers = {"float": compile_graph(graph)(inputs)["probabilities"]}
    files = {"model.onnx": to_onnx(graph), **vector_files(inputs, answers)}
    with TemporaryDirectory() as location:
        write_package(Path(location) / "switch.edge", manifest, files)
        return (Path(location) / "switch.edge").read_bytes()


WORKLOAD = Workload(what="an agent on a CSV file", use=use, recover=recover, check=check, prepare=prepare, kills=300)
