"""The agent stops and starts: detectors and drift go on where they were, and nothing else is taken over."""

from __future__ import annotations

import zlib
from collections import deque
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from agent_example import Given, given, package, packets, reference_of, signal, stretch
from edgewright.core.records.data import Column, Floats
from edgewright.core.records.device import Event
from edgewright.core.records.package import ReferenceColumn
from edgewright.device.agent.checkpoint import Checkpoint, SavedState, decoded, encoded, goes_on
from edgewright.device.agent.stream_drift import StreamDetector, StreamDrift
from edgewright.device.configuration import DriftSettings
from edgewright.device.store import reader, stream_state
from edgewright.device.store.store import Store
from edgewright.device.store.stream_state import LARGEST, STATE_FILE
from edgewright.device.timeline import Ready
from edgewright.monitor.detector_stream import write_detector
from edgewright.monitor.detectors import kind
from edgewright.monitor.records import DetectorSpec, Threshold

EventLine = tuple[float, str, float | None, object]


def event_lines(events: list[Event], *kinds: str) -> list[EventLine]:
    return [(e.time, e.label, e.score, {**e.detail}) for e in events if e.kind in kinds]


def states(store: Path) -> dict[str, bytes]:
    with reader.look(store) as database:
        return stream_state.load(database)


def detector(folder: Path, name: str) -> None:
    part = kind(name)
    values = signal(60.0, period=1e9)
    learnt = part.fit(part.config(), values, np.arange(len(values)) / 50.0)
    threshold = Threshold(value=1.0 if name == "own_past" else 4.0, by="given")
    columns = (Column(name="level"), Column(name="heat"))
    spec = DetectorSpec(kind=name, config={}, columns=columns, rate=50.0, threshold=threshold, refractory=200)
    write_detector(folder / "odd.detector", spec, learnt)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["own_past", "var"])
def test_a_detector_goes_on_as_if_it_had_never_stopped(tmp_path: Path, name: str) -> None:
    values = signal(60.0, period=1e9, seed=5)
    for begin in (700, 1590, 2500):
        values[begin : begin + 40, 1] += 15.0
    listed, settings = packets(values), {"detectors": [{"path": "odd.detector"}]}
    for folder in (tmp_path / "whole", tmp_path / "parts"):
        folder.mkdir()
        package(folder / "switch.edge")
        detector(folder, name)
    whole = event_lines(given(tmp_path / "whole", listed, settings=settings, live=True)[0], "anomaly")
    parts = []
    # The second stop lies within an anomaly and the rows after an alarm that keep quiet.
    for some in (listed[:9], listed[9:32], listed[32:]):
        parts += event_lines(given(tmp_path / "parts", some, settings=settings, live=True)[0], "anomaly")
    assert len(whole) >= 3
    assert parts == whole


@pytest.mark.slow
def test_drift_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    values = signal(900.0)
    values[20000:, 1] += 4.0
    listed = packets(values, 250)
    settings = {"drift": {"rhythm": 60.0}}
    for folder in (tmp_path / "whole", tmp_path / "parts"):
        folder.mkdir()
        package(folder / "switch.edge", reference=reference_of(signal(600.0, seed=9)))
    whole = event_lines(given(tmp_path / "whole", listed, settings=settings, live=True)[0], "drift")
    parts = []
    for some in (listed[:37], listed[37:81], listed[81:]):
        parts += event_lines(given(tmp_path / "parts", some, settings=settings, live=True)[0], "drift")
    assert [one for one in whole if one[1] == "heat"]
    assert parts == whole


def unsure(folder: Path) -> Floats:
    """Return a package in a new folder, and rows whose level is in the end so near zero that the answers are unsure."""
    folder.mkdir()
    package(folder / "switch.edge", reference=reference_of(signal(600.0, seed=9)))
    values = signal(700.0)
    # The mean is what it was.
    values[18000:, 0] *= 0.1
    return values


@pytest.fixture(scope="module")
def unsure_at_once(tmp_path_factory: pytest.TempPathFactory) -> list[EventLine]:
    """Provide what an agent that is never stopped finds in them."""
    folder = tmp_path_factory.mktemp("unsure") / "whole"
    values = unsure(folder)
    return event_lines(given(folder, packets(values, 100), settings={"drift": {"rhythm": 32.0}}, live=True)[0], "drift")


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 7, 250])
def test_the_confidence_drifts_at_the_same_block_however_rows_came_and_the_agent_stopped(
    tmp_path: Path, unsure_at_once: list[EventLine], rows: int
) -> None:
    settings, whole, parts = {"drift": {"rhythm": 32.0}}, unsure_at_once, []
    values = unsure(tmp_path / "parts")
    # The stops lie within blocks of 200 rows, and within the 64 rows that drift is fed with together.
    for begin, end in ((0, 17001), (17001, 18333), (18333, 19007), (19007, 35000)):
        some = stretch(values, begin, end, rows)
        parts += event_lines(given(tmp_path / "parts", some, settings=settings, live=True)[0], "drift")
    assert "confidence" in {one[1] for one in whole}
    assert parts == whole


def test_recordings_leave_no_state_and_that_of_encrypted_columns_is_sealed(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    detector(tmp_path, "own_past")
    settings = {"detectors": [{"path": "odd.detector"}]}
    given(tmp_path, packets(signal(4.0)), settings=settings)
    assert states(tmp_path / "store") == {}
    pytest.importorskip("cryptography")
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "key").chmod(0o600)
    secret = {"encrypt": ["level"], "key_file": str(tmp_path / "key")}
    given(tmp_path, packets(signal(4.0)), settings={**settings, "store": secret}, live=True)
    assert {data[:1] for data in states(tmp_path / "store").values()} == {b"\x01"}
    given(tmp_path, packets(signal(4.0)), settings=settings, live=True)
    assert {data[:1] for data in states(tmp_path / "store").values()} == {b"\x00"}


@pytest.mark.parametrize("damage", [b"", b"nothing", None])
def test_a_damaged_state_is_as_none(tmp_path: Path, damage: bytes | None) -> None:
    package(tmp_path / "switch.edge")
    detector(tmp_path, "own_past")
    settings = {"detectors": [{"path": "odd.detector"}]}
    given(tmp_path, packets(signal(4.0)), settings=settings, live=True)
    data = states(tmp_path / "store")["stream\n"]
    wrong = damage if damage is not None else data[:90] + bytes([data[90] ^ 1]) + data[91:]
    with Store.open(tmp_path / "store") as store:
        assert Checkpoint(store, "given").take("stream\n") is not None
        with store.database.transaction():
            stream_state.write(store.database, {"learnt\nstream\n": wrong})
        assert Checkpoint(store, "given").take("stream\n") is None
    _, report = given(tmp_path, packets(signal(4.0), begin=4.0), settings=settings, live=True)
    assert report.rows == 200
    assert states(tmp_path / "store")["stream\n"] not in (damage, data)


def test_times_that_begin_anew_are_another_stream() -> None:
    assert goes_on(SavedState(5.0, b""), 5.02)
    assert not goes_on(SavedState(5.0, b""), 5.0)
    assert not goes_on(SavedState(float("nan"), b""), 1.0)
    assert not goes_on(None, 1.0)


def test_states_of_an_older_version_go_on_and_their_file_goes(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    values, decision = signal(8.0, period=8.0), {"smoothing": 4, "debounce": 2, "alarms": ["on"]}
    settings = {"packages": [{"path": "switch.edge", "decision": decision}]}
    given(tmp_path, stretch(values, 0, 260), settings=settings, live=True)
    with Store.open(tmp_path / "store") as store:
        older = Checkpoint(store, "given")
        kept = {key: older.take(key) for key in states(tmp_path / "store")}
        # As that version wrote it, without what a state has got since.
        record: tuple[object, ...] = (
            2,
            (store.boot, store.sequence + 1),
            {key: (one.time, one.state) for key, one in kept.items() if one},
            {},
        )
        data = msgspec.msgpack.encode(record)
        path = tmp_path / "store" / STATE_FILE
        path.write_bytes(data + zlib.crc32(data).to_bytes(4, "little"))
        with store.database.transaction():
            stream_state.purge(store.database, everything=True)
    events = given(tmp_path, stretch(values, 260, 300), settings=settings, live=True)[0]
    assert not [event for event in events if event.kind in ("decision", "alarm")]
    assert states(tmp_path / "store").keys() == kept.keys()
    assert not path.exists()


def test_states_are_exact_and_bounded(tmp_path: Path) -> None:
    state = {"a": np.array([[1.5, np.nan]], np.float32), "b": [0.1, float("inf"), None, True], "c": np.int64(7)}
    back = decoded(encoded(state))
    assert back["a"].dtype == np.float32
    np.testing.assert_array_equal(back["a"], state["a"])
    assert (back["b"], back["c"]) == (state["b"], 7)
    large = {f"detector\nx\n0\nstream {k}": SavedState(1.0, bytes(1 << 20)) for k in range(9)}
    with Store.open(tmp_path) as store:
        store.remember(*Checkpoint(store, "given").saved(large, None, Given([]), done=lambda _: None, at_once=True))
        assert sum(map(len, states(tmp_path).values())) < LARGEST
        again = Checkpoint(store, "given")
        assert again.take("detector\nx\n0\nstream 0") is None
        assert again.take("detector\nx\n0\nstream 8") == large["detector\nx\n0\nstream 8"]


def ready(values: Floats, times: NDArray[np.float64]) -> Ready:
    return Ready(values=values, time=times, gap_before=False, healthy=np.ones(len(times), np.bool_))


def test_drift_of_a_stream_is_the_same_however_it_is_cut_and_stopped() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0.0, 1.0, (900, 2)).astype(np.float32)
    values[400:, 1] += 3.0
    times = np.arange(900.0)
    confidence = (np.where(times[9::10] < 500, 0.9, 0.3) + 0.05 * rng.random(90)).astype(np.float32)
    quantiles = (-4, -2.3, -1.6, -0.7, 0, 0.7, 1.6, 2.3, 4)
    columns = [
        ReferenceColumn(name=name, mean=0.0, deviation=1.0, missing=0.0, quantiles=quantiles)
        for name in ("level", "heat")
    ]
    manifest = SimpleNamespace(reference=tuple(columns), window=None, motion=msgspec.UNSET, joint=None, columns=())
    answerer: Any = SimpleNamespace(manifest=manifest, rate=1.0, name="heater")
    settings = DriftSettings(rhythm=100.0, sync=True)

    def lived(cuts: list[int], *, stopped: bool) -> tuple[list[EventLine], bytes, list[str]]:
        drift, events = StreamDrift(answerer, settings), list[Event]()
        for start, end in pairwise([0, *cuts, 900]):
            if stopped:
                drift = StreamDrift(answerer, settings, drift.keep(), exact=True)
            drift.push(ready(values[start:end], times[start:end]))
            within = (times[9::10] >= start) & (times[9::10] < end)
            drift.answered(times[9::10][within], confidence[within])
            events += drift.look(everything=False)
        events += drift.look(everything=True)
        assert {event.detail["package"] for event in events} == {"heater"}
        kept = drift.keep()
        assert kept is not None and kept.time == 899.0 and kept.rest == b""
        # What was kept stays until rows come that go on; others begin anew.
        assert StreamDrift(answerer, settings, kept).keep() == kept
        later, again = (StreamDrift(answerer, settings, kept) for _ in range(2))
        for other, second in ((later, 900.0), (again, 0.0)):
            other.push(ready(values[:1], np.array([second])))
            other.look(everything=True)
        assert later.sketch() != again.sketch()
        return event_lines(events, "drift"), kept.state, drift.sketch()

    whole = lived([], stopped=False)
    assert {line[1] for line in whole[0]} == {"heat", "confidence"}
    cuts = sorted(rng.choice(np.arange(1, 900), 60, replace=False).tolist())
    assert lived(cuts, stopped=True) == whole
    assert lived(cuts[:2], stopped=False) == whole
    assert StreamDrift(answerer, DriftSettings(rhythm=100.0)).sketch() == []


def test_a_gate_refuses_rows_by_what_was_judged_within_them_or_last_before_them() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        times = np.sort(rng.choice(20, 6, replace=False)).astype(float)
        odd = rng.random(6) < 0.4
        stream = StreamDetector.__new__(StreamDetector)
        stream._verdicts = deque(zip(times.tolist(), odd.tolist(), strict=True))
        start, end = sorted(rng.choice(20, 2, replace=False).tolist())
        within, before = (times > start) & (times <= end), times <= start
        expected = odd[within].any() if within.any() else before.any() and odd[before][-1]
        assert stream.refuses(start, end) == bool(expected)
