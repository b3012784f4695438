"""Ctrl-C is heard also where Python drops the exception that it raises."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator

import pytest

from edgewright.cli import interrupt
from edgewright.cli.interrupt import signals_end_work
from edgewright.cli.listeners import Quiet


@pytest.fixture(autouse=True)
def _foreground(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Handle Ctrl-C as a program in the foreground does, and forget the signals of the test after it."""
    monkeypatch.setattr(interrupt._INTERRUPTS, "number", 0)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


class _Falls:
    """Is interrupted while it is thrown away, where an exception can reach nobody."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_was_dropped_is_raised_again(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.unraisablehook
    reached = False
    with pytest.raises(KeyboardInterrupt), signals_end_work():
        falls = _Falls()
        del falls
        reached = True  # the first one came to nothing
        until = time.monotonic() + 60
        while time.monotonic() < until:
            time.sleep(0.01)
    assert reached
    assert sys.unraisablehook is before
    assert "Traceback" not in capsys.readouterr().err


def test_other_dropped_exceptions_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[type[BaseException] | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: reported.append(dropped.exc_type))

    class Fails:
        def __del__(self) -> None:
            raise ValueError

    with signals_end_work():
        fails = Fails()
        del fails
    assert reported == [ValueError]


def test_ctrl_c_that_ended_a_part_is_forgotten_and_a_termination_signal_is_not() -> None:
    listener = Quiet()
    with signals_end_work():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            listener.cancelled()
        listener.interrupted()
        assert not listener.cancelled()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            listener.interrupted()
