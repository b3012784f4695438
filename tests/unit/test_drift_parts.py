"""The parts of drift: tails against SciPy, ADWIN and Page-Hinkley against River, sketches that add up."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from edgewright.core.errors import DriftReferenceError, DriftStateError
from edgewright.core.records.package import ReferenceColumn
from edgewright.monitor.drift.change_detection import (
    BINS,
    SKETCH_BYTES,
    Adwin,
    ConfidenceWatch,
    OpenBlock,
    PageHinkley,
    Ring,
    Sketch,
    bins_of,
)
from edgewright.monitor.drift.reference_test import Sizes, _tested, f_tail, incomplete_beta, student_tail

ROOT = Path(__file__).resolve().parents[2]
SHARES = (0, 1, 5, 25, 50, 75, 95, 99, 100)


def reference(values: NDArray[Any], name: str = "x") -> ReferenceColumn:
    values = values.astype(np.float64)
    quantiles = tuple(float(q) for q in np.percentile(values, SHARES))
    return ReferenceColumn(
        name=name, mean=float(values.mean()), deviation=float(values.std()), missing=0.0, quantiles=quantiles
    )


def test_tails_are_those_of_scipy() -> None:
    for t in (0.0, 0.3, 2.0, 7.5, 40.0):
        for freedom in (3, 7, 15, 31):
            assert student_tail(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-9, abs=1e-300)
    for value in (0.01, 1.0, 4.0, 60.0):
        for above, below in ((1.3, 7), (2.5, 15), (6.0, 15)):
            assert f_tail(value, above, below) == pytest.approx(stats.f.sf(value, above, below), rel=1e-9)
    assert incomplete_beta(2.0, 3.0, 0.0) == 0
    assert incomplete_beta(2.0, 3.0, 1.0) == 1
    assert student_tail(float("inf"), 5) == 0
    assert f_tail(0.0, 2, 5) == 1


def _oracle() -> tuple[Any, dict[str, Any]]:
    spec = importlib.util.spec_from_file_location("river_numbers", ROOT / "tools" / "river_numbers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, json.loads((ROOT / "tests" / "fixtures" / "river_drift.json").read_text())


@pytest.mark.parametrize("name", ["step", "bits", "ramp", "calm"])
def test_adwin_cuts_where_river_cuts(name: str) -> None:
    module, record = _oracle()
    adwin = Adwin(levels=16)
    cuts: list[tuple[int, int, float]] = []
    for index, value in enumerate(module.series(name)):
        if cuts and cuts[-1][0] == index - 1:
            adwin = Adwin(levels=16)  # River begins anew after a change
        if adwin.update(value):
            cuts.append((index, adwin.width, adwin.mean))
    assert [(i, w) for i, w, _ in cuts] == [(i, int(w)) for i, w, _ in record[name]["adwin"]]
    assert [m for *_, m in cuts] == pytest.approx([m for *_, m in record[name]["adwin"]], abs=1e-6)
    assert adwin.width == record[name]["width"]
    assert adwin.mean == pytest.approx(record[name]["mean"], abs=1e-6)


@pytest.mark.parametrize("name", ["step", "bits", "ramp", "calm"])
def test_page_hinkley_changes_where_river_does(name: str) -> None:
    module, record = _oracle()
    page = PageHinkley(threshold=5.0)
    assert [i for i, x in enumerate(module.series(name)) if page.update(x)] == record[name]["page_hinkley"]


def test_adwin_with_few_levels_forgets_the_oldest_and_goes_on_from_its_bytes() -> None:
    module, _ = _oracle()
    first, second = Adwin(levels=3, clock=1), Adwin(levels=3, clock=1)
    for value in module.series("calm")[:500]:
        first.update(value)
        data = first.to_bytes()
        second.restore(data)
        assert second.to_bytes() == data
        assert first.width <= 5 * 7
        assert len(data) <= 4 + 3 + 8 * 15
    with pytest.raises(DriftStateError):
        second.restore(data[:-1])


def test_sketches_add_up_to_the_sketch_of_all_rows() -> None:
    draw = np.random.default_rng(0)
    column = reference(draw.normal(5, 2, 1000))
    bins = bins_of(column)
    values = draw.normal(5.5, 2.5, 3000).astype(np.float32)
    values[::50] = np.nan
    whole, parts = OpenBlock(bins, column.mean), Sketch()
    whole.add(values)
    for part in np.split(values, [100, 101, 900]):
        block = OpenBlock(bins, column.mean)
        block.add(part)
        parts.add(block.close())
    every = whole.close()
    there = values[np.isfinite(values)].astype(np.float64)
    assert (parts.rows, parts.missing, parts.outside) == (3000, 60, every.outside)
    assert (parts.bins == every.bins).all()
    assert parts.bins.sum() == len(there)
    assert parts.mean == pytest.approx(there.mean(), rel=1e-12)
    assert parts.deviation == pytest.approx(there.std(), rel=1e-12)
    assert (parts.low, parts.high) == (there.min(), there.max())
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        within = abs(float((there <= parts.quantile(share, bins)).mean()) - share)
        assert within < 0.06, share
    again = Sketch.from_bytes(parts.to_bytes())
    assert again.to_bytes() == parts.to_bytes()
    assert len(parts.to_bytes()) == SKETCH_BYTES


def test_packets_change_nothing_to_the_last_bit() -> None:
    draw = np.random.default_rng(1)
    values = (1e4 + draw.normal(0, 1e-2, 777)).astype(np.float32)
    bins = bins_of(reference(values))
    one, many = OpenBlock(bins, 1e4), OpenBlock(bins, 1e4)
    one.add(values)
    for row in values:
        many.add(row[None])
    assert one.sums.to_bytes() == many.sums.to_bytes()
    histogram = one.close()
    assert histogram.deviation == pytest.approx(values.astype(np.float64).std(), rel=1e-6)


def test_bins_expect_what_training_holds_also_where_one_value_is_frequent() -> None:
    draw = np.random.default_rng(2)
    spread = draw.exponential(100, 5000)
    light = np.where(draw.random(5000) < 0.6, 0.0, spread)
    for values in (draw.normal(0, 1, 5000), light, np.full(100, 7.0)):
        column = reference(values)
        bins = bins_of(column)
        shares = bins.counts(values.astype(np.float32)) / len(values)
        assert bins.expected.sum() == pytest.approx(1.0)
        assert len(bins.expected) == BINS
        # Between the shares of two quantiles an atom's share is only known to lie.
        assert np.abs(shares - bins.expected).max() < 0.13
    with pytest.raises(DriftReferenceError):
        bins_of(ReferenceColumn(name="x", mean=0, deviation=1, missing=0, quantiles=(1.0, 0.0)))


def test_a_fall_of_the_confidence_begins_where_both_sides_are_longest() -> None:
    """A few blocks at the end that fall further do not hide the fall before them."""
    watch, changes = ConfidenceWatch(), []
    for level in [0.9] * 12 + [0.65] * 10 + [0.5] * 2:
        for _ in range(5):
            watch.push(level)
        changes.append(watch.close())
    last = next(change for change in reversed(changes) if change is not None)
    assert last.before == pytest.approx(0.9)
    assert last.after == pytest.approx((0.65 * 10 + 0.5 * 2) / 12, abs=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_the_score_of_a_difference_is_its_size_over_the_size_that_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    quantiles = (-4, -2.3, -1.6, -0.7, 0, 0.7, 1.6, 2.3, 4)
    column = ReferenceColumn(name="c", mean=0.0, deviation=1.0, missing=0.0, quantiles=quantiles)
    # Values at both ends, another mean, and another spread.
    blocks = rng.choice([-1.0, 1.0], (40, 200)) * rng.normal(1.0, 0.3, (40, 200)) * (1.0 + 0.1 * seed) + 0.1 * seed
    ring, bins = Ring(), bins_of(column)
    for block in blocks:
        sketch = OpenBlock(bins, column.mean)
        sketch.add(block.astype(np.float32))
        ring.push(sketch.close())
    sizes = Sizes(mean=0.4, deviation=1.2, narrower=3.0, shape=0.2)
    mean, deviation, shape = _tested(ring, len(ring), column, bins, sizes)
    assert (mean.test, deviation.test, shape.test) == ("mean", "deviation", "shape")
    last = blocks[-len(ring) :]
    assert mean.shift == pytest.approx(last.mean(), abs=0.01) and mean.ratio == pytest.approx(last.std(), rel=0.02)
    for finding in (mean, deviation, shape):
        assert (finding.shift, finding.ratio, finding.psi) == (mean.shift, mean.ratio, shape.psi)
    assert mean.score == pytest.approx(abs(mean.shift) / 0.4)
    assert deviation.score == pytest.approx(abs(np.log(mean.ratio)) / np.log(1.2 if mean.ratio >= 1 else 3.0))
    assert shape.score == pytest.approx(shape.psi / 0.2) and shape.psi > 0.25


def test_a_difference_begins_with_the_block_in_which_it_began() -> None:
    rng = np.random.default_rng(0)
    usual = rng.normal(size=(16, 400))
    column, others = reference(usual), rng.choice([-1.0, 1.0], (16, 400)) * rng.normal(1.0, 0.1, (16, 400))
    bins = bins_of(column)
    for begin in (4, 11):
        for number, changed in enumerate((usual + 2.0, 3.0 * usual, others)):
            ring = Ring()
            for block in np.concatenate([usual[:begin], changed[begin:]]):
                sketch = OpenBlock(bins, column.mean)
                sketch.add(block.astype(np.float32))
                ring.push(sketch.close())
            assert _tested(ring, len(ring), column, bins, Sizes())[number].since == begin
