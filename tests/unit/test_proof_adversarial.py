"""Rows by construction: what they hold, that they are the same every time, and what they may not widen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.core.errors import StoppedError
from edgewright.core.input.samples import flagged
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.builder import without_mask
from edgewright.proof.tolerance import (
    EXTREME,
    PROBABILITIES,
    RANDOM_BYTES,
    Form,
    Samples,
    Stages,
    ToleranceReference,
    allowed,
    perturbed_synthetic_readings,
    wide_digits,
)
from edgewright.workflows.proof import comparison
from edgewright.workflows.proof.adversarial import MAX_ROWS, _either_side, with_constructed
from edgewright.workflows.proof.comparison import measure_tolerance_reference, prove_subject
from edgewright.workflows.proof.forms import forms_of
from edgewright.workflows.proof.forms.c99 import c_form
from edgewright.workflows.proof.forms.integers import drawn_rows, drawn_stage
from edgewright.workflows.proof.stages import boundary_value, first_failing
from edgewright.workflows.proof.subject import Chosen
from proof_example import SHAPE, samples, subject

pytestmark = pytest.mark.usefixtures("children_call_c")

RANGES = (("x", -2.0, 2.5), ("y", None, 1.0), ("z", None, None))


def adversarial() -> Chosen:
    return with_constructed(replace(subject(), ranges=RANGES), samples())


def rows(chosen: Chosen, word: str) -> np.ndarray:
    return np.stack([row for row, name in zip(chosen.samples, chosen.origins, strict=True) if word in name])


def test_they_are_the_same_every_time_and_stand_among_the_data() -> None:
    first, again = adversarial(), adversarial()
    assert np.array_equal(first.samples, again.samples, equal_nan=True) and first.origins == again.origins
    assert first.constructed is not None
    data = first.samples[~first.constructed]
    assert np.array_equal(data, samples().samples, equal_nan=True)
    assert 40 < first.constructed.sum() <= MAX_ROWS
    # A form that takes few samples meets some of them.
    share = first.constructed.mean()
    assert abs(first.constructed[:40].mean() - share) < 0.1
    assert first.source == samples().source


def test_limits_have_a_float_on_either_side() -> None:
    chosen = adversarial()
    at, below, above = (
        rows(chosen, f"x {where} its largest value 2.5")[0] for where in ("at", "a step below", "a step above")
    )
    assert at[0, -1] == 2.5 and below[0, -1] == np.nextafter(np.float32(2.5), np.float32(0))
    flags = flagged(np.stack([at, below, above]), RANGES)
    assert flags[2] == 1 and flags[0] == flags[1]
    assert not any(name.startswith("z ") for name in chosen.origins)


def test_missing_values_reach_the_limit_of_an_answer_and_pass_it() -> None:
    chosen, (_, mask) = adversarial(), without_mask(subject().reference)
    assert mask is not None
    fewest, fewer = rows(chosen, "as few values as have an answer"), rows(chosen, "a value too few")
    assert not mask.unanswered(fewest).any() and mask.unanswered(fewer).all()
    assert np.isfinite(fewest[0, 0]).sum() == mask.needed == np.isfinite(fewer[0, 0]).sum() + 1


def test_saturation_single_channels_and_zeros() -> None:
    chosen = adversarial()
    network = subject().network
    assert network is not None
    grid = network.values[network.input]
    steps = boundary_value(subject().graphs["int8"], rows(chosen, "every channel ")) / np.float32(grid.scale)
    assert (steps + grid.zero > 127).any() and (steps + grid.zero < -128).any()
    (last,) = rows(chosen, "channel 2 alone, its last sample")
    assert np.flatnonzero(last).tolist() == [last.size - 1]
    assert np.signbit(rows(chosen, "all negative zero")).all() and not rows(chosen, "all zero").any()
    assert (np.ptp(rows(chosen, "every channel constant"), axis=2) == 0).all()


def test_rows_at_a_step_lie_on_either_side_of_it_one_float_apart() -> None:
    chosen = adversarial()
    network = subject().network
    assert network is not None
    grid = network.values[network.input]
    before, after = rows(chosen, "just before a step"), rows(chosen, "just after a step")
    reals = [boundary_value(subject().graphs["int8"], x).reshape(len(x), -1) for x in (before, after)]
    places = [int(name.split()[1]) for name in chosen.origins if name.endswith("just after a step")]
    off = [abs(r[np.arange(len(r)), places] / np.float32(grid.scale) % 1 - 0.5) for r in reals]
    assert len(before) == len(after) > 10 and max(o.max() for o in off) < 1e-3


def test_the_largest_number_is_a_reading_and_only_what_fills_is_compared_of_it() -> None:
    chosen = adversarial()
    largest = rows(chosen, " number")
    assert sorted(largest[np.abs(largest) == EXTREME].tolist()) == [-EXTREME] * 2 + [EXTREME] * 2
    own = subject()
    run = boundary_value(own.reference, chosen.samples)

    def form(name: str, lost: bool) -> Form:
        def answer(samples: Samples, boundary: Samples) -> Stages:
            filled = np.where(np.abs(samples) < EXTREME if lost else np.isfinite(samples), samples, np.float32(0.25))
            # Another engine overflows behind it elsewhere.
            scale = np.where(np.isfinite(run), run, np.float32(0 if lost else np.inf))
            return {"impute": filled, "scale": scale}

        return Form(name, "float", answer)

    exact, other = form("exact", lost=False), form("other", lost=True)
    assert prove_subject(own, "example", chosen, [exact, replace(exact, name="again")]).passed
    record = prove_subject(own, "example", chosen, [exact, other])
    assert record.breaks is not None and record.breaks.stage == "impute" and "number" in record.breaks.origin


def test_an_answer_is_just_sure_enough_and_just_not() -> None:
    manifest = SimpleNamespace(thresholds={"confidence": 0.6})
    package: Any = SimpleNamespace(manifest=manifest)
    chosen = with_constructed(replace(subject(), package=package), samples())
    run = compile_graph(subject().reference, (PROBABILITIES,))
    near = [run(rows(chosen, f"confidence just {word}"))[PROBABILITIES].max(axis=1) for word in ("before", "after")]
    assert abs(near[0] - 0.6).min() < 1e-5 and ((near[0] < 0.6) != (near[1] < 0.6)).any()


def test_the_least_sure_answer_is_compared_where_every_answer_is_sure() -> None:
    manifest = SimpleNamespace(thresholds={"confidence": 0.01})
    package: Any = SimpleNamespace(manifest=manifest)
    chosen = with_constructed(replace(subject(), package=package), samples())
    run = compile_graph(subject().reference, (PROBABILITIES,))
    smallest_chance = run(rows(chosen, "the least sure answer"))[PROBABILITIES].max(axis=1).min()
    chances = run(samples().samples)[PROBABILITIES].max(axis=1)
    assert 0 < smallest_chance <= chances[chances > 0].min()
    assert not any("confidence just" in origin for origin in chosen.origins)


def test_answers_nearest_to_the_threshold_are_compared_where_integers_leave_a_gap() -> None:
    chances = compile_graph(subject().graphs["int8"], (PROBABILITIES,))
    values = np.unique(chances(samples().samples)[PROBABILITIES].max(axis=1))
    low, high = sorted(values[np.argsort(np.diff(values))[-1] :][:2].tolist())
    manifest = SimpleNamespace(thresholds={"confidence": (low + high) / 2})
    package: Any = SimpleNamespace(manifest=manifest)
    chosen = with_constructed(replace(subject(), package=package), samples())
    sure = chances(rows(chosen, "the least sure answer that is sure enough"))[PROBABILITIES].max(axis=1)
    unsure = chances(rows(chosen, "the surest answer that is unsure"))[PROBABILITIES].max(axis=1)
    assert ((sure >= (low + high) / 2) & (sure <= high)).any() and ((unsure >= low) & (unsure < (low + high) / 2)).any()


def test_a_step_is_looked_for_between_two_rows_as_well() -> None:
    pair = np.array([[0.0], [1.0]], np.float32)
    sides = list(_either_side(lambda x: (x > 0.3).astype(np.int64), pair, 1))
    assert len(sides) >= 2 and all(abs(float(row[0]) - 0.3) < 1e-6 for _, _, row in sides)


def test_a_kernel_that_is_wrong_for_bytes_of_no_sample_is_noticed() -> None:
    """The network of this C is wrong where all of its inputs are zero, which no window brings."""

    def change(files: Mapping[str, str]) -> Mapping[str, str]:
        head, begin, rest = files["model.c"].rpartition("int model_network(")
        body, end, tail = rest.partition("\n}\n")
        assert begin
        alike = " && ".join(f"in[0] == in[{index}]" for index in range(1, 6))
        wrong = f"if ({alike} && in[0] > -128 && in[0] < 127) {{ out[0] = (int8_t)(out[0] ^ 1); }}"
        last = body.rstrip().rpartition("\n")
        return {**files, "model.c": f"{head}{begin}{last[0]}\n    {wrong}\n{last[2]}{end}{tail}"}

    name = "int8 C99 by gcc"
    right = next(form for form in forms_of(subject()) if form.name == "integer reference")
    form = c_form(subject(), "int8", name, change)
    record = prove_subject(subject(), "example", with_constructed(subject(), samples()), [right, form])
    assert record.breaks is not None and record.breaks.stage == RANDOM_BYTES


def test_drawn_rows_are_the_same_for_any_number_of_samples() -> None:
    network = subject().network
    assert network is not None
    every = drawn_rows(network, 10_000)
    assert np.array_equal(every[:7], drawn_rows(network, 7)) and len(every) == 256
    stage = drawn_stage(every, 300)[RANDOM_BYTES]
    assert len(stage) == 300 and np.array_equal(stage[256:], every.reshape(256, -1)[:44])


def test_they_widen_no_tolerance_of_the_data() -> None:
    alone, mixed = (
        measure_tolerance_reference(subject(), samples()),
        measure_tolerance_reference(subject(), adversarial()),
    )
    for stage in ("impute", "spectral", "scale"):
        assert np.array_equal(alone.spread[stage], mixed.spread[stage])
    data = mixed.data(len(adversarial().samples))
    values = np.zeros((len(data), 4), np.float32)
    values[data], values[~data] = 1.0, 1e6
    limit, _ = allowed("layer 1 dense", values, ToleranceReference(**{**vars(mixed), "spread": {}, "digits": {}}))
    assert limit[data].max() < 2e-4 and limit[~data].min() > 1


def test_what_last_digits_decide_of_a_constructed_row_is_not_judged() -> None:
    x = np.ones((2, 1, 8), np.float32)
    x[0] += np.arange(8, dtype=np.float32)

    def unsteadiness(rows: np.ndarray) -> dict[str, np.ndarray]:
        return {"s": rows.std(axis=2)}

    shaken = [unsteadiness(m) for m in perturbed_synthetic_readings(x, x)]
    digits = wide_digits(unsteadiness(x), shaken, {"s": np.zeros((1, 1))})["s"]
    assert np.isinf(digits[1]).all() and digits[0, 0] < 1e-4
    # Nothing is decided of a value whose usual size is far larger.
    digits = wide_digits(unsteadiness(x), shaken, {"s": np.ones((1, 1))})["s"]
    assert digits.max() < 1e-4


def test_the_record_counts_them_apart() -> None:
    chosen = adversarial()
    assert chosen.constructed is not None
    record = prove_subject(subject(), "example", chosen, [])
    assert record.samples == len(samples().samples) and record.constructed == chosen.constructed.sum()
    assert record.shape == SHAPE


def test_missing_and_infinite_values_where_the_model_says_what_is_done_with_them() -> None:
    chosen = adversarial()
    assert np.isnan(rows(chosen, "every value missing")).all()
    assert any((row[2] == np.inf).all() and np.isfinite(row[:2]).all() for row in rows(chosen, "channel 2 infinite"))
    (reading,) = rows(chosen, "a reading of every channel missing")
    assert np.isnan(reading).sum() == SHAPE[0] and np.isnan(reading).any(axis=0).sum() == 1
    (one,) = rows(chosen, "the last value of channel 2 negative infinite")
    assert one[2, -1] == -np.inf and np.isfinite(one).sum() == one.size - 1
    graphs = {numbers: without_mask(graph)[0] for numbers, graph in subject().graphs.items()}
    foreign = with_constructed(replace(subject(), graphs=graphs), samples())
    assert foreign.constructed is not None and np.isfinite(foreign.samples[foreign.constructed]).all()


def test_the_stage_at_which_python_stops_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, network = subject().graphs["int8"], subject().network
    assert network is not None
    assert first_failing(graph, None, samples().samples[:4]) == ""
    assert first_failing(graph, network, samples().samples[:4]) == ""
    broken = msgspec.structs.replace(network.operators[-1], inputs=(999,))
    other = msgspec.structs.replace(network, operators=(*network.operators[:-1], broken))
    assert first_failing(graph, other, samples().samples[:4]) == "raw output"

    def refuse(*_: object) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(comparison, "measure_tolerance_reference", refuse)
    monkeypatch.setattr(comparison, "first_failing", lambda *_: "spectral")
    with pytest.raises(StoppedError, match="stops at the stage spectral: no room") as caught:
        prove_subject(subject(), "example", samples(), [])
    assert caught.value.stage == "spectral"
    monkeypatch.setattr(comparison, "first_failing", lambda *_: "")
    with pytest.raises(ValueError, match="no room"):
        prove_subject(subject(), "example", samples(), [])
