"""Work that a server repeats in a thread: it goes on after a failure, which is logged once, and it ends."""

from __future__ import annotations

import json
import threading
import time

import pytest

from edgewright.fleet.server.background import repeat


def test_it_goes_on_after_a_failure_and_logs_the_same_one_once(capfd: pytest.CaptureFixture[str]) -> None:
    calls, enough = 0, threading.Event()

    def work() -> float:
        nonlocal calls
        calls += 1
        if calls == 6:
            enough.set()
        if calls in (2, 3, 5):
            raise ValueError("the disk is full")
        return 0.002

    end = repeat("keeping", 0.001, work, at_once=True)
    assert enough.wait(10.0)
    end()
    done = calls
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    events = [(line["event"], line["where"], line["error"]) for line in lines]
    assert events == [("broken", "keeping", "ValueError: the disk is full")] * 2  # again after it was well
    time.sleep(0.05)
    assert calls == done


def test_without_at_once_it_waits_first_and_ends_within_its_pause() -> None:
    called = threading.Event()
    end = repeat("late", 60.0, called.set)
    began = time.monotonic()
    end()
    assert not called.is_set()
    assert time.monotonic() - began < 5.0
