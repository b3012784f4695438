"""Events and alarms counted, thresholds found, anomalies put in, and the choice among detectors."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest, chi2

from detector_example import KINDS, rows
from edgewright.core.errors import DetectorError, InputError, UnknownNameError
from edgewright.core.records.data import Column
from edgewright.core.records.package import WindowSpec
from edgewright.monitor.detector_stream import DetectorFile, Watch
from edgewright.monitor.records import Choice
from edgewright.workflows.detection import selection
from edgewright.workflows.detection.fit import blocks, fit_detector
from edgewright.workflows.detection.rows import Stretch, Watched, read_watched
from edgewright.workflows.detection.selection import KINDS as ANOMALIES
from edgewright.workflows.detection.selection import SPACING, choose, inject
from edgewright.workflows.detection.threshold import (
    Counts,
    ThresholdRequest,
    bootstrap,
    count,
    episodes,
    interval,
    pieces,
    rate,
    runs,
    share,
    threshold,
)
from support import shared_data


def _flags(text: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([letter == "x" for letter in text])


def test_events_are_found_by_an_alarm_within_and_false_ones_touch_none() -> None:
    events = _flags("..xxx.....xx..")
    odd = _flags(".xx...x.......")
    assert runs(events) == [(2, 5), (10, 12)]
    assert count(odd, events) == Counts(detected=1, missed=1, false=1, alarms=2, calm=9)
    assert count(odd, events).f1 == pytest.approx(0.5)
    assert episodes(_flags("xxxxxx..x"), 0) == [(0, 6), (8, 9)]
    # The rows after an alarm in which no other is raised; one before an event therefore hides it.
    assert episodes(_flags("xxxxxx..x"), 3) == [(0, 1), (4, 5), (8, 9)]
    assert count(_flags(".xx..........."), events, 5) == Counts(detected=0, missed=2, false=1, alarms=1, calm=9)
    assert Counts().f1 == 0


def test_an_alarm_that_was_on_before_an_event_finds_nothing() -> None:
    events = np.zeros(1000, np.bool_)
    events[300:400] = events[700:720] = True
    always = np.ones(1000, np.bool_)
    assert count(always, events) == Counts(detected=0, missed=2, false=1, alarms=1, calm=880)
    assert count(always, events).f1 == 0
    # A tenth of the event's length before it is in time, a row more is not; 1 to 10 rows for short and long ones.
    for begin, detected in ((290, 1), (289, 0), (399, 1), (400, 0)):
        odd = np.zeros(1000, np.bool_)
        odd[begin:410] = True
        assert count(odd, events).detected == detected
    for begin, detected in ((698, 1), (697, 0)):
        odd = np.zeros(1000, np.bool_)
        odd[begin:710] = True
        assert count(odd, events).detected == detected


def test_an_alarm_that_goes_on_over_normal_rows_is_false_as_well() -> None:
    events = np.zeros(1000, np.bool_)
    events[300:400] = True
    odd = np.zeros(1000, np.bool_)
    # As long again as the event lasts is its memory; more normal rows than odd ones are not.
    for end, false in ((500, 0), (501, 1), (1000, 1)):
        odd[:] = False
        odd[300:end] = True
        assert count(odd, events) == Counts(detected=1, missed=0, false=false, alarms=1, calm=900)
    # At a short event sixty normal rows are allowed.
    events[:] = False
    events[300:302] = True
    for end, false in ((362, 0), (363, 1)):
        odd[:] = False
        odd[300:end] = True
        assert count(odd, events).false == false
    # One alarm over two events finds the first; one that rises anew finds the second.
    events[310:315] = True
    odd[:] = False
    odd[300:315] = True
    assert count(odd, events).detected == 1
    odd[308] = False
    assert count(odd, events) == Counts(detected=2, missed=0, false=0, alarms=2, calm=993)


@pytest.mark.parametrize("length", [7, 20])
@pytest.mark.parametrize("often", [0.05, 0.3, 0.6])
def test_pieces_add_up_to_the_whole_and_cut_no_event(often: float, length: int) -> None:
    rng = np.random.default_rng(0)
    events, odd = rng.random(500) < often, rng.random(500) < often
    assert sum(pieces(odd, events, length), Counts()) == count(odd, events)
    # A cut at every multiple of the length but within an alarm or beside an event.
    edges = [
        row for row in range(length, 500, length)
        if not events[row - 1] and not events[row] and not (odd[row - 1] and odd[row])
    ]  # fmt: skip
    assert len(pieces(odd, events, length)) == len(edges) + 1


def test_pieces_are_drawn_the_same_each_time() -> None:
    rng = np.random.default_rng(0)
    events, odd = rng.random(500) < 0.3, rng.random(500) < 0.3
    draws = bootstrap(pieces(odd, events, 20))
    assert draws.std() > 0
    np.testing.assert_array_equal(draws, bootstrap(pieces(odd, events, 20)))


@pytest.mark.parametrize(("part", "whole"), [(0, 5), (3, 7), (50, 60), (9, 9)])
def test_intervals_are_those_of_scipy(part: int, whole: int) -> None:
    value, low, high = share(part, whole)
    known = binomtest(part, whole).proportion_ci(method="wilson")
    assert (value, low, high) == pytest.approx((part / whole, known.low, known.high), abs=1e-9)
    low, high = rate(part, 2.0)[1:]
    # Byar's approximation is within a few per cent of the exact limits.
    assert high == pytest.approx(chi2.ppf(0.975, 2 * part + 2) / 4, rel=0.05)
    assert low == pytest.approx(chi2.ppf(0.025, 2 * part) / 4 if part else 0.0, rel=0.05, abs=1e-9)


def _watched(stretch: Stretch, rate: float | None = None, window: WindowSpec | None = None) -> Watched:
    columns = tuple(Column(name=name) for name in "abc")
    return Watched("rows", columns, (stretch,), window, rate)


def _stretch(count: int, seed: int = 0) -> Stretch:
    return Stretch("rows", *rows(count, seed))


def test_the_threshold_keeps_to_the_accepted_false_alarms() -> None:
    scores = np.random.default_rng(0).exponential(size=5000)
    pairs = [(_stretch(5000), scores)]
    for accepted in (1.0, 4.0):
        limit = threshold(pairs, ThresholdRequest(false_alarms=accepted), None)
        alarms = len(episodes(scores >= limit.value, 0))
        assert alarms <= 5 * accepted
        assert alarms >= 3 * accepted
        assert limit.false_alarms == pytest.approx(alarms / 5)
        assert (limit.by, limit.per) == ("quantile", "1000 rows")
    # Few alarms that last are no way out: one row in 100 may be odd.
    steps = np.where(np.arange(5000) < 1000, 5.0, 0.0) + np.linspace(0, 0.1, 5000)
    long = threshold([(_stretch(5000), steps)], ThresholdRequest(false_alarms=100.0), None)
    assert 0 < np.mean(steps >= long.value) <= 0.01
    # A row a second: 5,000 rows are 0.058 days, so that not one alarm is accepted.
    none = threshold(pairs, ThresholdRequest(), 1.0)
    assert none.value > scores.max()
    assert (none.per, none.false_alarms) == ("day", 0.0)


def test_a_stream_that_stands_still_is_not_always_odd() -> None:
    limit = threshold([(_stretch(5000), np.zeros(5000))], ThresholdRequest(false_alarms=5.0), None)
    assert limit.value > 0
    assert limit.false_alarms == 0


def test_labels_and_given_thresholds() -> None:
    scores = np.random.default_rng(0).random(1000)
    odd = np.zeros(1000, np.bool_)
    odd[500:510] = True
    scores[505] = 5.0
    labelled = Stretch("rows", *rows(1000), odd)
    limit = threshold([(labelled, scores)], ThresholdRequest(), None)
    assert limit.by == "labels"
    assert 1 < limit.value <= 5
    assert threshold([(labelled, scores)], ThresholdRequest(threshold=3.0), None).by == "given"
    with pytest.raises(DetectorError, match="none"):
        threshold([(labelled, np.full(1000, -math.inf))], ThresholdRequest(), None)


def test_injected_events_are_labelled_and_nothing_else_changes() -> None:
    before = _stretch(12 * SPACING)
    after = inject(before, seed=3)
    assert after.odd is not None
    changed = (before.values != after.values).any(1)
    assert not (changed & ~after.odd).any()
    assert len(runs(after.odd)) == 12
    # All kinds are there twice; a stuck or reversed stretch keeps within what was.
    assert 12 % len(ANOMALIES) == 0
    again = inject(before, seed=3)
    np.testing.assert_array_equal(again.values, after.values)
    assert not np.array_equal(inject(before, seed=4).values, after.values)


def test_parts_follow_time_and_cut_no_event() -> None:
    odd = np.zeros(900, np.bool_)
    odd[290:320] = True
    parts = blocks((Stretch("rows", *rows(900), odd),))
    assert [len(part[0].values) for part in parts] == [320, 280, 300]
    many = tuple(_stretch(100, seed) for seed in range(6))
    assert [len(part) for part in blocks(many)] == [2, 2, 2]


@pytest.mark.slow
def test_one_column_without_labels_takes_the_stream_itself_and_goes_on_from_it() -> None:
    stretch = replace(_stretch(2000), values=_stretch(2000).values[:, :1])
    watched = replace(_watched(stretch), columns=(Column(name="a"),))
    choice = choose(watched, ThresholdRequest())
    assert choice.candidates[0].kind == "own_past"
    assert "real events" in choice.reason
    assert choose(replace(watched, stretches=(inject(stretch, seed=1),)), ThresholdRequest()).reason != choice.reason
    # The warm-up of a fresh start gives no score; a fitted one has it behind itself.
    fitted = fit_detector(watched, "own_past")
    watch = Watch(DetectorFile(fitted.spec, fitted.learnt))
    assert math.isfinite(watch.push(stretch.values[:1], stretch.time[:1])[0].score)


@pytest.mark.slow
def test_without_labels_the_choice_rests_on_injected_anomalies_and_says_so() -> None:
    watched = _watched(_stretch(3000))
    choice = choose(watched, ThresholdRequest())
    assert "anomalies injected into unlabelled rows" in choice.measure
    assert {one.kind for one in choice.candidates} == set(KINDS)
    chosen = choice.candidates[0]
    best = max(choice.candidates, key=lambda one: one.skill)
    assert chosen.kind in choice.reason
    assert chosen.bytes <= best.bytes
    assert chosen.high >= best.low
    assert best.skill > 0.3
    detector = fit_detector(watched, chosen.kind, choice=choice)
    assert detector.spec.choice == choice
    judgements = Watch(DetectorFile(detector.spec, detector.learnt)).push(*rows(1000, seed=9))
    assert sum(j.alarm for j in judgements) <= 10


@pytest.mark.slow
def test_with_labels_the_choice_rests_on_them() -> None:
    labelled = inject(_stretch(2000), seed=1)
    choice = choose(_watched(labelled), ThresholdRequest())
    assert choice.measure.startswith("event F1 on labelled rows, cross-validated over 3 blocks in time")
    assert choice.candidates[0].skill > 0.2
    for one in choice.candidates:
        assert one.why or 0 <= one.low <= one.skill <= one.high <= 1


def _compared(monkeypatch: pytest.MonkeyPatch, counts: dict[str, list[Counts]], size: dict[str, int]) -> Choice:
    """Return the choice among detectors that gave such counts; the others could not be tried."""

    def attempt(name: str, *_: object) -> selection._Attempt:
        if name not in counts:
            raise InputError("another", name)
        return selection._Attempt(name, tuple(counts[name]), size[name])

    monkeypatch.setattr(selection, "_try", attempt)
    return choose(_watched(inject(_stretch(2000), seed=1)), ThresholdRequest())


def test_a_detector_without_skill_is_not_chosen_over_one_that_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = [Counts(calm=100)] * 9
    one, none = [*calm, Counts(detected=1, calm=100)], [*calm, Counts(missed=1, calm=100)]
    # One event: the middle 95 % of the difference hold 0, because it is not in every draw.
    assert interval(bootstrap(one) - bootstrap(none))[0] == 0
    size = {"pca": 700, "robust": 200, "var": 9000}
    choice = _compared(monkeypatch, {"pca": one, "robust": none}, size)
    assert choice.candidates[0].kind == "pca"
    assert "1 event)" in choice.reason
    # Of those with the same skill the smallest is taken, and where none has any that is said.
    assert _compared(monkeypatch, {"pca": one, "robust": none, "var": one}, size).candidates[0].kind == "pca"
    choice = _compared(monkeypatch, {"pca": none, "robust": none}, size)
    assert choice.candidates[0].kind == "robust"
    assert choice.reason.startswith("no detector found any of 1 event")


def test_the_smallest_within_a_standard_error_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    good = [Counts(detected=1, false=int(rng.random() < 0.2), calm=100) for _ in range(60)]
    close = [Counts(detected=1, false=int(rng.random() < 0.2), calm=100) for _ in range(60)]
    poor = [Counts(detected=int(k % 2), missed=int(k % 2 == 0), false=1, calm=100) for k in range(60)]
    size = {"pca": 700, "robust": 200, "var": 9000}
    best, other = sorted((good, close), key=lambda counts: sum(counts, Counts()).f1)[::-1]
    choice = _compared(monkeypatch, {"var": best, "pca": other, "robust": poor}, size)
    distance = sum(best, Counts()).f1 - sum(other, Counts()).f1
    near = distance <= float(np.std(bootstrap(best) - bootstrap(other)))
    assert choice.candidates[0].kind == ("pca" if near else "var")
    assert choice.candidates[0].kind != "robust"


@pytest.mark.slow
def test_a_file_of_skab_with_one_event_is_given_a_detector_that_finds_it(tmp_path: Path) -> None:
    file = tmp_path / "0.csv"
    file.write_bytes(gzip.decompress((shared_data("skab") / "valve1" / "0.csv.gz").read_bytes()))
    watched = read_watched(str(file), target="anomaly", time="datetime", ignore=("changepoint",))
    choice = choose(watched, ThresholdRequest())
    assert choice.candidates[0].skill == max(one.skill for one in choice.candidates) > 0


def test_unknown_detectors_and_windows_are_refused() -> None:
    watched = _watched(_stretch(200))
    with pytest.raises(UnknownNameError, match="Did you mean 'pca'"):
        fit_detector(watched, "pcaa")
    with pytest.raises(UnknownNameError, match="variance"):
        fit_detector(watched, "pca", config={"varianc": 0.5})
    windows = _watched(_stretch(200), window=WindowSpec(samples=10, step=5, rate=None))
    with pytest.raises(DetectorError):
        fit_detector(windows, "var")
    with pytest.raises(DetectorError, match="1,800 rows to choose a detector on, got 5"):
        choose(_watched(_stretch(5)), ThresholdRequest())
