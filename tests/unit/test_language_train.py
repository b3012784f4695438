"""From utterances to a model's file and back: training, parsing, damage, and what a device loads for it."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from documents_example import Letters
from edgewright.cli.main import run
from edgewright.core.errors import (
    FormatNewerError,
    InputError,
    LanguageModelError,
    PackageDamagedError,
    UtterancesError,
)
from edgewright.language.intents.material import Teacher
from edgewright.language.intents.network import shape_for, size_of
from edgewright.language.intents.parts import held_sentences, limit, share_of
from edgewright.language.intents.train import How
from edgewright.language.slots import Slotting
from edgewright.language.training import Understood, train
from edgewright.language.utterances import Labelled
from edgewright.nlp.records import OUT_OF_SCOPE, Slot, Utterance
from edgewright.nlp.utterance.parse import Understanding, language_bytes, parse_language, read_language, write_language
from edgewright.training.metrics import auroc
from support import environment

DRINKS = ("soda", "cola", "green tea", "water", "lemonade", "coffee", "juice", "milk")
FOODS = ("sandwich", "apple", "bag of nuts", "chocolate bar", "cookie", "salad", "wrap", "banana")
FRAMES = ("I want a {} please", "give me one {}", "can I have some {}", "a {}", "{} for me", "pour me {} now")
OTHERS = ("who won the match", "sing a song", "how tall is the tower", "what day is it", "open the garage door")


def marked(frame: str, phrase: str, intent: str, slot: str) -> Utterance:
    begin = frame.index("{")
    mark = Slot(name=slot, begin=begin, end=begin + len(phrase), text=phrase)
    return Utterance(text=frame.format(phrase), intent=intent, slots=(mark,), where=phrase)


def utterances() -> tuple[Utterance, ...]:
    drinks = [marked(frame, phrase, "drink", "what") for frame in FRAMES for phrase in DRINKS]
    foods = [marked(frame, phrase, "food", "meal") for frame in FRAMES for phrase in FOODS]
    stops = [
        Utterance(text=text, intent="stop") for text in ("stop", "cancel that", "never mind", "forget it", "no thanks")
    ]
    return (*drinks, *foods, *stops, *(Utterance(text=text, intent=OUT_OF_SCOPE) for text in OTHERS))


@pytest.fixture(scope="module")
def understood() -> Understood:
    pytest.importorskip("pycrfsuite")
    given = Labelled(utterances(), gazetteers={"what": {"soda": "soda", "coke": "soda"}})
    return train(given, How(size=16_000, reject=0.04), name="drinks", slots=True)


@pytest.mark.slow
def test_what_was_learnt_is_understood(understood: Understood) -> None:
    one = Understanding(understood.spec, understood.arrays)
    parsed = one.parse("I want a Soda please")
    assert parsed.intent == "drink"
    assert 0.5 < parsed.confidence <= 1
    slot = next(slot for slot in parsed.slots if slot.name == "what")
    assert (slot.text, slot.value) == ("Soda", "soda")
    assert one.parse("two sandwiches and one salad").intent == "food"
    assert one.parse("stop it").intent == "stop"
    assert understood.trained.bytes <= 16_000
    assert understood.spec.trained["accuracy"]["value"] > 0.8
    assert understood.spec.trained["slots"]["f1"] > 0.8


def test_what_nobody_taught_is_out_of_scope_and_says_why(understood: Understood) -> None:
    one = Understanding(understood.spec, understood.arrays)
    refused = [one.parse(text) for text in OTHERS]
    assert sum(parse.intent == OUT_OF_SCOPE for parse in refused) >= 3
    for parse in refused:
        if parse.intent == OUT_OF_SCOPE:
            assert not parse.slots
            assert parse.score < parse.limit
            assert parse.why.startswith("unlike the examples of every intent; ")
    assert one.parse("?!").intent == OUT_OF_SCOPE


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f600",
        "\u05d0\u05e0\u05d9 \u05e8\u05d5\u05e6\u05d4 soda",
        "\u200f\u0645\u0631\u062d\u0628\u0627",
        "\u043f\u0440\u0438\u0432\u0435\u0442 \u4e2d\u6587 soda",
        "a\u0301" * 400,
        "x" * 1000,
    ],
)
def test_any_script_is_answered(understood: Understood, text: str) -> None:
    parsed = Understanding(understood.spec, understood.arrays).parse(text)
    assert 0 <= parsed.confidence <= 1
    assert all(parsed.text[slot.begin : slot.end] == slot.text for slot in parsed.slots)


@pytest.mark.slow
def test_the_same_training_gives_the_same_bytes(understood: Understood) -> None:
    given = Labelled(utterances(), gazetteers={"what": {"soda": "soda", "coke": "soda"}})
    again = train(given, How(size=16_000, reject=0.04), name="drinks", slots=True)
    assert language_bytes(again.spec, again.arrays) == language_bytes(understood.spec, understood.arrays)


def test_the_file_comes_back_and_damage_is_noticed(understood: Understood, tmp_path: Path) -> None:
    path = tmp_path / "drinks.language"
    write_language(path, understood.spec, understood.arrays)
    spec, arrays = read_language(path)
    assert spec.intents == understood.spec.intents
    assert all(np.array_equal(arrays[name], value) for name, value in understood.arrays.items())
    data = path.read_bytes()
    random = np.random.default_rng(0)
    for location in random.integers(0, len(data), 40).tolist():
        broken = bytearray(data)
        broken[location] ^= 1 << int(random.integers(8))
        with pytest.raises(PackageDamagedError):
            parse_language(bytes(broken), "here")
    for length in (0, 10, len(data) // 2):
        with pytest.raises(PackageDamagedError):
            parse_language(data[:length], "here")


def test_a_forged_file_does_not_prove_itself(understood: Understood) -> None:
    arrays = {**understood.arrays, "table": np.roll(understood.arrays["table"], 1, axis=0)}
    spec, forged = parse_language(language_bytes(understood.spec, arrays), "here")
    with pytest.raises(UtterancesError):
        Understanding(spec, forged)
    for name, value in (("tagger_labels", np.full_like(understood.arrays["tagger_labels"], 255)),
                        ("tagger_keys", understood.arrays["tagger_keys"][::-1]),
                        ("head", understood.arrays["head"][:-1])):  # fmt: skip
        with pytest.raises(InputError):
            Understanding(understood.spec, {**understood.arrays, name: value})


def test_a_newer_format_is_refused_by_name(understood: Understood) -> None:
    newer = msgspec.structs.replace(understood.spec, version=99)
    with pytest.raises(FormatNewerError):
        parse_language(language_bytes(newer, understood.arrays), "here")


def test_a_device_loads_the_base_install_only(understood: Understood, tmp_path: Path) -> None:
    write_language(tmp_path / "m.language", understood.spec, understood.arrays)
    code = (
        "import sys; from pathlib import Path; from edgewright.nlp.utterance.parse import Understanding;"
        f"print(Understanding.load(Path({str(tmp_path / 'm.language')!r})).parse('a soda').intent);"
        "print([m for m in ('jax', 'scipy', 'sklearn', 'onnx', 'tokenizers', 'pycrfsuite') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.split() == ["drink", "[]"]


@pytest.mark.slow
def test_a_teacher_and_texts_without_labels() -> None:
    lines: list[str] = []
    unlabelled = ["may I have lemonade", *(f"{utterance.text} now" for utterance in utterances())]
    trained = train(
        Labelled(utterances()), How(size=8_000), name="taught", teacher=Teacher(Letters()),
        unlabelled=[*unlabelled, *unlabelled[:1]], say=lines.append,
    )  # fmt: skip
    assert any(f"{len(unlabelled)} texts without labels" in line for line in lines)
    assert Understanding(trained.spec, trained.arrays).parse("I want a soda please").intent == "drink"


def test_a_head_for_gateways_needs_its_encoder() -> None:
    given = utterances()
    trained = train(Labelled(given), How(), name="head", teacher=Teacher(Letters()), gateway=True,
                    unlabelled=[one.text + " now" for one in given if one.intent != OUT_OF_SCOPE] * 2)  # fmt: skip
    spec, arrays = parse_language(language_bytes(trained.spec, trained.arrays), "here")
    one = Understanding(spec, arrays, encoder=Letters())
    right = [one.parse(u.text).intent == u.intent for u in given if u.intent != OUT_OF_SCOPE]
    assert np.mean(right) > 0.7
    with pytest.raises(LanguageModelError):
        Understanding(spec, arrays)
    other = Letters()
    other.dimensions = 27
    with pytest.raises(LanguageModelError, match="27"):
        Understanding(spec, arrays, encoder=other)
    with pytest.raises(UtterancesError):
        Understanding(spec, {**arrays, "offsets": arrays["offsets"] + np.float32(1)}, encoder=Letters())


def test_sizes() -> None:
    assert [size_of(text) for text in ("64kB", "64 kB", "0.5MB", "64000", "2000 B")] == [
        64_000,
        64_000,
        500_000,
        64_000,
        2000,
    ]
    for text in ("", "64 kilo", "1kB", "90MB", "-3kB"):
        with pytest.raises(UtterancesError):
            size_of(text)
    for size, classes in ((64_000, 7), (600_000, 150), (33_000, 2)):
        rows, hidden = shape_for(size, classes)
        assert rows * hidden + hidden * classes + 4 * (classes + hidden) <= size
    with pytest.raises(UtterancesError):
        shape_for(2_000, 150)


def test_the_limit_of_scope_and_its_area() -> None:
    inside, outside = np.array([3.0, 4, 5, 6]), np.array([1.0, 2, 3.5])
    assert limit(inside, outside, 0.5) == 3.75
    # A further score lies below the smallest of four with a probability of 1 in 5.
    assert limit(inside, outside, 0.25) == 3
    assert limit(inside, outside, 0.0) < 3
    assert limit(inside[:2], outside[:0], 0.5) == 3
    assert auroc(inside, outside) == pytest.approx(11 / 12)
    assert auroc(inside, inside) == 0.5
    many = np.arange(1000.0)
    for share in (0.0, 0.005, 0.02, 0.1):
        assert share - 0.0011 < np.mean(many < limit(many, np.zeros(0), share)) <= share
        assert np.mean(many < limit(many, many - 1, share)) <= share
    # Two scores say nothing of so small a share.
    assert limit(inside[:2], outside[:0], 0.02) < -5
    assert [share_of(text) for text in ("2%", "2 %", "0.02", ".5%", "0")] == [0.02, 0.02, 0.02, 0.005, 0.0]
    for text in ("", "two", "60%", "-1%", "2 percent"):
        with pytest.raises(UtterancesError, match="--reject"):
            share_of(text)


@pytest.mark.slow
def test_the_commands(
    tmp_path: Path, cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f'"{one.text}",{one.intent}' for one in utterances()]
    (tmp_path / "u.csv").write_text("text,intent\n" + "\n".join(lines))
    model = str(tmp_path / "m.language")
    record = cli.json("language", "train", tmp_path / "u.csv", "--out", model, "--size", "8kB")
    assert record["bytes"] <= 8000
    assert {one["intent"] for one in record["intents"]} == {"drink", "food", "stop"}
    assert run(["language", "train", str(tmp_path / "u.csv"), "--out", model]) == 2
    assert run(["language", "train", str(tmp_path / "u.csv"), "--out", model, "--force", "--slots"]) == 2
    cli("language", "train", tmp_path / "u.csv", "--out", tmp_path / "n", "--unlabelled", "x", code=2)
    report = cli.json("language", "parse", "give me one cola", "--model", model)
    assert report["intent"] == "drink"
    assert [slot["name"] for slot in report["slots"]] == ["number"]
    dated = cli.json("language", "parse", "give me one cola tomorrow", "--model", model)
    assert str(date.today() + timedelta(days=1)) in [slot["value"] for slot in dated["slots"]]
    for arguments in (["", "--model", model], ["x", "--model", str(tmp_path / "none")], ["x", "--model", str(tmp_path)],
                      ["x", "--model", str(tmp_path / "u.csv")]):  # fmt: skip
        assert run(["language", "parse", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("a cola\n\n" + "a" * 2000 + "\n"))
    assert "at line 3 of standard input" in cli("language", "parse", "-", "--model", model, code=2)
    assert run(["export", model, "--to", "c99", "--out", str(tmp_path / "c")]) == 0
    assert (tmp_path / "c" / "m.c").is_file()
    assert run(["export", model, "--to", "extension", "--out", str(tmp_path / "c")]) == 2


@pytest.mark.slow
def test_utterances_to_judge_by_come_from_a_file(tmp_path: Path, cli: Cli) -> None:
    def written(name: str, given: Sequence[tuple[str, str]]) -> str:
        (tmp_path / name).write_text("text,intent\n" + "\n".join(f'"{text}",{intent}' for text, intent in given))
        return str(tmp_path / name)

    training = written("u.csv", [(one.text, one.intent) for one in utterances()])
    judges = [("may I have the cola", "drink"), ("one wrap for me", "food"), ("what time is it", "oos"),
              ("cancel", "stop"), (utterances()[0].text, "drink")]  # fmt: skip
    model = ["--out", str(tmp_path / "m.language"), "--size", "4kB", "--force"]
    record = cli.json("language", "train", training, "--validation", written("v.csv", judges), *model)
    assert record["judged"] == 4
    assert record["out_of_scope"]["judged"] == len(OTHERS) + 1
    assert any("1 of 5 validation utterances are also in the training" in one for one in record["findings"])
    for wrong, message in (([("soda", "drinks")], "intents of the training"), ([("sing", "oos")], "in scope"),
                        ([(utterances()[0].text, "food")], "one intent per sentence")):  # fmt: skip
        assert message in cli("language", "train", training, "--validation", written("w.csv", wrong), *model, code=2)
    assert run(["language", "train", training, "--validation", str(tmp_path / "none.csv"), *model]) == 2
    dropping = [*model, "--contradictions", "drop"]
    mixed = [*judges[:4], (utterances()[0].text, "food")]
    assert "1 utterances dropped" in cli(
        "language", "train", training, "--validation", written("w.csv", mixed), *dropping
    )


def test_slots_are_judged_on_the_file_that_marks_them() -> None:
    pytest.importorskip("pycrfsuite")
    judges = (marked("could I get {}", "soda", "drink", "what"), Utterance(text="stop that", intent="stop"))
    how = How(size=2_000, epochs=2)
    trained = train(Labelled(utterances(), judges), how, name="m", slots=True, slotting=Slotting(iterations=20))
    assert trained.slots is not None
    assert trained.slots.true == 1
    assert any("no validation utterances for food" in one for one in trained.findings)
    trained = train(Labelled(utterances(), judges[1:]), how, name="m", slots=True, slotting=Slotting(iterations=5))
    assert trained.slots is not None
    assert trained.slots.true > 1
    assert any("has no slots" in one for one in trained.findings)


def test_repeated_sentences_are_on_one_side() -> None:
    texts = [f"sentence {'abcdefghij'[k % 10]}{'!' * (k // 10)}" for k in range(40)]
    targets = np.arange(40) % 2
    held_out = held_sentences(texts, targets, 0)
    assert held_out.sum() == 8
    assert all(len(set(held_out[k::10].tolist())) == 1 for k in range(10))
    assert held_sentences(texts, targets, 1).tolist() != held_out.tolist()
