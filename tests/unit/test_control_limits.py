"""Limits: who asks too often waits, so many devices are heard at once, and operators always come in."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import msgspec
import pytest

from edgewright.fleet.server.control_plane import Limits
from edgewright.fleet.server.limits import Buckets, ConcurrencyLimit, CrowdedError
from edgewright.schema.fleet_report import Acknowledged
from fleet_plane import Client, enrolled, plane_of


class Hand:
    """Seconds that move when they are told to."""

    def __init__(self) -> None:
        self.up = 0.0

    def __call__(self) -> float:
        return self.up


LONG = 10_000


def refused(crowd: ConcurrencyLimit, length: int = 0) -> float:
    with pytest.raises(CrowdedError) as exception_info, crowd.admit(length):
        pass
    return exception_info.value.wait


def test_so_many_come_in_and_so_many_bytes_and_all_room_is_given_back() -> None:
    crowd = ConcurrencyLimit(12, 2 * LONG, 0.5, Hand())
    with crowd.admit(5 * LONG):  # a large one alone
        assert refused(crowd, LONG) > 0.0
    with crowd.admit(LONG), crowd.admit(LONG):
        assert refused(crowd, LONG) > 0.0  # so many bytes
    with crowd.admit(5000), crowd.admit(5000), crowd.admit(5000), ExitStack() as short:
        assert refused(crowd, 5000) > 0.0  # a quarter of the places
        for _ in range(9):
            short.enter_context(crowd.admit(0))
        assert refused(crowd) > 0.0
    with pytest.raises(ZeroDivisionError), crowd.admit(100):
        raise ZeroDivisionError
    assert (crowd.here, crowd.bytes) == (0, 0)


def test_a_short_request_waits_only_for_other_short_ones() -> None:
    crowd = ConcurrencyLimit(4, 2 * LONG, 0.5, Hand())
    with crowd.admit(LONG):
        waits = [refused(crowd, LONG) for _ in range(400)]
        assert waits[-1] > 15.0
        with crowd.admit(0), crowd.admit(0), crowd.admit(0):
            assert refused(crowd) == 2.0


def test_the_more_are_sent_away_the_later_they_are_asked_to_come_and_it_passes() -> None:
    clock = Hand()
    crowd = ConcurrencyLimit(1, 100, 0.5, clock)
    assert crowd.more == 0.5
    with ExitStack() as inside:
        inside.enter_context(crowd.admit(0))
        waits = []
        for _ in range(4000):
            clock.up += 0.005
            waits.append(refused(crowd, LONG))
        assert 10.0 < max(refused(crowd) for _ in range(1600)) < 30.0  # short ones are answered sooner
    assert waits == sorted(waits)
    assert waits[0] == 2.0
    assert waits[-1] == 60.0
    assert crowd.late == crowd.more == 60.0  # who brings a backlog waits for those who have not been heard at all
    clock.up += 120.0
    assert crowd.more == 0.5
    assert crowd.late < 0.01


def test_a_crowd_is_told_when_to_come_and_keeps_no_operator_away(tmp_path: Path) -> None:
    async def talk() -> None:
        with plane_of(tmp_path, limits=Limits(crowd=1)) as plane:
            client = Client(plane)
            device = await enrolled(client)
            assert (await device.report()).status_code == 200
            with plane.crowd.admit(10):
                answer = await device.report(items=[{"filler": "x" * 50_000}])
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) >= 2
                listed = await client.ask("GET", "/v1/fleet/devices", local=True)
                assert listed.status_code == 200
            assert b'status="503"' in plane.counted.text()
            response = await device.report()
            assert response.status_code == 200
            assert msgspec.json.decode(response.content, type=Acknowledged).more >= plane.limits.spacing
            assert plane.crowd.here == 0

    asyncio.run(talk())


def test_those_that_are_kept_follow_who_is_busy_and_not_how_many_there_are() -> None:
    buckets = Buckets(rate=1.0, burst=10.0)
    for number in range(50_000):
        assert buckets.take(f"device-{number}", number / 100.0) == 0.0
    assert len(buckets) < 1000  # a bucket is full after a second, in which 100 ask


@pytest.mark.slow
def test_who_has_asked_too_much_is_remembered_behind_any_number_of_others() -> None:
    buckets = Buckets(1000.0 / 86_400.0, 1000.0)
    assert buckets.take("greedy", 0.0, 1000.0) == 0.0
    for number in range(150_000):
        buckets.take(f"device-{number}", number / 1000.0, 0.001)
    assert buckets.take("greedy", 150.0, 1000.0) > 80_000.0


def test_the_number_is_bounded_whatever_the_names_do() -> None:
    buckets = Buckets(rate=1e-9, burst=1.0, names=100)
    for number in range(1000):
        assert buckets.take(f"device-{number}", 0.0) == 0.0
    assert len(buckets) == 100
    assert buckets.take("device-0", 0.0) == 0.0  # forgotten
    assert buckets.take("device-0", 0.0) > 0.0


def test_a_bucket_fills_at_its_rate_and_says_how_long_it_takes() -> None:
    buckets = Buckets(rate=2.0, burst=4.0)
    assert [buckets.take("a", 0.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 0.5]
    assert buckets.take("a", 0.5) == 0.0 and buckets.take("a", 0.5) == 0.5
    assert buckets.take("a", 100.0, 4.0) == 0.0


@pytest.mark.anyio
async def test_a_body_counts_as_at_most_what_its_endpoint_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit, lengths = ConcurrencyLimit.admit, list[int]()

    def noted(self: ConcurrencyLimit, length: int) -> AbstractContextManager[None]:
        lengths.append(length)
        return admit(self, length)

    monkeypatch.setattr(ConcurrencyLimit, "admit", noted)
    with plane_of(tmp_path) as plane:
        device = await enrolled(Client(plane))
        await device.send("enroll", bytes(10_000), "new")
        body = device.body()
        assert (await device.send("report", body)).status_code == 200
    assert lengths[-2:] == [4096, len(body)]
