"""Few examples: which student they carry, that it is the same in every form, and what a user gets by default."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from documents_example import Letters
from edgewright.cli.main import run
from edgewright.language.intents.material import Teacher, labelled
from edgewright.language.intents.network import Fit, Network, background, is_english, outside_of, size_in_bytes
from edgewright.language.intents.parts import evaluate, parted
from edgewright.language.intents.train import How, fit_linear, leave_out, logits_of, rows_for, train_student
from edgewright.language.training import describe_chance, train
from edgewright.language.utterances import Labelled
from edgewright.nlp.records import OUT_OF_SCOPE, Utterance
from edgewright.nlp.utterance.parse import Understanding
from edgewright.nlp.utterance.student import rows_of
from edgewright.nlp.utterance.values import normalised
from edgewright.training.metrics import auroc_interval, wilson

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
    foreign = ("what is the capital of Peru", "the invoice is wrong again", "xyzzy", "how tall is your brother")
    assert {one.parse(text).intent for text in foreign} == {OUT_OF_SCOPE}
    assert trained.spec.student is not None
    assert trained.spec.student.hidden == 2
    assert trained.spec.trained["ladder"][0]["name"] == "linear"
    assert any("a linear model is fitted" in line for line in lines)
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


@pytest.mark.parametrize(("count", "reject"), [(8, 0.0), (8, None), (45, 0.02)])
def test_a_text_without_a_known_ngram_is_refused_whatever_the_limit(reject: float | None, count: int) -> None:
    given = tuple(
        Utterance(text=f"{text} {'now ' * (k // 8)}".strip(), intent=intent)
        for texts, intent in ((DRINK, "drink"), (FOOD, "food"))
        for k, text in zip(range(count), itertools.cycle(texts), strict=False)
    )
    trained = train(Labelled(given), How(size=16_000, reject=reject, epochs=3), name="drinks")
    assert trained.spec.student is not None
    one, student = Understanding(trained.spec, trained.arrays), trained.spec.student

    def rows(text: str) -> set[int]:
        return set(rows_of(normalised(text), student.characters, student.words, student.rows).tolist())

    known = set().union(*(rows(utterance.text) for utterance in given))
    unknown = [text for text in (chr(0x1F300 + k) for k in range(40)) if not known & rows(text)]
    assert unknown, "n-grams that no sentence has fall on rows that no sentence has"
    assert {one.parse(text).intent for text in unknown} == {OUT_OF_SCOPE}


@pytest.mark.parametrize("classes", [2, 5])
def test_the_integers_answer_as_the_regression_does(classes: int) -> None:
    texts = [f"{'abcde'[k % classes] * 3} {'vwxyz'[k % 5]}{k} word" for k in range(40)]
    targets = np.arange(40) % classes
    rows = rows_for(16_000, classes)
    material = labelled(texts, targets, classes, ["something else", "zzz"], spread=0)
    spec, arrays = fit_linear(material, classes, rows, (3, 4), (1, 2))
    assert size_in_bytes(arrays) <= 16_000
    assert (logits_of(spec, arrays, texts).argmax(axis=1) == targets).all()
    assert arrays["table"].shape == (rows, classes)


def test_a_size_without_room_for_a_row_an_intent_has_no_linear_student() -> None:
    assert rows_for(64_000, 150) == 0
    assert 0 < rows_for(64_000, 7) * 7 <= 64_000


def test_every_sentence_is_left_out_once_with_its_repetitions() -> None:
    texts, targets = [f"sentence {chr(97 + k % 26)}{k % 24}" for k in range(48)], np.arange(48) % 2
    outside = [f"other {k}" for k in range(33)]
    fits: list[tuple[set[str], set[str]]] = []

    def fit(some: object, _: object, outside: object) -> int:
        fits.append((set(some), set(outside)))  # type: ignore[call-overload]
        return len(fits) - 1

    def logits(number: int, some: Sequence[str]) -> NDArray[np.float64]:
        inside, away = fits[number]
        assert not inside & set(some)
        assert not away & set(some)
        return np.full((len(some), 2), number + 1.0)

    left_out = leave_out(fit, texts, targets, outside, logits, 0)
    assert left_out.inside.all()
    assert left_out.outside.all()
    assert len(fits) == 5


class Meanings:
    """Vectors of an encoder for which all drinks mean the same, and all food."""

    name, dimensions, bytes = "meanings", 4, 0
    drinks = ("soda", "cola", "water", "lemonade", "coffee", "juice", "milk", "beer", "cider", "cocoa")
    foods = ("apple", "sandwich", "cookie", "salad", "wrap", "banana", "pizza", "bread", "cheese", "soup")

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.full((len(texts), 4), 0.01, np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[
                    row, 0 if word in self.drinks else 1 if word in self.foods else 2 if word == "please" else 3
                ] += 1
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def words(self) -> list[str]:
        return [*self.drinks, *self.foods]


@pytest.mark.slow
def test_a_teacher_is_kept_where_left_out_sentences_gain() -> None:
    sentences = [*((f"{word} please", "drink") for word in Meanings.drinks[:8]),
                 *((f"{word} please", "food") for word in Meanings.foods[:8])]  # fmt: skip
    given = Labelled(tuple(Utterance(text=text, intent=intent) for text, intent in sentences))
    understood = train(given, How(size=16_000), name="table", teacher=Teacher(Meanings()))
    parser = Understanding(understood.spec, understood.arrays)
    # Neither word is in an example; the teacher says what they mean.
    assert [parser.parse(f"{word} please").intent for word in ("cocoa", "soup")] == ["drink", "food"]
    assert [rung.name for rung in understood.trained.ladder] == ["linear", "taught"]
    assert [note for note in understood.findings if note.endswith("the taught model is kept")]


@pytest.mark.slow
def test_a_teacher_that_does_not_pay_leaves_the_model_as_it_is_without() -> None:
    how = How(size=16_000)
    untaught, understood = (
        train(Labelled(sixteen()), how, name="drinks", teacher=teacher) for teacher in (None, Teacher(Letters()))
    )
    assert all(np.array_equal(untaught.arrays[name], array) for name, array in understood.arrays.items())
    assert understood.spec.student == untaught.spec.student
    [note] = [note for note in understood.findings if "taught by letters" in note]
    assert note.endswith("teaching shows no gain, and the untaught model is kept")
    assert not any("taught" in finding for finding in untaught.findings)


def test_texts_without_labels_hold_no_sentence_that_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher's answer to a sentence that is left out would be learnt, and the taught student kept for it."""
    given: list[str] = []

    def student(*_: object, unlabelled: Sequence[str], **__: object) -> None:
        given.extend(unlabelled)
        raise StopIteration

    monkeypatch.setattr("edgewright.language.training.train_student", student)
    texts = ["a new one", *(text.upper() for text in DRINK), *NEW, "a new one"]
    with pytest.raises(StopIteration):
        validation = tuple(Utterance(text=text, intent=intent) for text, intent in NEW.items())
        train(Labelled(sixteen(), validation), How(), name="d", teacher=Teacher(Letters()), unlabelled=texts)
    assert given == ["a new one"]


def test_the_background_keeps_out_of_the_users_intents() -> None:
    assert len(background()) > 1_000
    assert len(set(background())) == len(background())
    plain = outside_of(["zebra crossing"])
    own = {"yes", "no", "turn on the television"}
    assert own < set(plain)
    assert not own & set(outside_of(["yes", "no thanks, no", "please turn the television on"]))
    assert plain == outside_of(["zebra crossing"])


def test_a_model_at_chance_is_not_written_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{text},{'drink' if k % 2 else 'food'}" for k, text in enumerate((*DRINK, *FOOD))]
    data, model = tmp_path / "mixed.csv", tmp_path / "m.language"
    data.write_text("text,intent\n" + "\n".join(lines), "utf-8")
    command = ["language", "train", str(data), "--out", str(model), "--size", "16kB"]
    assert run(command) == 1
    assert "error[check-failed]" in capsys.readouterr().err
    assert not model.exists()
    assert run([*command, "--force"]) == 0
    assert model.exists()
    assert "left-out sentences are right, where the most frequent intent gives 8\n" in capsys.readouterr().out


def test_guessing_means_the_most_frequent_intent() -> None:
    intents = [{"intent": "play", "judged": 90, "right": 1.0}, {"intent": "stop", "judged": 10, "right": 0.0}]
    record = {"judged": 100, "intents": intents, "accuracy": {"value": 0.9}}
    assert describe_chance(record) == "90 of 100 left-out sentences are right, where the most frequent intent gives 90"
    assert not describe_chance({**record, "accuracy": {"value": 0.94}})


def test_sentences_in_another_language_than_the_background_are_noted() -> None:
    german = (
        "Mach das Licht im Wohnzimmer an", "Schalte bitte die Heizung in der Küche aus", "Wie warm ist es im Bad",
        "Stell den Wecker auf sieben Uhr", "Wann fährt der nächste Zug nach Bern", "Was gibt es heute zu essen",
        "Zeig mir die Termine von morgen",
    )  # fmt: skip
    assert not is_english(german)
    labelled = Labelled(utterances=tuple(Utterance(text=text, intent="ab"[k % 2]) for k, text in enumerate(german)))
    notes = train(labelled, How(size=16_000), name="m").findings
    assert "sentences of other topics are English here: add some of your language, marked out of scope" in notes
    assert is_english((*DRINK, *FOOD))
    assert is_english(background())
    assert is_english(["Licht an", "Licht aus"])


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
