"""Questions follow from the record: one right answer of four, and the wrong ones wrong by the record's own numbers."""

from __future__ import annotations

import re

import msgspec
import pytest

import lesson_example
from edgewright.core.records.trace import Trace
from edgewright.trace.blocks.records import Question
from edgewright.trace.questions import quiz
from edgewright.trace.sections import sections

ANCHORS = set(sections())


def questions_of(trace: Trace) -> dict[str, Question]:
    return {question.name: question for question in quiz(trace)}


def right(question: Question) -> str:
    return next(option.text for option in question.options if option.right)


def wrong(question: Question) -> list[str]:
    return [option.text for option in question.options if not option.right]


@pytest.mark.parametrize("name", sorted(lesson_example.RECORDS))
def test_every_question_is_whole(name: str) -> None:
    questions = quiz(lesson_example.RECORDS[name]())
    assert len(questions) >= 3
    assert len({question.name for question in questions}) == len(questions)
    for question in questions:
        assert len(question.options) == 4
        assert sum(option.right for option in question.options) == 1
        texts = [" ".join(option.text.casefold().split()) for option in question.options]
        assert len(set(texts)) == 4, question.name
        assert all(option.reason and option.text for option in question.options)
        assert question.anchor in ANCHORS
        assert re.search(r"\d", question.rests_on), question.rests_on
        numbers = [text for text in texts if re.fullmatch(r"[\d.,]+ ?%?", text)]
        assert len({float(re.sub(r"[^\d.]", "", text)) for text in numbers}) == len(numbers)


def test_same_record_same_quiz_and_not_always_the_same_letter() -> None:
    trace = lesson_example.overfitted()
    assert quiz(trace) == quiz(trace)
    places = {next(i for i, option in enumerate(q.options) if option.right) for q in quiz(trace)}
    assert len(places) >= 3
    other = msgspec.structs.replace(trace.provenance, data_hash="another")
    moved = quiz(msgspec.structs.replace(trace, provenance=other))
    assert [q.text for q in moved] == [q.text for q in quiz(trace)]
    assert [q.options for q in moved] != [q.options for q in quiz(trace)]


@pytest.mark.parametrize(
    ("record", "name", "asked_for", "answer"),
    [
        ("classifier", "fewer_features", "10 of 20", "704 parameters instead of 1,344"),
        ("overfitted", "larger_architecture", "207,201", f"{207_201 / 14_151:.3g} times"),
        ("classifier", "layer_parameters", "64 inputs and 64 units", "4,160"),
        ("classifier", "where_weights_go", "float32", "'hidden 2': 82 %"),
        ("classifier", "majority", "87.9 %", "41.2 %"),
        ("classifier", "budget", "phone-arm64", "RAM: 2.0 %"),
        ("classifier", "split", "person or machine", "2,000 samples"),
        ("regression", "split", "split", "samples"),
        ("classifier", "fitted_on", "10,000 samples", "The 8,000"),
        ("classifier", "confidence", "85 %", "85 %"),
        ("classifier", "active", "17 of 64 active", "ReLU"),
    ],
)
def test_a_question_and_its_right_answer_have_the_figures(record: str, name: str, asked_for: str, answer: str) -> None:
    question = questions_of(lesson_example.RECORDS[record]())[name]
    assert asked_for in question.text
    assert answer in right(question)
    assert right(question) not in wrong(question)


def test_kept_epoch_is_the_one_with_the_lowest_validation_loss() -> None:
    trace = lesson_example.classifier()
    assert trace.training is not None
    losses = {f"Epoch {e.epoch}": e.validation_loss or 0.0 for e in trace.training.epochs}
    question = questions_of(trace)["kept_epoch"]
    assert losses[right(question)] == min(losses.values())
    assert all(losses[text] > losses[right(question)] for text in wrong(question))


def test_overfitting_is_asked_only_where_the_rule_found_it() -> None:
    assert "overfitting" not in questions_of(lesson_example.classifier())
    trace = lesson_example.overfitted()
    assert trace.training is not None
    message = next(e.observation for e in trace.training.epochs if "overfitting since" in e.observation)
    epoch = message.rsplit(" ", 1)[1]
    question = questions_of(trace)["overfitting"]
    assert right(question).startswith(f"Since epoch {epoch}:")
    assert not any(text.startswith(f"Since epoch {epoch}:") for text in wrong(question))


def test_int8_cost() -> None:
    question = questions_of(lesson_example.classifier())["int8_cost"]
    assert right(question) == "It saves 73 % of the bytes of weights and costs 0.2 points of accuracy"
    assert "int8_cost" not in questions_of(lesson_example.uncompressed())
    trace = lesson_example.classifier()
    assert trace.compression is not None
    whole, small = trace.compression.variants
    same = msgspec.structs.replace(
        trace.compression, variants=(whole, msgspec.structs.replace(small, flips=0)), drop=0.0
    )
    question = questions_of(msgspec.structs.replace(trace, compression=same))["int8_cost"]
    assert right(question).endswith("keeps the accuracy")
    assert not any("changes no answer" in text for text in wrong(question)), "that would be right as well"


def test_interval_names_a_group_outside_it_or_none() -> None:
    trace = lesson_example.classifier()
    question = questions_of(trace)["interval"]
    assert "87.9 % right (95 % CI 84.2 % to 91.1 %)" in question.text
    assert any(text.startswith("For every single person") for text in wrong(question))
    assert trace.evaluation is not None
    inside = tuple(msgspec.structs.replace(g, accuracy=0.88) for g in trace.evaluation.groups)
    calm = msgspec.structs.replace(trace, evaluation=msgspec.structs.replace(trace.evaluation, groups=inside))
    assert not any(text.startswith("For every single person") for text in wrong(questions_of(calm)["interval"]))


def test_confused_is_the_largest_count_off_the_diagonal() -> None:
    trace = lesson_example.classifier()
    assert trace.evaluation is not None
    labels, matrix = trace.evaluation.labels, trace.evaluation.confusion
    question = questions_of(trace)["confused"]
    counts = {
        f"'{t}' mistaken for '{a}'": matrix[i][j] for i, t in enumerate(labels) for j, a in enumerate(labels) if i != j
    }
    assert counts[right(question)] == max(counts.values()) == 98
    assert all(counts[text] < 98 for text in wrong(question))
    tie = msgspec.structs.replace(trace.evaluation, confusion=((5, 9, 0), (9, 5, 0), (0, 0, 5)))
    assert "confused" not in questions_of(msgspec.structs.replace(trace, evaluation=tie))


def test_two_classes_give_four_options() -> None:
    trace = lesson_example.classifier()
    assert trace.evaluation is not None
    two = msgspec.structs.replace(trace.evaluation, labels=("no", "yes"), confusion=((50, 9), (4, 40)))
    question = questions_of(msgspec.structs.replace(trace, evaluation=two))["confused"]
    assert right(question) == "'no' mistaken for 'yes'"
    assert len(question.options) == 4


def test_a_regression_has_questions_of_its_own() -> None:
    questions = questions_of(lesson_example.regression())
    assert "9.0 % of that" in right(questions["r2"])
    assert "1.500" in questions["rmse"].text
    assert {"majority", "confused", "interval", "confidence", "int8_cost"}.isdisjoint(questions)


def test_an_empty_record_asks_nothing() -> None:
    trace = lesson_example.classifier()
    bare = msgspec.structs.replace(
        trace, stages=(), layers=(), training=None, evaluation=None, predictions=(), compression=None, device=None
    )
    assert quiz(bare) == ()
