"""Kinds of predictions in the agent, its writer of the store, and its imports."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from agent_example import Given, event_lines, given, package, packets, recording, signal
from edgewright.core.package import write_package
from edgewright.core.predictor import Predictor
from edgewright.core.records.device import Event, Packet
from edgewright.device.agent.process_status import StoreWriter
from edgewright.device.agent.settings import check_settings
from edgewright.device.agent.startup import run_agent
from runtime_example import INTERVAL, numbers, parts, window_parts

TABLE = """
name = "level"
states = ["low", "high"]
initial = "low"
fallback = "stay"
steps = [
  { state = "low", event = "window", when = "prediction > 0", to = "high" },
  { state = "high", event = "window", when = "prediction <= 0", to = "low" },
]
"""


def test_a_regression_is_summed_up_and_rules_see_its_predictions(tmp_path: Path) -> None:
    manifest, files = window_parts()
    write_package(tmp_path / "level.edge", manifest, files)
    (tmp_path / "level.toml").write_text(TABLE)
    values = numbers(400, 2, seed=5)
    settings = {"packages": [{"path": "level.edge"}], "rules": [{"path": "level.toml"}]}
    events = given(tmp_path, packets(values, 50), settings=settings)[0]
    (summary,) = [event for event in events if event.kind == "summary"]
    assert summary.detail["windows"] == 99
    assert summary.detail["low"] < summary.detail["mean"] < summary.detail["high"]
    assert "counts" not in summary.detail
    assert not event_lines(events, "decision")
    assert {label for _, _, label in event_lines(events, "state")} == {"low", "high"}
    assert "interval" not in summary.detail


def test_rules_and_summaries_see_the_interval_of_a_prediction(tmp_path: Path) -> None:
    manifest, files = window_parts()
    write_package(tmp_path / "level.edge", msgspec.structs.replace(manifest, interval=INTERVAL), files)
    table = TABLE.replace("prediction > 0", "prediction_low > 0").replace("prediction <= 0", "prediction_high <= 0")
    (tmp_path / "level.toml").write_text(table)
    values = numbers(400, 2, seed=5)
    settings = {"packages": [{"path": "level.edge"}], "rules": [{"path": "level.toml"}]}
    events = given(tmp_path, packets(values, 50), settings=settings)[0]
    windows = np.stack([values[at : at + 8].T for at in range(0, 393, 4)])
    answers = Predictor(tmp_path / "level.edge").predict(windows)
    assert answers.predictions is not None
    assert answers.interval is not None
    (summary,) = [event for event in events if event.kind == "summary"]
    assert summary.detail["last"] == answers.predictions[-1]
    assert summary.detail["interval"] == answers.interval[-1].tolist()
    state, steps = "low", []
    for low, high in answers.interval.tolist():
        if (after := "high" if low > 0 else "low" if high <= 0 else state) != state:
            state = after
            steps.append(state)
    assert len(steps) > 4
    # The first event names the state that the table begins in.
    assert [label for _, _, label in event_lines(events, "state")][-len(steps) :] == steps


def rows_package(folder: Path) -> None:
    manifest, files = parts()
    write_package(folder / "rows.edge", manifest, files)


@pytest.mark.parametrize("rate", [None, 50.0])
def test_rows_are_answered_one_by_one_with_or_without_a_rate(tmp_path: Path, rate: float | None) -> None:
    rows_package(tmp_path)
    values = numbers(300, 10, seed=6) * np.float32(6)
    # Without a rate rows come whenever they come; with one they are a second fiftieth apart.
    times = np.cumsum(np.random.default_rng(1).exponential(size=300)) if rate is None else np.arange(300) / 50.0
    listed = [Packet(values=values[at : at + 20], time=times[at : at + 20]) for at in range(0, 300, 20)]
    events: list[Event] = []
    report = run_agent(
        check_settings({"packages": [{"path": "rows.edge"}]}, tmp_path, "device.toml"),
        Given(listed, rate=rate),  # type: ignore[arg-type]
        tmp_path / "store", stop=lambda: False, say=print, publish=events.extend, begin=lambda _: None,
    )  # fmt: skip
    assert report.windows == 300
    # A decision wherever the answer is another one than that of the row before.
    answers = Predictor(tmp_path / "rows.edge").predict(values)
    inside = [not columns for columns in answers.out_of_range]
    answered = [(float(t), str(label)) for t, label, well in zip(times, answers.labels, inside, strict=True) if well]
    changes = [one for index, one in enumerate(answered) if not index or one[1] != answered[index - 1][1]]
    assert len(changes) > 10
    assert [(event.time, event.label) for event in events if event.kind == "decision"] == changes


def test_rows_lost_by_a_source_without_a_rate_are_a_gap(tmp_path: Path) -> None:
    rows_package(tmp_path)
    values = numbers(40, 10, seed=6)
    listed = [
        Packet(values=values[:20], time=np.arange(20.0)),
        Packet(values=values[20:], time=np.arange(30.0, 50.0), lost=10),
    ]
    events: list[Event] = []
    run_agent(
        check_settings({"packages": [{"path": "rows.edge"}]}, tmp_path, "device.toml"),
        Given(listed, rate=None),  # type: ignore[arg-type]
        tmp_path / "store", stop=lambda: False, say=print, publish=events.extend, begin=lambda _: None,
    )  # fmt: skip
    assert [event.label for event in events if event.kind == "health"] == ["start", "lost"]
    assert next(event for event in events if event.kind == "summary").detail["gaps"] == 1


DESK = (
    "jax", "optax", "sklearn", "scipy", "onnx", "polars", "rich", "jinja2", "starlette",
    "uvicorn", "httptools", "sktime",
)  # fmt: skip
UNASKED = ("paho", "serial", "cryptography", "http.server", "http.client", "subprocess", "multiprocessing", "asyncio")
CODE = """
import json, sys
from edgewright.cli.main import run
code = run(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.slow
def test_the_agent_runs_on_the_base_install_and_loads_little(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    rows = recording(tmp_path / "rows.csv", signal(4.0))
    (tmp_path / "device.toml").write_text('[[packages]]\npath = "switch.edge"\nengine = "numpy"\n')
    arguments = ["device", "run", "--quiet", "--config", "device.toml", "--store", "store", "--source"]
    command = [sys.executable, "-c", CODE, *arguments, f"replay:{rows}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    code, modules = json.loads(done.stdout)
    assert code == 0
    loaded = {name.split(".")[0] for name in modules}
    assert not loaded & set(DESK)
    assert not {name for name in UNASKED if name in modules}


class Store:
    """A store that raises an error at one of its events, or as it looks what is due."""

    def __init__(self, ticks: int = 1 << 30) -> None:
        self.config = SimpleNamespace(at_once=("alarm",))
        self.stored: list[Any] = []
        self._ticks = ticks

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def append_events(self, events: list[Event]) -> None:
        if events[0].kind == "decision":
            raise ValueError("an event that cannot be encoded")
        self.stored += [event.kind for event in events]

    def remember(self, *remembered: Any) -> None:  # noqa: ANN401
        self.stored.append(remembered)

    def tick(self) -> None:
        self._ticks -= 1
        if self._ticks < 0:
            raise ValueError("a tick")

    def commit(self) -> None:
        pass


def write_events(writer: StoreWriter) -> None:
    until = time.monotonic() + 20.0
    while time.monotonic() < until:
        writer.put([], remembered=("later",))  # type: ignore[arg-type]
        time.sleep(0.3)


def test_no_place_is_stored_behind_events_that_could_not_be() -> None:
    store = Store()
    writer = StoreWriter(store, print, lambda events: None, threaded=True)  # type: ignore[arg-type]
    writer.put([Event(kind="alarm")], remembered=("before",))  # type: ignore[arg-type]
    writer.put([Event(kind="decision")], remembered=("with it",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="encoded"):
        write_events(writer)
    writer.close()
    assert store.stored == ["alarm", ("before",)]


def test_an_error_as_it_looks_what_is_due_reaches_the_loop() -> None:
    before = threading.active_count()
    writer = StoreWriter(Store(0), print, lambda events: None, threaded=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a tick"):
        write_events(writer)
    writer.close()
    assert threading.active_count() == before


def test_what_cannot_be_told_is_stored_all_the_same() -> None:
    def broken(events: object) -> None:
        raise BrokenPipeError

    store = Store()
    writer = StoreWriter(store, print, broken, threaded=True)  # type: ignore[arg-type]
    writer.put([Event(kind="alarm")])
    writer.put([Event(kind="alarm")], remembered=("behind",))  # type: ignore[arg-type]
    writer.close()
    assert store.stored == ["alarm", "alarm", ("behind",)]
