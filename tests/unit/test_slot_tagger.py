"""The slot tagger: CRFsuite's own answers before pruning, Viterbi against all paths, and what pruning keeps."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import UtterancesError
from edgewright.language.intents.network import size_in_bytes
from edgewright.language.slots import Iterations, Slotting, labels_of, score, train_tagger
from edgewright.language.utterances import read
from edgewright.nlp.records import Slot, Utterance
from edgewright.nlp.utterance.student import Tagger, attributes, joined, shape, viterbi
from edgewright.nlp.utterance.values import tokens

CITIES = ("Paris", "New York", "San Jose", "Rome", "Oslo", "Cape Town", "Lima", "Hong Kong", "Bonn", "Las Vegas")


def travels() -> list[Utterance]:
    utterances = []
    for start, end in itertools.permutations(CITIES, 2):
        text = f"fly from {start} to {end}"
        first, second = text.index(start), text.rindex(end)
        slots = (
            Slot(name="start", begin=first, end=first + len(start), text=start),
            Slot(name="end", begin=second, end=second + len(end), text=end),
        )
        utterances.append(Utterance(text=text, intent="fly", slots=slots))
    return utterances


def test_training_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pycrfsuite")
    lines: list[str] = []
    monkeypatch.setattr("edgewright.language.slots._SILENT_S", 0.0)
    train_tagger(travels()[::2], Slotting(iterations=20), lines.append)
    assert lines[0].startswith("  slots: iteration 1 of 20, loss ")
    assert "iteration 20 of 20" in lines[-1]
    assert lines[-1].endswith("at most 0 s left")


def test_a_line_comes_every_ten_seconds() -> None:
    seconds, lines = itertools.count(0.0, 3.0), list[str]()
    iterations = Iterations(100, lines.append, lambda: next(seconds))
    for number in range(1, 10):
        for line in (f"***** Iteration #{number} *****\n", "Loss: 12.5\n", "Feature norm: 1.0\n", "\n"):
            iterations.hear(line)
    assert [line.split()[2] for line in lines] == ["1", "5", "9"]
    quick = itertools.count(0.0, 0.01)
    iterations = Iterations(100, lines.append, lambda: next(quick))
    for number in range(1, 101):
        iterations.hear(f"***** Iteration #{number} *****\n")
        iterations.hear("Loss: 12.5\n")
    assert len(lines) == 3


def test_the_tagger_answers_as_crfsuite_does() -> None:
    pycrfsuite = pytest.importorskip("pycrfsuite")
    given = travels()
    spec, arrays = train_tagger(given[::2], Slotting())
    tagger = Tagger(spec, arrays, "here")
    trainer = pycrfsuite.Trainer("lbfgs", verbose=False)
    trainer.set_params({"c1": 0.1, "c2": 0.02, "max_iterations": 80})
    for one in given[::2]:
        spans = tokens(one.text)
        trainer.append(attributes(one.text, spans, one.intent), labels_of(one.slots, spans))
    with tempfile.TemporaryDirectory() as folder:
        trainer.train(str(Path(folder) / "m"))
        other = pycrfsuite.Tagger()
        other.open(str(Path(folder) / "m"))
        for one in given[1::2]:
            spans = tokens(one.text)
            ours = [spec.labels[k] for k in tagger.path(one.text, spans, one.intent)]
            assert ours == other.tag(attributes(one.text, spans, one.intent))
        other.close()
    scores = score((one.text, one.slots, tagger.slots(one.text, "fly")) for one in given[1::2])
    assert scores.f1 > 0.95


def test_pruning_keeps_within_its_bytes() -> None:
    pytest.importorskip("pycrfsuite")
    whole = train_tagger(travels(), Slotting())[1]
    small = train_tagger(travels(), Slotting(size=200))[1]
    assert size_in_bytes(small) <= 200 < size_in_bytes(whole)
    spec, arrays = train_tagger(travels(), Slotting(size=200))
    assert all(slot.text for slot in Tagger(spec, arrays, "here").slots("fly from Rome to Oslo", "fly"))


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 10**6))
@settings(max_examples=60)
def test_viterbi_finds_the_best_of_all_paths(length: int, labels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, moves = random.integers(-99, 100, (length, labels)), random.integers(-99, 100, (labels, labels))

    def total(path: tuple[int, ...]) -> int:
        steps = sum(moves[a, b] for a, b in itertools.pairwise(path))
        return int(sum(scores[k, label] for k, label in enumerate(path)) + steps)

    best = max(itertools.product(range(labels), repeat=length), key=total)
    assert total(tuple(viterbi(scores, moves))) == total(best)


def test_labels_become_slots() -> None:
    text = "a b c d e"
    spans = tokens(text)
    slots = joined(text, spans, ["B-x", "I-x", "I-y", "O", "I-y"])
    assert [(slot.name, slot.text) for slot in slots] == [("x", "a b"), ("y", "c"), ("y", "e")]
    assert joined(text, spans, ["B-x", "B-x", "O", "O", "O"])[1].text == "b"
    assert labels_of(slots, spans) == ["B-x", "I-x", "B-y", "O", "B-y"]


def test_f1_counts_whole_slots() -> None:
    text = "play Yo Ho, now"
    true = (Slot(name="track", begin=5, end=10, text="Yo Ho"),)
    near = (Slot(name="track", begin=5, end=7, text="Yo"),)
    assert score([(text, true, true)]).f1 == 1
    assert score([(text, true, near)]).f1 == 0
    assert score([(text, true, ())]).f1 == 0
    assert score([]).f1 == 0


def test_shapes_and_tokens() -> None:
    assert shape("McDonald's") == "XxXxx'x"
    assert shape("2026") == "dd"
    assert [text[a:b] for text in ["don't stop, \u05e9\u05dc\u05d5\u05dd!"] for a, b in tokens(text)] == [
        "don't", "stop", ",", "\u05e9\u05dc\u05d5\u05dd", "!",
    ]  # fmt: skip


def test_without_slots_nothing_is_trained() -> None:
    with pytest.raises(UtterancesError):
        train_tagger([Utterance(text="hello", intent="greet")], Slotting())


def test_adjacent_words_are_one_slot_where_no_utterance_has_two_side_by_side() -> None:
    """A few dozen utterances: 'cold' before a drink is no drink of its own."""
    given = read(Path(__file__).parents[2] / "docs/examples/vending-utterances.toml").utterances
    tagger = Tagger(*train_tagger(given, Slotting()), "here")
    for text in ("get me a cold coffee", "a cold coffee", "one cold coffee please"):
        assert [slot.name for slot in tagger.slots(text, "dispense_drink")] == ["drink"], text


def test_slots_side_by_side_are_kept_apart_where_utterances_have_them() -> None:
    given = [
        Utterance(
            text=f"add {a} {b}",
            intent="add",
            slots=(
                Slot(name="item", begin=4, end=4 + len(a), text=a),
                Slot(name="item", begin=5 + len(a), end=5 + len(a) + len(b), text=b),
            ),
        )
        for a, b in itertools.permutations(("milk", "bread", "salt", "rice", "eggs"), 2)
    ]
    tagger = Tagger(*train_tagger(given, Slotting()), "here")
    assert [slot.text for slot in tagger.slots("add rice milk", "add")] == ["rice", "milk"]
