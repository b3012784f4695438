"""What is unexpected in a run: claims follow from figures, the insight names the strongest, the quiz asks for it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import trace_example as example
from edgewright.core.records.race import EntrantRecord, RaceRecord
from edgewright.core.records.trace import ClassRow, GroupRow, Interval, Mistake, Trace
from edgewright.trace.questions import quiz
from edgewright.trace.sections.frame import place_of, written
from edgewright.trace.sentences.insight import claims, trace_insight

CLASSES = tuple(ClassRow(label=name, precision=0.9, recall=0.88, f1=0.9, support=100) for name in "abc")
PLAIN = {"groups": (), "mistakes": (), "majority": 0.4, "classes": CLASSES}


def run(**evaluation: Any) -> Trace:  # noqa: ANN401 - fields of the record
    """Return a run in which nothing is unexpected but what the evaluation says."""
    compression = msgspec.structs.replace(example.compression(), drop=0.0)
    record = msgspec.structs.replace(example.evaluation(), **{**PLAIN, **evaluation})
    return msgspec.structs.replace(
        example.trace(9), evaluation=record, compression=compression, training=example.training(9)
    )


def interval(value: float) -> Interval:
    return Interval(value=value, low=value - 0.05, high=value + 0.05, method="example")


def groups(*shares: float) -> tuple[GroupRow, ...]:
    return tuple(GroupRow(group=f"p{i}", accuracy=share, samples=50) for i, share in enumerate(shares))


@pytest.mark.parametrize(
    ("evaluation", "text", "figures"),
    [
        ({"majority": 0.96}, "always answering the most frequent class would nearly do", "it is right in 96.0 %"),
        ({"groups": groups(0.9, 0.5, 0.95)}, "one person or machine", "'p1' has 50.0 % right answers, the mean"),
        (
            {"classes": (*CLASSES, ClassRow(label="d", precision=0.5, recall=0.2, f1=0.3, support=40))},
            "one class is recognised far less often", "'d' in 20.0 % of its samples",
        ),
        (
            {"mistakes": (Mistake(row=1, group="", truth="a", answer="b", confidence=0.991),)},
            "a wrong answer was given with near certainty", "'a' was called 'b' with 99.1 %",
        ),
    ],
)  # fmt: skip
def test_figures_beyond_the_usual_are_named(evaluation: dict[str, Any], text: str, figures: str) -> None:
    trace = run(**evaluation)
    first = claims(trace)[0]
    assert first.holds
    assert first.text.startswith(text)
    assert first.figures.startswith(figures)
    insight = trace_insight(trace)
    said_already = first.numbers.keys() == {"majority"}
    assert insight.sentence.endswith(f"Unexpected: {first.text} ({first.figures})") != said_already
    assert first.numbers.items() <= insight.numbers.items()


def test_a_usual_run_has_nothing_unexpected() -> None:
    trace = run()
    assert not any(claim.holds for claim in claims(trace))
    assert "Unexpected" not in trace_insight(trace).sentence
    assert "surprise" not in {question.name for question in quiz(trace)}


def test_a_class_of_few_samples_is_no_surprise() -> None:
    rare = ClassRow(label="d", precision=0.0, recall=0.0, f1=0.0, support=3)
    assert not any(claim.holds for claim in claims(run(classes=(*CLASSES, rare))))


def test_a_better_model_that_was_not_taken_is_named() -> None:
    entrants = tuple(
        EntrantRecord(name=name, title=name, score=interval(score)) for name, score in (("net", 0.9), ("rules", 0.88))
    )
    race = RaceRecord(
        metric="accuracy", metric_title="accuracy", metric_why="", higher=True, kept="row", units=9, samples=9,
        entrants=entrants, chosen="rules", why="it is simpler",
    )  # fmt: skip
    sentence = trace_insight(msgspec.structs.replace(run(), race=race)).sentence
    assert "net had .900 and rules .880: it is simpler" in sentence
    best = msgspec.structs.replace(race, chosen="net")
    assert "Unexpected" not in trace_insight(msgspec.structs.replace(run(), race=best)).sentence


def test_training_that_made_it_worse_is_named() -> None:
    trace = msgspec.structs.replace(run(), training=example.training(80))
    claim = next(claim for claim in claims(trace) if claim.anchor == "training")
    best = min(example.epochs(80), key=lambda epoch: epoch.validation_loss or 0.0).epoch
    assert claim.figures == f"epoch {best} of 80 was the best on validation samples"
    assert claim.strength == pytest.approx(0.5 / (best / 80))


def test_the_quiz_asks_for_what_holds_beside_what_clearly_does_not() -> None:
    trace = msgspec.structs.replace(run(groups=groups(0.9, 0.5, 0.95)), training=example.training(80))
    question = quiz(trace)[0]
    assert question.name == "surprise"
    (right,) = [option for option in question.options if option.right]
    assert right.text == "One person or machine is answered far worse than the others"
    assert right.reason.startswith("'p1' has 50.0 %")
    denied = {claim.text.casefold() for claim in claims(trace) if claim.fails}
    assert {option.text.casefold() for option in question.options if not option.right} <= denied


@pytest.mark.parametrize(
    ("name", "value", "text", "anchor"),
    [
        ("recall of the weakest class", 0.2, "20.0 %", "evaluation"),
        ("confidence of the surest mistake", 0.991, "99.1 %", "evaluation"),
        ("validation accuracy", 0.9, "90.0 %", "training"),
        ("best epoch", 7.0, "7", "training"),
        ("highest score of a column", 0.7, "0.7000", "data_flow"),
    ],
)
def test_figures_of_a_surprise_lead_to_their_section(name: str, value: float, text: str, anchor: str) -> None:
    assert written(name, value) == (name, text)
    assert place_of(name, example.trace(3)) == anchor
