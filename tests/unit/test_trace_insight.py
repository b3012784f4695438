"""The key insight and the verdict rest on numbers of the record."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

import trace_example as example
from edgewright.core.records.trace import EvaluationRecord, Interval, LayerRecord, LeftOutRecord, SimplestRecord
from edgewright.trace.compare import Entry, compare
from edgewright.trace.html import page_html
from edgewright.trace.modes import mode
from edgewright.trace.sentences.facts import latency_change
from edgewright.trace.sentences.insight import _int8_clause, reduction, trace_insight
from edgewright.trace.sentences.readiness import NO_MODEL, NOT_READY, READY, WEAK, agrees, shortfalls, state_of, verdict
from edgewright.training.losses import sample_gain
from edgewright.training.metrics import paired_gain, wilson


def test_activity_names_columns_accuracy_and_int8() -> None:
    insight = trace_insight(example.trace())
    assert insight.sentence.startswith("10 of 20 columns are enough to answer 87.9 % of samples of unseen people")
    assert "int8 takes 73 % fewer bytes of weights and costs 0.2 points of accuracy" in insight.sentence
    assert "within its noise (6.1 µs against 4.3 µs)" in insight.sentence
    assert insight.numbers["columns in"] == 20
    assert insight.numbers["int8 weight bytes"] == 5_452
    assert insight.numbers["accuracy"] == pytest.approx(0.8795)


def test_scaling_comes_first() -> None:
    insight = example.insight_of(scaling=example.scaling(), evaluation=example.evaluation())
    expected = "At 100,000 rows large gains 2 points over small for 7.5 times the time of an epoch"
    assert insight.sentence == expected
    assert insight.numbers["large time exponent"] == 1.02
    assert insight.numbers["pays from rows"] == 10_000


def test_growth_is_told_from_three_sizes_on() -> None:
    points = tuple(msgspec.structs.replace(p, cpu_seconds=p.cpu_seconds + 0.1) for p in example.scaling().points)
    known = {"small": {"cpu_seconds": 0.98}, "large": {"cpu_seconds": 1.02}}
    record = msgspec.structs.replace(example.scaling(), points=points, exponents=known)
    text = example.insight_of(scaling=record).sentence
    assert text.endswith("; processor time of an epoch grows as rows to the power 1.02 ('large') and 0.98 ('small')")
    short = tuple(msgspec.structs.replace(p, cpu_seconds=1e-6) for p in points)
    assert "power" not in example.insight_of(scaling=msgspec.structs.replace(record, points=short)).sentence
    clock = {name: {"cpu_seconds": 4.1, "seconds": 1.02} for name in ("small", "large")}
    on_the_clock = msgspec.structs.replace(record, points=short, exponents=clock)
    assert "; time of an epoch grows as rows to the power 1.02" in example.insight_of(scaling=on_the_clock).sentence
    few = tuple(p for p in points if p.rows > 1_000)
    assert "power" not in example.insight_of(scaling=msgspec.structs.replace(record, points=few)).sentence


def test_scaling_sentence_of_the_record_is_kept() -> None:
    record = msgspec.structs.replace(example.scaling(), sentence="The small one is enough.")
    assert example.insight_of(scaling=record).sentence == "The small one is enough"


def test_parts_may_be_missing() -> None:
    assert example.insight_of().sentence == "0 stages ran; nothing was evaluated"
    assert "5,059 parameters" in example.insight_of(layers=example.layers()).sentence
    only_int8 = example.insight_of(compression=example.compression()).sentence
    assert only_int8.startswith("Int8 takes 73 % fewer bytes")


def test_regression() -> None:
    record = msgspec.structs.replace(
        example.evaluation(), accuracy=None, macro_f1=None, regression={"r2": 0.91, "mae": 1.5}
    )
    assert "explain 91.0 % of the variance" in example.insight_of(evaluation=record, layers=example.layers()).sentence


def test_what_is_said_of_trees_is_about_trees() -> None:
    compression = example.compression()
    form = msgspec.structs.replace(compression.variants[0], weight_bytes=0)
    layer = LayerRecord(
        name="boosting", kind="boosting", shape_out=(3,), parameters=15_441, macs=0, activation_bytes=12,
        activation="softmax", formula="sum of 90 trees",
    )  # fmt: skip
    trees = msgspec.structs.replace(
        example.trace(), layers=(layer,), stages=(), compression=msgspec.structs.replace(compression, variants=(form,))
    )
    assert trace_insight(trees).sentence.startswith("A sum of boosted decision trees can answer 87.9 % of samples")
    page = page_html(trees)
    assert "float weights" not in page
    assert "15,441 stored numbers" in page
    assert "parameters are enough" not in page
    one = example.prediction()
    whole = msgspec.structs.replace(one.layers[-1], name="boosting", kind="boosting")
    trees = msgspec.structs.replace(trees, predictions=(msgspec.structs.replace(one, layers=(whole,)),))
    texts = [page_html(trees), *map(repr, mode("steps").blocks(trees))]
    assert not any("o the network" in text or "Inside the network" in text for text in texts)
    entries = [Entry(label=name, folder=name, trace=trees, config={}) for name in "ab"]
    assert not any(row.name.startswith("weights") for row in compare(entries, paired_gain, sample_gain).results)


def test_a_text_is_compared_with_that_of_the_first_run() -> None:
    first = example.trace()
    other = msgspec.structs.replace(first, verdict="not ready: 45.0 % right")
    runs = {"a": first, "b": first, "c": other}
    entries = [Entry(label=name, folder=name, trace=trace, config={}) for name, trace in runs.items()]
    row = next(row for row in compare(entries, paired_gain, sample_gain).results if row.name == "verdict")
    assert row.texts == tuple(trace.verdict for trace in runs.values())
    assert row.differences == ("", "same", "differs")


def test_reduction_is_the_stage_that_drops_most() -> None:
    stage = reduction(example.stages())
    assert stage is not None
    assert stage.name == "Feature engineering"
    assert reduction(()) is None


def test_verdict_ready() -> None:
    text = verdict(evaluation=example.evaluation(), compression=example.compression(), device=example.device())
    assert text.startswith("ready, with a weakness for phone-arm64: swapped axes costs 26.5 points; 87.9 % right (95 %")
    assert text.endswith("int8 within the limit, fits every budget")
    assert state_of(text) == WEAK
    steady = msgspec.structs.replace(example.compression(), robustness=example.compression().robustness[:2])
    text = verdict(evaluation=example.evaluation(), compression=steady, device=example.device())
    assert text.startswith("ready for phone-arm64: 87.9 % right (95 % CI 84.2 % to 91.1 %), int8 within the limit")
    assert state_of(text) == READY


def _of(confusion: tuple[tuple[int, ...], ...], low: float = 0.0) -> EvaluationRecord:
    """Return an evaluation with these counts; the majority is the most frequent true class."""
    total = sum(map(sum, confusion))
    value = sum(row[index] for index, row in enumerate(confusion)) / total
    return EvaluationRecord(
        samples=total, split_by="row", confusion=confusion, majority=max(map(sum, confusion)) / total,
        accuracy=Interval(value=value, low=low or value - 0.05, high=value + 0.05, method=""),
    )  # fmt: skip


def test_nothing_beats_chance() -> None:
    noise = _of(((30, 70), (44, 96)))
    text = verdict(evaluation=noise, device=example.device())
    assert text.startswith("no model for phone-arm64: nothing beats chance (52.5 % right, always predicting the most")
    assert "`edgewright check`" in text
    assert state_of(text) == NO_MODEL
    # Ten samples cannot show that there is none: 7 of 10 right, where the most frequent class has 5.
    assert state_of(verdict(evaluation=_of(((3, 2), (1, 4))))) != NO_MODEL
    assert example.insight_of(evaluation=noise).sentence.startswith("Nothing beats chance: 52.5 % right")
    # Of rare failures half are found: less accurate than always 'fine', and far beyond chance.
    assert state_of(verdict(evaluation=_of(((930, 40), (15, 15))))) == NOT_READY
    gain = Interval(value=-0.2, low=-0.3, high=-0.1, method="")
    simple = msgspec.structs.replace(noise, simplest=SimplestRecord(score=0.72, gain=gain))
    assert state_of(verdict(evaluation=simple)) == NOT_READY


def test_an_amount_beats_chance_by_the_variance_it_explains() -> None:
    record = EvaluationRecord(samples=200, split_by="row", regression={"r2": 0.01, "rmse": 1.0, "mae": 0.8})
    assert state_of(verdict(evaluation=record)) == NO_MODEL
    simplest = SimplestRecord(score=0.7, gain=Interval(value=-0.3, low=-0.4, high=-0.2, method=""))
    assert state_of(verdict(evaluation=msgspec.structs.replace(record, simplest=simplest))) == NOT_READY
    assert state_of(verdict(evaluation=msgspec.structs.replace(record, regression={"r2": 0.1, "rmse": 1.0}))) == READY


def test_noise_seldom_agrees_with_the_truth() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(1000):
        counts = np.zeros((3, 3), np.int64)
        np.add.at(counts, (rng.choice(3, 150, p=[0.6, 0.3, 0.1]), rng.choice(3, 150, p=[0.5, 0.3, 0.2])), 1)
        alarms += agrees(counts.tolist())
    # At 1 %, more than 22 of 1,000 have a chance of 1 in 3,000.
    assert alarms <= 22
    assert agrees([[50, 0], [0, 5]])
    assert not agrees([[5, 0], [0, 0]])


def test_verdict_says_that_recordings_also_trained() -> None:
    evaluation = msgspec.structs.replace(example.evaluation(), known=True)
    assert "of recordings that also trained, so expect less of new ones" in verdict(evaluation=evaluation)


def test_verdict_names_every_problem() -> None:
    poor = Interval(value=0.42, low=0.38, high=0.46, method="wilson")
    evaluation = msgspec.structs.replace(example.evaluation(), accuracy=poor)
    compression = msgspec.structs.replace(example.compression(), drop=0.05, within=False)
    row = msgspec.structs.replace(example.device().rows[0], used=2e9)
    device = msgspec.structs.replace(example.device(), rows=(row,), fits=False)
    text = verdict(evaluation=evaluation, compression=compression, device=device)
    assert text.startswith("not ready for phone-arm64: ")
    assert "not significantly better than always predicting the most frequent class" in text
    assert "int8 costs 5 points of accuracy, the limit is 2 points" in text
    assert "flash 2 GB of 64 MB" in text


def test_verdict_without_parts() -> None:
    assert verdict() == "built; nothing was measured"


def test_people_left_out_in_turn_count_before_test_samples() -> None:
    sure = Interval(value=0.9, low=0.85, high=0.95, method="")
    few = Interval(value=0.45, low=0.2, high=0.7, method="")
    gain = Interval(value=0.1, low=0.05, high=0.15, method="")
    record = EvaluationRecord(samples=100, split_by="group", accuracy=sure, majority=0.3)
    assert verdict(evaluation=record).startswith("ready")
    left = LeftOutRecord(groups=(), known=4, by="person", score=few, majority=gain)
    assert verdict(evaluation=msgspec.structs.replace(record, left_out=left)).startswith("not ready: 45.0 % right")


def test_verdict_has_a_floor() -> None:
    """Far better than chance is not ready while most answers are wrong, or one column tells as much."""
    record = example.evaluation()
    wrong = Interval(value=0.41, low=0.39, high=0.43, method="")
    text = verdict(evaluation=msgspec.structs.replace(record, accuracy=wrong, majority=0.1))
    assert text == "not ready: 41.0 % right: as often wrong as right, or more often"
    gain = Interval(value=0.01, low=-0.01, high=0.03, method="")
    alike = msgspec.structs.replace(record, simplest=SimplestRecord(score=0.87, gain=gain))
    assert state_of(verdict(evaluation=alike)) == WEAK, "better, but not significantly"
    as_good = msgspec.structs.replace(gain, value=0.0)
    equal = msgspec.structs.replace(record, simplest=SimplestRecord(score=0.879, gain=as_good))
    assert state_of(verdict(evaluation=equal)) == NOT_READY
    clear = msgspec.structs.replace(gain, low=0.001)
    better = msgspec.structs.replace(record, simplest=SimplestRecord(score=0.87, gain=clear))
    assert state_of(verdict(evaluation=better)) == READY
    for right, count, need in ((27, 30, 0.85), (99, 100, 0.97), (29, 30, 0.93)):
        accuracy = wilson(right, count)
        few = EvaluationRecord(samples=count, split_by="row", accuracy=accuracy, majority=0.6, need=need)
        more = int(verdict(evaluation=few).rpartition("; about ")[2].split()[0])
        enough = count + more
        assert wilson(right / count * enough, enough).low > need >= wilson(right / count * (enough - 1), enough - 1).low
    both = EvaluationRecord(samples=120, split_by="row", accuracy=wilson(66, 120), majority=0.52)
    assert " ".join(shortfalls(both)).count("more test samples") == 1
    with_need = msgspec.structs.replace(record, need=0.95)
    assert verdict(evaluation=with_need) == "not ready: 87.9 % right (95 % CI from 84.2 %), 95.0 % was asked for"


@pytest.mark.parametrize(
    ("whole", "small", "change"),
    [
        ((4.3, 9.8), (6.1, 12.4), ""),
        ((4.3, 5.0), (6.1, 7.0), "slower"),
        ((9.0, 9.5), (6.1, 7.0), "faster"),
        ((9.0, 9.5), (6.1, 9.2), ""),
    ],
)
def test_times_that_overlap_are_no_difference(
    whole: tuple[float, float], small: tuple[float, float], change: str
) -> None:
    record = example.trace(80).compression
    assert record is not None
    forms = [
        msgspec.structs.replace(record.variants[0], latency_p50_us=p50, latency_p99_us=p99)
        for p50, p99 in (whole, small)
    ]
    assert latency_change(*forms) == change


@pytest.mark.parametrize(("int8_us", "words"), [(41.0, "as fast"), (80.0, "2.0x slower"), (20.0, "2.0x faster")])
def test_the_insight_compares_estimates_of_the_device(int8_us: float, words: str) -> None:
    trace = example.trace(80)
    assert trace.compression is not None
    forms = [
        msgspec.structs.replace(form, device_us=Interval(value=us, low=us / 2, high=2 * us, method=""))
        for form, us in zip(trace.compression.variants, (40.0, int8_us), strict=True)
    ]
    record = msgspec.structs.replace(trace.compression, variants=tuple(forms), device="cortex-m4")
    numbers: dict[str, float] = {}
    assert f"is estimated {words} on cortex-m4" in _int8_clause(record, numbers)
