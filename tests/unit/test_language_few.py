"""Few examples: which student they carry, that it is the same in every form, and what a user gets by default."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgewright.language.intents.network import Fit, Network, size_in_bytes
from edgewright.language.intents.parts import evaluate, parted
from edgewright.language.intents.train import How, climb, fit_linear, logits_of, rows_for, train_student
from edgewright.language.training import train
from edgewright.language.utterances import Labelled
from edgewright.nlp.utterance.normalise import normalised
from edgewright.nlp.utterance.parse import Understanding
from edgewright.nlp.utterance.student import rows_of
from edgewright.schema.language import OUT_OF_SCOPE, Utterance
from edgewright.training.auroc import auroc_interval
from edgewright.training.metrics import wilson

DRINK = ("I want a soda", "give me a cola please", "can I have some water", "a green tea for me", "pour me a coffee",
         "I am thirsty", "one lemonade please", "could I get something to drink")  # fmt: skip
FOOD = ("I am hungry", "give me a sandwich", "can I have an apple", "two cookies for me", "I want something to eat",
        "one salad please", "a chocolate bar", "could I get a bag of nuts")  # fmt: skip
NEW = {"I want a soda please": "drink", "I would like a green tea": "drink", "give me some water please": "drink",
       "coffee for me": "drink", "I am really thirsty": "drink", "get me a cola": "drink",
       "I want an apple please": "food", "I am so hungry": "food", "give me two cookies": "food",
       "a sandwich for me": "food", "something to eat please": "food", "I would like a salad": "food"}  # fmt: skip


def sixteen() -> tuple[Utterance, ...]:
    pairs = [*((text, "drink") for text in DRINK), *((text, "food") for text in FOOD)]
    return tuple(Utterance(text=text, intent=intent) for text, intent in pairs)


@pytest.mark.slow
def test_sixteen_sentences_carry_a_linear_student_that_is_right() -> None:
    lines: list[str] = []
    trained = train(Labelled(sixteen()), How(size=16_000), name="drinks", say=lines.append)
    one = Understanding(trained.spec, trained.arrays)
    assert {text: one.parse(text).intent for text in NEW} == NEW
    assert trained.spec.student is not None
    assert trained.spec.student.hidden == 2
    assert trained.spec.trained["ladder"][0]["name"] == "linear"
    assert any("linear is chosen" in line for line in lines)
    # All are judged, each by a student that did not see it.
    assert trained.spec.trained["judged"] == 16
    assert trained.spec.trained["as_answered"]["value"] <= trained.spec.trained["accuracy"]["value"]


@pytest.mark.slow
def test_what_is_refused_counts_as_wrong() -> None:
    student = train_student(parted(sixteen(), (), 0), How(size=8_000, reject=0.5)).evaluation
    assert student.refused.any()
    assert not student.answered[student.refused].any()
    assert student.reject == 0.5


def test_refusing_what_would_be_wrong_costs_nothing() -> None:
    # Ten right answers score 11 to 20, ten wrong ones 1 to 10.
    scores, truth = np.arange(1.0, 21.0), np.zeros(20, np.int64)
    raw = np.zeros((20, 2))
    raw[np.arange(20), (scores <= 10).astype(int)] = scores
    thresholds, heat = evaluate(raw, raw[:0], truth, 0.2, False)
    # A further right answer lies below the second smallest of ten with a probability of 2 in 11.
    assert thresholds.refused.sum() == 11, "all wrong answers and one right answer"
    assert thresholds.answered.sum() == 9
    assert thresholds.threshold * heat == pytest.approx(12)


@pytest.mark.parametrize("reject", [0.0, 0.02, None])
@pytest.mark.parametrize("count", [8, 45])
def test_a_text_without_a_known_ngram_is_refused_whatever_the_limit(reject: float | None, count: int) -> None:
    # With 45 sentences an intent the network is fitted, with 8 the linear model.
    given = tuple(
        Utterance(text=f"{text} {'now ' * (k // 8)}".strip(), intent=intent)
        for texts, intent in ((DRINK, "drink"), (FOOD, "food"))
        for k, text in zip(range(count), itertools.cycle(texts), strict=False)
    )
    trained = train(Labelled(given), How(size=16_000, reject=reject, epochs=3), name="drinks")
    assert trained.spec.student is not None
    one, student = Understanding(trained.spec, trained.arrays), trained.spec.student
    filled = np.any(trained.arrays["table"], axis=1)
    unknown = [
        text for text in (chr(0x1F300 + k) for k in range(40))
        if not np.any(filled[rows_of(normalised(text), student.characters, student.words, student.rows)])
    ]  # fmt: skip
    assert unknown, "n-grams that no sentence has fall on rows that no sentence has"
    assert {one.parse(text).intent for text in unknown} == {OUT_OF_SCOPE}


@pytest.mark.parametrize("classes", [2, 5])
def test_the_integers_answer_as_the_regression_does(classes: int) -> None:
    texts = [f"{'abcde'[k % classes] * 3} {'vwxyz'[k % 5]}{k} word" for k in range(40)]
    targets = np.arange(40) % classes
    rows = rows_for(16_000, classes)
    spec, arrays = fit_linear(texts, targets, classes, rows, (3, 4), (1, 2))
    assert size_in_bytes(arrays) <= 16_000
    assert (logits_of(spec, arrays, texts).argmax(axis=1) == targets).all()
    assert arrays["table"].shape == (rows, classes)


def test_a_size_without_room_for_a_row_an_intent_has_no_linear_student() -> None:
    assert rows_for(64_000, 150) == 0
    assert 0 < rows_for(64_000, 7) * 7 <= 64_000


def test_the_ladder_climbs_only_for_what_is_clearly_better() -> None:
    texts, targets = [f"sentence {chr(97 + k % 26)}{k}" for k in range(30)], np.arange(30) % 2
    seen: list[int] = []

    def wrong_in(count: int) -> object:
        def fit(some: object, _: object) -> object:
            seen.append(len(list(some)))  # type: ignore[call-overload]
            return count

        return fit

    def logits(fitted: object, some: object) -> object:
        places = [texts.index(text) for text in some]  # type: ignore[attr-defined]
        return np.array([np.eye(2)[targets[k] ^ (k < fitted)] for k in places])  # type: ignore[operator]

    for first, second, chosen in ((1, 0, 0), (0, 0, 0), (4, 0, 1), (0, 4, 0)):
        students = [("simple", wrong_in(first)), ("large", wrong_in(second))]
        fit, crossed, rungs = climb(students, texts, targets, logits, 0)  # type: ignore[arg-type]
        assert fit is students[chosen][1]
        # Four against none: the smallest p of an exact sign test over four sentences.
        assert [rung.p for rung in rungs] == [None, 0.125][: len(rungs)]
        # Beside at most one mistake nothing is clearly better, so nothing else is tried.
        assert [rung.right for rung in rungs] == [30 - first, 30 - second][: 2 if first > 1 else 1]
        assert (crossed.argmax(axis=1) != targets).sum() == (first, second)[chosen]
    assert max(seen) < 30


@pytest.mark.slow
def test_few_utterances_out_of_scope_tell_little_even_where_all_of_them_are_told_apart() -> None:
    inside, outside = np.linspace(1, 2, 40), np.array([0.1, 0.2, 0.3])
    interval = auroc_interval(inside, outside)
    assert (interval.value, interval.high) == (1.0, 1.0)
    assert interval.low == pytest.approx(wilson(3, 3).low)
    rng, covered = np.random.default_rng(5), 0
    for _ in range(300):
        estimate = auroc_interval(rng.normal(1, 1, 60), rng.normal(0, 1, 5))
        # Of two normal distributions whose middles lie one deviation apart.
        covered += estimate.low <= 0.7602 <= estimate.high
    assert covered >= 275
    assert estimate.method == "jackknife of both sides, t with 4 degrees of freedom, 95 %"
    assert auroc_interval(inside, np.array([])).low == 0.0


def test_logits_of_a_new_network_have_one_size_whatever_its_width() -> None:
    for hidden in (4, 64):
        head = Network(10, 400, Fit(hidden=hidden)).weights["head"]
        assert np.square(head).sum(axis=0).mean() == pytest.approx(1.0, rel=0.1)
