"""docs/scale.md says what follows from the measured figures, and the lifetimes of caches keep the promise."""

from __future__ import annotations

import pytest
from benchmarks.fleet_scale.ten_million import DOCUMENT, FLEETS, MEASURED, filled, promised, worked

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.server.control_plane import Limits
from support import ROOT


def test_the_document_says_what_follows_from_the_figures() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert filled(text) == text, "run: python -m benchmarks.fleet_scale.ten_million"
    assert text.count("<!-- end -->") == 7


def test_a_figure_that_changed_would_be_noticed() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert filled(text.replace("166,667", "166,666")) == text


def test_caches_keep_the_promise_of_two_poll_periods() -> None:
    shares = promised()
    assert shares["halt"] <= shares["two"]
    assert shares["root"] <= shares["two"]


def test_the_first_fleet_is_the_one_of_the_defaults_and_the_arithmetic_holds() -> None:
    one = worked(*FLEETS[0])
    assert (one.every, one.keep) == (Limits().wait, Limits().keep / DAY)
    assert one.polls == pytest.approx(10e6 / 60)
    assert one.kept_rows == pytest.approx(10e6 * 1440 * 30)
    assert one.disk == pytest.approx(one.kept_rows * MEASURED["report_disk"].value, rel=0.01)
    small = worked("", 1000.0, 60.0, 30.0)
    assert small.report_cores == pytest.approx(1000 / 60 * MEASURED["report_cpu"].value)


def test_the_commands_that_measured_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for one in MEASURED.values():
        target, _, parts = one.command.partition(" PARTS=")
        assert f"\n{target}:" in makefile
        assert (ROOT / "benchmarks" / target.removeprefix("bench-").replace("-", "_") / f"{parts}.py").is_file()
