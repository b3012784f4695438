"""What a person reads where a model does not fit a device: how much is too much, and what would fit."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from benchmarks.estimate.draft import Draft
from benchmarks.estimate.simple import simple_subjects

from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.footprint import Budget
from edgewright.core.records.package import WindowSpec
from edgewright.export.contract import Stream, Subject
from edgewright.pipeline.cost import form_footprint, holder, integer_form
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import over_budget
from edgewright.workflows.estimation import estimate_subject

SMALL = load_profile("cortex-m0plus")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def wide(units: int) -> Subject:
    return Subject("wide", Draft("wide", (100,), 3).dense(units).dense(3, "").finish())


def test_a_float_network_is_too_large_and_its_int8_form_fits() -> None:
    estimate = estimate_subject(wide(900), SMALL, compiled=False)
    assert [sentence.split()[0] for sentence in estimate.over] == ["flash"]
    assert "beyond 262.1 kB" in estimate.over[0]
    advice = next(text for text in estimate.helps if text.startswith("what would fit: "))
    sizes = re.search(r"the int8 form, ([0-9.]+) kB of flash and ([0-9.]+) kB of RAM, fits, and ", advice)
    assert sizes is not None
    assert [float(size) for size in sizes.groups()] == pytest.approx([100.1, 1.16], rel=0.02)  # compiled
    name = advice.rpartition(", and ")[2].split()[0]
    profile = load_profile(name)
    footprint = form_footprint(profile, wide(900).graph)
    assert not over_budget(footprint, Budget(flash=int(profile.flash.value), ram=int(profile.ram.value)))


def test_what_no_microcontroller_holds_is_said() -> None:
    subject = wide(30_000)
    assert holder(subject.graph, Budget()) == "no microcontroller with a profile holds the model as it is"
    footprint = form_footprint(SMALL, subject.graph)
    assert integer_form(SMALL, subject.graph, footprint, Budget(flash=262_144)).endswith("is too large, too")


def test_trees_have_no_int8_form() -> None:
    tree = next(subject for subject in simple_subjects(5, 11) if "forest" in subject.name)
    assert integer_form(SMALL, tree.graph, form_footprint(SMALL, tree.graph), Budget(flash=1)) == ""


def test_an_answer_that_comes_after_the_next_window_is_beyond_the_device() -> None:
    graph = Draft("slow", (3, 128), 3).conv(24, 9).conv(24, 9).pool("GlobalAveragePool").dense(3, "").finish()
    window = WindowSpec(samples=128, step=10, rate=100.0)
    estimate = estimate_subject(
        Subject("slow", graph, stream=Stream(window, (), DecisionSpec())), SMALL, compiled=False
    )
    (late,) = estimate.over
    assert late.startswith("latency ") and late.endswith(" beyond 100.0 ms")
    advice = next(text for text in estimate.helps if text.startswith("what would fit: "))
    name = advice.rpartition("what would fit: ")[2].rpartition(", and ")[2].split()[0]
    assert load_profile(name).macs_float.value < SMALL.macs_float.value


def test_a_latency_that_nobody_knows_fails_a_limit_that_was_asked_for_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "edgewright.profiles.footprint.unsupported_reason", lambda core, program: "it is of another kind"
    )
    graph = Draft("odd", (3, 128), 3).conv(4, 9).pool("GlobalAveragePool").dense(3, "").finish()
    stream = Stream(WindowSpec(samples=128, step=10, rate=100.0), (), DecisionSpec())
    estimate = estimate_subject(Subject("odd", graph, stream=stream), SMALL, compiled=False)
    assert (estimate.footprint.latency_us, estimate.over) == (None, ())
    assert "an answer is due every 100.0 ms; whether it is in time is not known" in estimate.notes
    limits = Budget(latency_us=1e6)
    requested = estimate_subject(Subject("odd", graph, stream=stream), SMALL, budget=limits, compiled=False)
    assert [sentence.split(":")[0] for sentence in requested.over] == ["latency is not known"]


def test_the_interval_of_a_core_that_stands_in_for_another_holds_its_portable_code() -> None:
    """The ESP32-S3 is estimated as a Cortex-M4, whose int8 code uses DSP instructions."""
    subject = Draft("both", (40,), 3).dense(24).dense(3, "").subject("int8")
    assert subject.small is not None
    chip = load_profile("cortex-m4")
    own, plain = (
        form_footprint(profile, subject.small).instructions
        for profile in (chip, msgspec.structs.replace(chip, core="", estimated_as="cortex-m4"))
    )
    assert own is not None and plain is not None
    assert plain.high == pytest.approx(2.0 * own.high, rel=0.01)
    assert plain.low == own.low
