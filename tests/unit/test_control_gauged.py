"""What the control plane's metrics say of devices, rollouts and signatures, and that reading them costs little."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from edgewright.fleet.server.control_plane import Plane, open_plane
from edgewright.fleet.server.database.tables import devices, outcomes
from edgewright.fleet.server.monitoring.gauges import Gauges
from rollout_example import HOUR, NOW, Example
from signed_fleet import HandClock


def read(text: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Return values by name and by the values of labels, in the order of their names."""
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = tuple(value for _, value in sorted(sample.labels.items()))
            samples.setdefault(sample.name.removeprefix("edgewright_fleet_"), {})[key] = sample.value
    return samples


def plane_with(example: Example, clock: HandClock) -> Plane:
    example.close()
    return open_plane(example.fleet.folder, thread=False, clock=clock)


def row(number: int, counter: int, *, last: float | None, phase: str = "idle", shut: bool = False) -> dict[str, object]:
    return {
        "id": f"{number:032x}", "key": f"{number:044}", "name": "d", "product": "main", "profile": "pi", "tags": (),
        "given": (), "batch": "b", "token": "", "enrolled_at": NOW - 10 * 24 * HOUR, "nonce": "", "counter": counter,
        "last_report_at": last, "phase": phase, "quarantined": shut,
    }  # fmt: skip


def test_devices_rollouts_and_signatures_are_told_as_they_are(tmp_path: Path) -> None:
    example, clock = Example(tmp_path), HandClock(NOW)
    example.started()
    plane = plane_with(example, clock)
    try:
        with plane.database.writing.begin() as connection:
            connection.execute(sa.insert(devices), [
                row(1, 1, last=NOW - 5), row(2, 1, last=NOW - 30 * HOUR), row(3, 2, last=NOW - 60, phase="trial"),
                row(4, 2, last=None), row(5, 1, last=NOW - 50 * HOUR, shut=True),
            ])  # fmt: skip
            ended = {"plan": "first", "counter": 2, "detail": "", "clock": 0.0}
            connection.execute(sa.insert(outcomes), [
                {"device": "1", "number": 1, "what": "reverted", "because": "crash", "at": NOW - 60, **ended},
                {"device": "2", "number": 1, "what": "confirmed", "because": "", "at": NOW - 2 * HOUR, **ended},
            ])  # fmt: skip
        clock.now = NOW + 120.0
        gauges = read(Gauges(plane).text())
    finally:
        plane.close()
    assert gauges["devices"] == {
        ("blocked",): 0, ("enrolled",): 5, ("heard",): 2, ("quarantined",): 1, ("retired",): 0, ("silent",): 2,
    }  # fmt: skip
    assert gauges["devices_release"] == {("main", "1"): 3, ("main", "2"): 2}
    assert gauges["devices_phase"] == {("idle", "main"): 4, ("trial", "main"): 1}
    assert gauges["outcomes_hour"] == {("crash", "reverted"): 1}
    (named,) = gauges["rollout"]
    assert named[1:] == ("main", str(example.releases[-1].counter), "running")
    assert gauges["rollout_stage_seconds"] == {named[:1]: 120.0}
    assert gauges["rollout_stage"] == {named[:1]: 0.0}
    assert {"root", "timestamp", "snapshot", "targets", "releases", "rollouts"} <= {
        k[0] for k in gauges["metadata_expires_seconds"]
    }
    assert NOW < gauges["metadata_expires_seconds"]["timestamp",] <= NOW + 24 * HOUR
    assert gauges["ready"]["writer",] == 1.0
    assert gauges["database_bytes"]["sqlite",] > 10_000


def test_counting_is_not_done_again_before_it_has_rested(tmp_path: Path) -> None:
    example, clock = Example(tmp_path), HandClock(NOW)
    plane = plane_with(example, clock)
    try:
        gauged = Gauges(plane)
        assert read(gauged.text())["devices"]["enrolled",] == 0
        with plane.database.writing.begin() as connection:
            connection.execute(sa.insert(devices), row(1, 1, last=NOW))
        took = read(gauged.text())["count_seconds"][()]
        assert read(gauged.text())["devices"]["enrolled",] == 0
        clock.up += 20.0 * took
        assert read(gauged.text())["devices"]["enrolled",] == 1
    finally:
        plane.close()


def test_a_folder_without_whole_metadata_has_metrics_all_the_same(tmp_path: Path) -> None:
    example, clock = Example(tmp_path), HandClock(NOW)
    plane = plane_with(example, clock)
    try:
        (example.fleet.metadata / "timestamp.json").unlink()
        gauges = read(Gauges(plane).text())
    finally:
        plane.close()
    assert "metadata_expires_seconds" not in gauges
    assert gauges["ready"]["writer",] == 1.0
