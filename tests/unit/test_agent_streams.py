"""Many streams and many packages in one process; what goes wrong with one leaves the others at work."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent_example import Given, event_lines, given, package, packets, recording, reference_of, run, signal
from edgewright.core.errors import CheckFailedError, InputError
from edgewright.core.records.data import Column
from edgewright.core.records.device import Event, Packet
from edgewright.device.agent.process_status import Latency, Notices
from edgewright.device.agent.settings import check_settings
from edgewright.device.agent.startup import Delivery
from edgewright.device.store import reader, status
from edgewright.device.store.store import Store
from edgewright.monitor.detector_stream import write_detector
from edgewright.monitor.detectors import kind
from edgewright.monitor.records import DetectorSpec, Threshold


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package(tmp_path / "switch.edge")
    return tmp_path


def woven(streams: list[str], seconds: float = 10.0) -> list[Packet]:
    """Return packets of many streams, one after the other as time goes on; each its own signal."""
    each = [packets(signal(seconds, period=4.0 + 2 * n, seed=n), 25, stream=s) for n, s in enumerate(streams)]
    return [packet for together in zip(*each, strict=True) for packet in together]


def test_each_stream_is_decided_as_if_it_were_alone(folder: Path) -> None:
    names = ["a", "b", "c"]
    together = given(folder, woven(names))[0]
    for name in names:
        (folder / "store").rename(folder / f"before-{name}")
        alone = given(folder, [packet for packet in woven(names) if packet.stream == name])[0]
        mine = [event for event in together if event.stream == name and event.kind == "decision"]
        assert event_lines(mine) == event_lines(alone, "decision")
        assert len(mine) >= 2


def test_packages_take_the_streams_and_columns_they_ask_for(folder: Path) -> None:
    package(folder / "heat.edge", columns=(Column(name="heat"), Column(name="level", unit="V")))
    settings = {
        "packages": [{"path": "switch.edge", "streams": ["a*"]}, {"path": "heat.edge", "name": "warm"}],
    }
    events = given(folder, woven(["a1", "b1"]), settings=settings)[0]
    seen = {(event.stream, event.detail["package"]) for event in events if event.kind == "summary"}
    assert seen == {("a1", "switch"), ("a1", "warm"), ("b1", "warm")}
    # 'heat' is about 20, so that 'on' is all that the other package ever says.
    warm = {event.label for event in events if event.kind == "decision" and event.detail["package"] == "warm"}
    assert warm == {"on"}


def test_units_are_asked_for_and_must_agree(folder: Path) -> None:
    source = Given([])
    configured = check_settings({"packages": [{"path": "switch.edge"}]}, folder, "here")
    from edgewright.device.agent.startup import run_agent

    nothing = {"stop": lambda: False, "say": print, "publish": print, "begin": lambda _: None}
    run_agent(configured, source, folder / "store", **nothing)  # type: ignore[arg-type]
    assert source.asked == ("level [V]", "heat")
    package(folder / "other.edge", columns=(Column(name="level", unit="mV"), Column(name="heat")))
    with pytest.raises(InputError, match=r"the column as level \[V\].*got level \[mV\] - at other"):
        given(folder, [], settings={"packages": [{"path": "switch.edge"}, {"path": "other.edge"}]})
    recording(folder / "rows.csv", signal(1.0), header="time,level [mV],heat")
    with pytest.raises(InputError, match="level in V, got level in mV"):
        run(folder, f"replay:{folder / 'rows.csv'}")
    recording(folder / "rows.csv", signal(1.0), header="time,level,cold")
    with pytest.raises(InputError, match=r"no column 'heat'\. Known: .*cold"):
        run(folder, f"replay:{folder / 'rows.csv'}")


def test_a_source_that_says_another_rate_is_refused(folder: Path) -> None:
    recording(folder / "rows.csv", signal(1.0))
    with pytest.raises(InputError, match="rows at 50 Hz, for which package 'switch' was made, got 100 Hz"):
        run(folder, f"replay:{folder / 'rows.csv'}?rate=100")


def test_rows_at_another_rate_than_the_source_says_decide_nothing(folder: Path) -> None:
    listed = [Packet(values=p.values, time=p.time / 2) for p in packets(signal(40.0))]
    events = given(folder, listed)[0]
    assert [e.label for e in events if e.kind == "health"][:3] == ["start", "surplus", "rate"]
    rated = next(e.time for e in events if e.label == "rate")
    assert all(e.time <= rated + 1 for e in events if e.kind == "decision")


def test_more_streams_than_allowed_forget_the_one_that_was_silent_longest(folder: Path) -> None:
    first, *others = (packets(signal(4.0), 50, stream=f"s{n}") for n in range(4))
    listed = [*first, *others[0], *first[-1:], *others[1], *others[2]]
    events = given(folder, listed, settings={"agent": {"streams": 2}})[0]
    gone = [event.stream for event in events if event.label == "evicted"]
    assert gone == ["s1", "s0"]
    # What they had counted was summed up before.
    assert {"s0", "s1", "s2", "s3"} == {event.stream for event in events if event.kind == "summary"}


def test_a_stream_that_nothing_follows_is_told_once(folder: Path) -> None:
    settings = {"packages": [{"path": "switch.edge", "streams": ["a"]}]}
    events = given(folder, woven(["a", "x"]), settings=settings)[0]
    assert [(e.stream, e.label) for e in events if e.stream == "x"] == [("x", "unknown")]


def test_a_stream_that_falls_silent_and_comes_back_is_told(folder: Path) -> None:
    def listed() -> Iterator[Packet]:
        yield from packets(signal(2.0))
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            time.sleep(0.05)
            yield Packet(values=np.empty((0, 2), np.float32), time=np.empty(0), notice="gone: retrying")
        yield from packets(signal(2.0), begin=100.0)

    events = given(folder, listed(), settings={"agent": {"silent": 0.2}}, live=True)[0]
    labels = [event.label for event in events if event.kind == "health"]
    assert labels.count("silent") == 1
    assert labels.index("silent") < labels.index("back")
    assert all(event.wall is not None for event in events)
    # What a source says of itself may quote what it read: it is kept under a name that does not leave.
    notices = [event.detail for event in events if event.label == "source"]
    assert notices
    assert all(set(detail) == {"notice"} for detail in notices)


def test_what_a_source_says_with_its_first_rows_has_their_time(folder: Path) -> None:
    first, *others = packets(signal(2.0), begin=9000.0)
    noted = Packet(values=first.values, time=first.time, notice="no column heat: it counts as missing")
    events = given(folder, [noted, *others], live=True)[0]
    (notice,) = [event for event in events if event.label == "source"]
    assert notice.time == 9000.0
    start = events[0].wall
    assert notice.wall is not None
    assert start is not None
    assert abs(notice.wall - start) < 60.0


def test_a_package_that_fails_its_test_vectors_is_refused_and_the_old_one_stays(folder: Path) -> None:
    listed = packets(signal(2.0))
    given(folder, listed)
    slot = folder / "store" / "packages" / "switch"
    good = (slot / "current.edge").read_bytes()
    package(folder / "switch.edge", wrong=0.01)
    with pytest.raises(CheckFailedError, match=r"refused: self-test of switch.*verified here earlier"):
        given(folder, listed, settings={"agent": {"keep_old": False}})
    assert (slot / "current.edge").read_bytes() == good
    events = given(folder, listed)[0]
    start, refused = events[:2]
    assert start.detail["sha256"] == [hashlib.sha256(good).hexdigest()[:16]]
    assert (refused.kind, refused.label, refused.detail["package"]) == ("health", "refused", "switch")
    assert refused.detail["reason"] == "package switch was refused: the last verified one is in use"
    assert "self-test" in refused.detail["notice"]
    assert [event for event in events if event.kind == "decision"]
    assert (slot / "current.edge").read_bytes() == good
    record = status.read_state(folder / "store").refused
    assert list(record) == ["switch"]
    assert "self-test" in record["switch"]
    # Without one that was proven before, it is the test vectors that failed, not the configuration.
    entry = {"path": "switch.edge", "name": "never-proven"}
    with pytest.raises(CheckFailedError, match=r"refused: self-test of switch"):
        given(folder, listed, settings={"packages": [entry]})
    # Nor does an old one help that fails here too.
    (slot / "current.edge").write_bytes(good[:-9])
    with pytest.raises(CheckFailedError, match=r"refused: self-test of switch"):
        given(folder, listed)
    (slot / "current.edge").write_bytes(good)
    package(folder / "switch.edge", thresholds={"confidence": 0.7})
    given(folder, listed)
    assert (slot / "previous.edge").read_bytes() == good
    assert (slot / "current.edge").read_bytes() == (folder / "switch.edge").read_bytes()
    assert status.read_state(folder / "store").refused == {}


def test_a_package_that_was_never_proven_here_lets_nothing_start(folder: Path) -> None:
    both = [{"path": "switch.edge"}, {"path": "broken.edge"}]
    package(folder / "broken.edge", wrong=0.01)
    with pytest.raises(CheckFailedError, match=r"refused: self-test of switch"):
        given(folder, packets(signal(2.0)), settings={"packages": both})
    # One that was proven here and is damaged or gone now leaves its copy at work, and the others too.
    package(folder / "broken.edge")
    given(folder, packets(signal(2.0)), settings={"packages": both})
    for damaged in (True, False):
        (folder / "broken.edge").unlink()
        if damaged:
            (folder / "broken.edge").write_bytes(b"no package")
        events = given(folder, packets(signal(2.0)), settings={"packages": both})[0]
        assert [event.detail["package"] for event in events if event.label == "refused"] == ["broken"]
        assert {event.detail.get("package") for event in events if event.kind == "decision"} == {"switch", "broken"}


def test_a_detector_beside_the_model_names_the_channel(folder: Path) -> None:
    part = kind("robust")
    columns = (Column(name="level"), Column(name="heat"))
    config = part.config()
    values = signal(60.0, period=1e9)
    learnt = part.fit(config, values, np.arange(len(values)) / 50.0)
    spec = DetectorSpec(
        kind="robust", config={}, columns=columns, rate=50.0, threshold=Threshold(value=50.0, by="given"),
        refractory=500,
    )  # fmt: skip
    write_detector(folder / "odd.detector", spec, learnt)
    odd = signal(20.0, period=1e9, seed=5)
    odd[700:720, 1] = 400.0 + np.arange(20)
    listed = packets(odd)
    events = given(folder, listed, settings={"detectors": [{"path": "odd.detector"}]})[0]
    (anomaly,) = [event for event in events if event.kind == "anomaly"]
    assert (anomaly.label, anomaly.detail["detector"]) == ("heat", "odd")
    assert 13.9 < anomaly.time < 14.5


@pytest.mark.slow
def test_a_channel_that_drifts_from_the_reference_is_named(folder: Path) -> None:
    package(folder / "switch.edge", reference=reference_of(signal(600.0, seed=9)))
    values = signal(1200.0)
    listed = packets(values, 500)
    settings = {"drift": {"rhythm": 60.0, "sync": True}}
    assert not event_lines(given(folder, listed, settings=settings)[0], "drift")
    values[30_000:, 1] += 12.0
    (folder / "store").rename(folder / "before")
    events = given(folder, packets(values, 500), settings=settings)[0]
    drifts = [event for event in events if event.kind == "drift" and event.label == "heat"]
    assert drifts
    assert drifts[0].time > 600.0
    assert abs(drifts[0].detail["since"] - 600.0) < 30.0
    summary = events[-1].detail["sketch"]
    assert len(summary) == 2
    assert all(len(text) <= 256 for text in summary)


def test_what_is_sent_is_gone_from_the_outbox(folder: Path, tmp_path: Path) -> None:
    (folder / "out").mkdir()
    events = given(folder, packets(signal(20.0)), settings={"sink": [{"kind": "folder", "path": str(folder / "out")}]})[
        0
    ]
    sent = b"".join(path.read_bytes() for path in sorted((folder / "out").iterdir()))
    assert sent.count(b"\n") == len(events)
    with reader.look(folder / "store") as database:
        assert database.value("SELECT count(*) FROM outbox") == 0


def test_a_sink_that_fails_delays_nothing_and_loses_nothing(folder: Path) -> None:
    settings = {"sink": [{"kind": "folder", "path": str(folder / "not-mounted")}]}
    lines: list[str] = []
    events = given(folder, packets(signal(20.0)), settings=settings, printed=lines)[0]
    assert "sink folder" in lines[0]
    with reader.look(folder / "store") as database:
        assert database.value("SELECT count(*) FROM outbox") == len(events)
    # The next start finds the stick.
    (folder / "not-mounted").mkdir()
    configured = check_settings(settings, folder, "here")
    with Store.open(folder / "store") as store:
        delivery = Delivery(store, configured.ways, lines.append)
        delivery.start()
        delivery.close(5.0)
    with reader.look(folder / "store") as database:
        assert database.value("SELECT count(*) FROM outbox") == 0


def test_quantiles_of_latency_are_within_a_bin() -> None:
    latency = Latency()
    for _ in range(990):
        latency.add(0.001)
    for _ in range(10):
        latency.add(0.5)
    assert 0.001 <= latency.quantile(0.5) < 0.00113
    assert 0.001 <= latency.quantile(0.99) < 0.00113
    assert 0.5 <= latency.quantile(0.995) < 0.57
    assert Latency().quantile(0.5) == 0.0


def test_an_event_knows_when_it_was(folder: Path) -> None:
    wall = 1.7e9
    listed = [Packet(values=p.values, time=p.time, wall=wall + float(p.time[-1])) for p in packets(signal(20.0), 300)]
    events = given(folder, listed)[0]
    decided: list[Event] = [event for event in events if event.kind == "decision"]
    assert decided
    assert all(event.wall == pytest.approx(wall + event.time) for event in decided)


def test_a_source_that_complains_of_every_line_is_told_once(folder: Path) -> None:
    empty = np.empty((0, 2), np.float32)
    noise = [Packet(values=empty, time=np.empty(0), notice=f"a line that is no header: 'noise {n}'") for n in range(50)]
    events = given(folder, [*noise, *packets(signal(2.0))], live=True)[0]
    records = [event.detail["notice"] for event in events if event.label == "source"]
    assert records == ["a line that is no header: 'noise 0'"]


def test_a_disk_that_is_nearly_full_at_the_start_is_reported_at_once(folder: Path) -> None:
    settings = {"agent": {"disk_free": 1 << 60}}
    events = given(folder, packets(signal(1.0)), settings=settings, live=True)[0]
    assert [event.label for event in events if event.label in {"disk", "well"}] == ["disk"]


def test_notices_of_a_kind_are_counted_and_others_pass() -> None:
    empty = np.empty((0, 2), np.float32)

    def at(moment: float, text: str, stream: str = "") -> str:
        return notices.passed(Packet(stream=stream, values=empty, time=np.empty(0), notice=text), moment).notice

    notices = Notices(10.0)
    assert at(0.0, "expected 7 cells, got 2") == "expected 7 cells, got 2"
    assert at(1.0, "expected 7 cells, got 3") == ""
    assert at(1.0, "x.csv is gone") == "x.csv is gone"
    assert at(1.0, "expected 7 cells, got 2", stream="b") == "expected 7 cells, got 2"
    assert at(10.0, "expected 7 cells, got 4") == "expected 7 cells, got 4 (and 1 more like it before)"
    assert at(20.0, "expected 7 cells, got 5") == "expected 7 cells, got 5"
    crowd = [at(30.0 + number / 1e4, "no JSON", stream=f"s{number}") for number in range(2000)]
    assert [text for text in crowd if text] == ["no JSON"] * 9
    assert at(41.0, "no JSON", stream="s1999") == "no JSON"
    assert at(41.0, "no JSON", stream="s1998") == "no JSON"


def test_a_recording_without_time_or_rate_is_refused_where_a_package_goes_by_one(folder: Path) -> None:
    lines = ["level,heat", *(f"{level:.4f},{heat:.4f}" for level, heat in signal(8.0).tolist())]
    bare = folder / "bare.csv"
    bare.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="rows a second: package 'switch' takes 50"):
        run(folder, f"replay:{bare}")
    assert run(folder, f"replay:{bare}?rate=50")[1].windows
