"""Tuning on streams whose truth is known: planted false-alarm rates, events, matching, the choice and who judges it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.records.device import DecisionSpec
from edgewright.trace.blocks.records import Grid as Table
from edgewright.workflows.tuning.document import TuneRecord, tuning_blocks
from edgewright.workflows.tuning.recordings import Labelled, Tape
from edgewright.workflows.tuning.selection import (
    ByLabel,
    Cost,
    Grid,
    GridScore,
    Tally,
    alarms_of,
    best,
    decision,
    decisions,
    evaluated,
    front,
    held_out,
    point,
    tally,
    try_all,
)

LABELS = ("calm", "fall")
MINUTE, DAY = 60.0, 86400.0


def tape(spikes: NDArray[np.float32], events: tuple[Labelled, ...] = (), name: str = "a", cut: int = 0) -> Tape:
    """Return a tape of one answer a minute: the probability of a fall in each."""
    probabilities = np.stack([1 - spikes, spikes], 1).astype(np.float32)
    times = MINUTE * (1 + np.arange(len(spikes), dtype=np.float64))
    pieces = [(probabilities, times)] if not cut else [(probabilities[:cut], times[:cut]),
                                                       (probabilities[cut:], times[cut:] + 600)]  # fmt: skip
    return Tape(name, name, tuple(pieces), MINUTE, events)


def with_false_alarms(days: int, rate: float, seed: int) -> Tape:
    draw = np.random.default_rng(seed)
    return tape(np.where(draw.random(days * 1440) < rate / 1440, 0.95, 0.05).astype(np.float32), name=str(seed))


@pytest.mark.slow
def test_a_planted_rate_lies_within_its_interval() -> None:
    spec = decision(("fall",), 1, 1, 0.5, 0.0)
    inside = 0
    for seed in range(12):
        one = evaluated([with_false_alarms(4, 6.0, seed)], spec, LABELS, MINUTE)
        rate = point(one, Cost(), [str(seed)], DAY).false_rate
        assert rate.low <= rate.value <= rate.high
        inside += rate.low <= 6.0 <= rate.high
    # 95 % intervals: fewer than 9 of 12 would come once in 5,000 times.
    assert inside >= 9


def test_rates_of_many_people_lie_within_the_interval_too() -> None:
    people = [with_false_alarms(1, rate, seed) for seed, rate in enumerate((1.0, 3.0, 6.0, 9.0, 11.0))]
    one = evaluated(people, decision(("fall",), 1, 1, 0.5, 0.0), LABELS, MINUTE)
    rate = point(one, Cost(), [t.group for t in people], DAY).false_rate
    assert rate.low <= 6.0 <= rate.high
    assert rate.method == "poisson and t interval by person, 4 degrees of freedom, 95 %"
    alone = point(one, Cost(), ["all"] * 5, DAY).false_rate
    assert rate.high - rate.low > alone.high - alone.low


def test_smoothing_and_debounce_take_single_spikes_away_and_cost_delay() -> None:
    draw = np.random.default_rng(0)
    spikes = np.where(draw.random(2880) < 0.02, 0.95, 0.05).astype(np.float32)
    events = []
    for start in range(100, 2800, 200):
        spikes[start : start + 10] = 0.9
        events.append(Labelled("fall", start * MINUTE, (start + 10) * MINUTE))
    one = tape(spikes, tuple(events))
    quick = evaluated([one], decision(("fall",), 1, 1, 0.5, 0.0), LABELS, MINUTE).tallies[0]
    slow = evaluated([one], decision(("fall",), 1, 3, 0.5, 0.0), LABELS, MINUTE).tallies[0]
    smooth = evaluated([one], decision(("fall",), 5, 1, 0.5, 0.0), LABELS, MINUTE).tallies[0]
    assert quick.missed == slow.missed == smooth.missed == 0
    assert quick.false > 30
    assert slow.false == 0
    assert smooth.false < 3
    assert np.median(quick.delays) == MINUTE
    assert np.median(slow.delays) == 3 * MINUTE
    assert np.median(smooth.delays) == 3 * MINUTE
    assert quick.exposure == (2880 - 14 * 12) * MINUTE


@pytest.mark.slow
def test_the_refractory_time_is_the_deciders_own() -> None:
    draw = np.random.default_rng(1)
    one = tape(draw.random(3000).astype(np.float32), cut=1000)
    base = decision(("fall",), 2, 1, 0.6, 0.0)
    decided = decisions(one, base, LABELS)
    for refractory in (0.0, 60.0, 600.0, 3600.0):
        spec = msgspec.structs.replace(base, refractory=refractory)
        direct = [("fall", d.time) for d in decisions(one, spec, LABELS) if d.alarm]
        assert alarms_of(decided, spec, LABELS) == direct
    assert len(direct) < len(decided) / 4


def test_an_alarm_belongs_to_an_event_from_its_beginning_to_the_tolerance_after_it() -> None:
    events = (Labelled("fall", 100.0, 200.0), Labelled("fall", 500.0, 510.0))
    one = Tape("a", "a", ((np.zeros((10, 2), np.float32), 100.0 * np.arange(10, dtype=np.float64)),), 100.0, events)
    alarms = [("fall", 99.0), ("fall", 100.0), ("fall", 150.0), ("fall", 230.0), ("fall", 231.0), ("calm", 505.0)]
    counts = tally(one, alarms, 30.0)
    assert counts == Tally(events=2, missed=1, false=3, repeated=2, exposure=700.0, delays=(0.0,))


def test_nothing_is_decided_over_a_gap() -> None:
    spikes = np.full(20, 0.05, np.float32)
    spikes[8:12] = 0.9
    spec = decision(("fall",), 1, 3, 0.5, 0.0)
    assert len(decisions(tape(spikes), spec, LABELS)) == 3  # calm, fall, calm
    assert len(decisions(tape(spikes, cut=10), spec, LABELS)) == 1


def grid_score(*counts: tuple[int, int], groups: int = 1, threshold: float = 0.5) -> GridScore:
    """Return a decision with (missed, false) on each tape of ten events and a day."""
    tallies = tuple(Tally(10, missed, false, 0, DAY, (5.0,) * (10 - missed)) for missed, false in counts)
    return GridScore(DecisionSpec(thresholds={"fall": threshold}, alarms=("fall",)), tallies)


def test_the_front_holds_what_nothing_beats_and_costs_choose_on_it() -> None:
    all_of = [
        grid_score((0, 9)),
        grid_score((1, 4)),
        grid_score((1, 5)),
        grid_score((3, 1)),
        grid_score((4, 1)),
        grid_score((8, 0)),
    ]
    assert front(all_of) == [0, 1, 3, 5]
    assert best(all_of, Cost(1, 20), [0]) == 0
    assert best(all_of, Cost(1, 2), [0]) == 1
    assert best(all_of, Cost(5, 1), [0]) == 3
    assert best(all_of, Cost(100, 1), [0]) == 5
    shown = point(all_of[1], Cost(1, 2), ["a"], DAY)
    assert (shown.missed, shown.false, shown.cost) == (1, 4, 6.0)
    assert shown.missed_share.low < 0.1 < shown.missed_share.high
    assert shown.false_rate.value == 4.0


def test_each_person_is_judged_by_what_the_others_chose() -> None:
    # The second decision is good for b alone: who judges b must not have chosen by b.
    all_of = [grid_score((2, 2), (2, 2), (2, 2)), grid_score((3, 3), (0, 0), (3, 3))]
    groups = ["a", "b", "c"]
    assert best(all_of, Cost(), [0, 1, 2]) == 0
    others = held_out(lambda _: all_of, Cost(), groups)
    assert others is not None
    # Without a: b and c cost 8 by the first and 6 by the second, which is then bad for a; so for c; b gets the first.
    assert [(t.missed, t.false) for t in others.tallies] == [(3, 3), (2, 2), (3, 3)]
    assert held_out(lambda _: all_of, Cost(), ["a", "a", "a"]) is None


def test_each_label_that_alarms_gets_a_threshold_of_its_own() -> None:
    # Falls reach .6 and are never false there; cries reach .95 and are false at .7.
    labels = ("calm", "cry", "fall")
    rows = np.tile(np.array([0.9, 0.05, 0.05], np.float32), (1000, 1))
    events = []
    for start in range(20, 1000, 100):
        rows[start : start + 5] = (0.02, 0.95, 0.03)
        rows[start + 20 : start + 25] = (0.38, 0.02, 0.6)
        rows[start + 40] = (0.25, 0.7, 0.05)
        events += [Labelled("cry", start * MINUTE, (start + 5) * MINUTE),
                   Labelled("fall", (start + 20) * MINUTE, (start + 25) * MINUTE)]  # fmt: skip
    one = Tape("a", "a", ((rows, MINUTE * (1 + np.arange(1000, dtype=np.float64))),), MINUTE, tuple(events))
    grid = Grid((1,), (1,), (0.0, 0.5, 0.8, 0.9), (0.0,))
    shared = try_all([one], labels, ("cry", "fall"), MINUTE, Grid((1,), (1,), (0.5, 0.8, 0.9), (0.0,)))
    assert min(Cost().of(t.tallies) for t in shared) == 10
    grid_scores = ByLabel([one], labels, shared, Cost(), MINUTE, grid)([0])
    chosen = grid_scores[best(grid_scores, Cost(), [0])]
    assert Cost().of(chosen.tallies) == 0
    assert chosen.spec.thresholds["fall"] <= 0.5 < 0.7 < chosen.spec.thresholds["cry"]
    assert point(chosen, Cost(), ["a"], DAY).thresholds == chosen.spec.thresholds
    none = Grid((1,), (1,), (0.0,), (0.0,))
    assert ByLabel([one], labels, shared[:1], Cost(), MINUTE, none)([0]) == shared[:1]


def cries(name: str, cry: float, false_cry: float) -> Tape:
    """Cries that reach `cry` and quiet minutes that reach `false_cry`; falls that are sure."""
    rows = np.tile(np.array([0.9, 0.05, 0.05], np.float32), (400, 1))
    events = []
    for start in range(20, 400, 100):
        rows[start : start + 5] = (0.98 - cry, cry, 0.02)
        rows[start + 20 : start + 25] = (0.01, 0.01, 0.98)
        rows[start + 40] = (0.98 - false_cry, false_cry, 0.02)
        events += [Labelled("cry", start * MINUTE, (start + 5) * MINUTE),
                   Labelled("fall", (start + 20) * MINUTE, (start + 25) * MINUTE)]  # fmt: skip
    return Tape(name, name, ((rows, MINUTE * (1 + np.arange(400, dtype=np.float64))),), MINUTE, tuple(events))


def test_the_threshold_of_a_label_is_chosen_without_the_person_it_is_judged_on() -> None:
    # Cries of c alone need .4 or less, and theirs alone are never false below: nobody but c can know.
    labels = ("calm", "cry", "fall")
    tapes = [cries("a", 0.9, 0.6), cries("b", 0.9, 0.6), cries("c", 0.55, 0.05)]
    thresholds = (0.5, 0.7, 0.8)
    shared = try_all(tapes, labels, ("cry", "fall"), MINUTE, Grid((1,), (1,), (0.95,), (0.0,)))
    scores_of = ByLabel(tapes, labels, shared, Cost(1, 5), MINUTE, Grid((1,), (1,), thresholds, (0.0,)))

    def own(places: list[int]) -> float:
        grid_scores = scores_of(places)
        return grid_scores[best(grid_scores, Cost(1, 5), places)].spec.thresholds["cry"]

    assert own([2]) == 0.5
    assert own([0, 1]) > 0.6
    others = held_out(scores_of, Cost(1, 5), ["a", "b", "c"])
    assert others is not None
    assert others.tallies[2].missed == 4
    # The thresholds that are tried without c are not those that c would try.
    tried_with = {msgspec.json.encode(one.spec, order="deterministic") for one in scores_of([2])}
    tried_without = {msgspec.json.encode(one.spec, order="deterministic") for one in scores_of([0, 1])}
    assert tried_with != tried_without


@pytest.mark.slow
@pytest.mark.parametrize("refractory", [(0.0,), (0.0, 600.0)])
def test_the_whole_grid_is_tried(refractory: tuple[float, ...]) -> None:
    grid = Grid((1, 3), (1, 2), (0.0, 0.5, 0.9), refractory)
    seen: list[int] = []
    grid_scores = try_all([with_false_alarms(1, 20.0, 5)], LABELS, ("fall",), MINUTE, grid, seen.append)
    assert len(grid_scores) == len(grid) == 12 * len(refractory)
    assert sum(seen) == 12
    assert len({msgspec.json.encode(one.spec) for one in grid_scores}) == len(grid_scores)
    direct = evaluated([with_false_alarms(1, 20.0, 5)], grid_scores[-1].spec, LABELS, MINUTE)
    assert direct == grid_scores[-1]


def test_a_choice_that_does_not_carry_over_to_others_is_said() -> None:
    groups = ["a", "b", "c"]
    all_of = [grid_score((2, 2), (2, 2), (2, 2)), grid_score((3, 3), (0, 0), (3, 3))]
    others = held_out(lambda _: all_of, Cost(), groups)
    assert others is not None
    shown = point(all_of[0], Cost(), groups, DAY, front=True)
    record = TuneRecord(
        name="falls", package_hash="0", form="float", engine="numpy", data="three people", people=("a", "b", "c"),
        alarms=("fall",), false_alarm_cost=1, miss_cost=1, tolerance=60, per="day", exposure=3, windows=30,
        point_count=2, points=(shown,), chosen=0, held_out=point(others, Cost(), groups, DAY), before=shown,
        decision=all_of[0].spec, notes=("A note",),
    )  # fmt: skip
    text = " ".join(getattr(block, "text", "") for block in tuning_blocks(record))
    assert "no better than before, which cost 12" in text
    assert "8 of 30 events missed" in text
    assert "A note." in text
    curve = next(block for block in tuning_blocks(record) if isinstance(block, Table))
    assert [row[0] for row in curve.rows] == ["1 chosen", "before"]
    better = msgspec.structs.replace(record, before=msgspec.structs.replace(shown, cost=40.0))
    assert "no better" not in " ".join(getattr(block, "text", "") for block in tuning_blocks(better))
