"""Buckets: which are kept, and that none is forgotten that would be filled by it."""

from __future__ import annotations

from edgewright.fleet.server.api.rate_limits import Buckets, daily


def test_those_that_are_kept_follow_who_is_busy_and_not_how_many_there_are() -> None:
    buckets = Buckets(rate=1.0, burst=10.0)
    for number in range(50_000):
        assert buckets.take(f"device-{number}", number / 100.0) == 0.0
    assert len(buckets) < 1000  # a bucket is full after a second, in which 100 ask


def test_who_has_asked_too_much_is_remembered_behind_any_number_of_others() -> None:
    buckets = daily(1000.0)
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
