"""Rows by construction: what they hold, that they are the same every time, and what they may not widen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgewright.core.input.input_ranges import flagged
from edgewright.graph.mask import without_mask
from edgewright.proof.form import ToleranceReference
from edgewright.proof.tolerance import allowed, perturbed_synthetic_readings, wide_digits
from edgewright.workflows.proof.adversarial import MAX_ROWS, with_constructed
from edgewright.workflows.proof.comparison import measure_tolerance_reference, prove_subject
from edgewright.workflows.proof.rows import Chosen
from edgewright.workflows.proof.stages import boundary_value
from proof_example import SHAPE, samples, subject

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
