"""Models of text: articles, n-grams and networks, their files, suggestions, and the law of their loss."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from c99_stages import need_compiler
from cli_runner import Cli
from edgewright.export.c99_language.texts import text_files
from edgewright.language.texts.corpus import Article, joined, read_corpus
from edgewright.language.texts.counting import count, count_bits, ngram_model
from edgewright.language.texts.recurrent import GruTraining, train_gru
from edgewright.language.texts.training import by_model, by_word_list, type_words, word_list
from edgewright.nlp.texts.contract import SYMBOLS, TextModel, decode, encode, fold
from edgewright.nlp.texts.gru import GruModel
from edgewright.nlp.texts.model_file import read_text_model
from edgewright.nlp.texts.ngram import NgramModel
from edgewright.nlp.texts.suggest import suggest
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.search.curves.language_learners import TextLearner
from edgewright.search.curves.measure import check_split, check_widths, trainings
from edgewright.studio.chat.models import Message, Sampling
from edgewright.studio.chat.models.text import ServedText
from text_example import write_texts


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("texts") / "manuals")


@pytest.fixture(scope="module")
def articles(texts: Path) -> list[Article]:
    return read_corpus(texts)


@pytest.fixture(scope="module")
def ngrams(articles: list[Article]) -> NgramModel:
    return ngram_model(joined(articles[5:]))[0]


def test_every_text_has_a_form_in_the_alphabet() -> None:
    assert fold("Café – “naïve” ½\t日") == 'Cafe - "naive" 1?2 ?'
    text = "".join(chr(code) for code in range(32, 127)) + "\n"
    assert "".join(decode(int(symbol)) for symbol in encode(text)) == text
    assert sorted(encode(text).tolist()) == list(range(SYMBOLS))


def test_articles_are_sections_entries_and_labels(tmp_path: Path, articles: list[Article]) -> None:
    assert len(articles) == 24
    assert articles[0].name == "manual.md Section 0"
    long = "one two three four five six seven eight nine ten "
    squad = {
        "version": 1,
        "data": [{"title": "t", "paragraphs": [{"context": f"{long}{n}", "id": "5a6b"}]} for n in range(12)],
    }
    (tmp_path / "squad.json").write_text(json.dumps(squad))
    corpus = read_corpus(tmp_path / "squad.json")
    assert len(corpus) == 12
    assert "5a6b" not in "".join(map(decode, joined(corpus).tolist()))
    clinc = {"train": [[f"{long}{n}", f"intent {n % 11}"] for n in range(33)]}
    (tmp_path / "clinc.json").write_text(json.dumps(clinc))
    assert {one.name for one in read_corpus(tmp_path / "clinc.json")} == {f"clinc.json intent {n}" for n in range(11)}
    with pytest.raises(InputError, match="at least 10 articles"):
        read_corpus(write_texts(tmp_path / "few", 3))
    with pytest.raises(InputError, match="nothing there"):
        read_corpus(tmp_path / "none")


def test_smoothed_chances_are_those_of_the_formula() -> None:
    """Witten-Bell by hand: after 'a' came b twice and c once."""
    counted = count(encode("abacab"), 1)
    a, b = int(encode("a")[0]), int(encode("b")[0])
    single = counted[0].chances[counted[0].keys.tolist().index(b)]
    assert single == pytest.approx((2 + 3 / SYMBOLS) / (6 + 3))
    pair = counted[1].chances[counted[1].keys.tolist().index(a * SYMBOLS + b)]
    assert pair == pytest.approx((2 + 2 * single) / (3 + 2))


def test_chances_sum_to_one_and_bits_are_theirs(ngrams: NgramModel) -> None:
    text = "Press the pow?er"
    codes = encode(text)
    state, bits = ngrams.start(), 0.0
    for symbol in codes.tolist():
        chances = ngrams.probabilities(state)
        assert chances.sum() == pytest.approx(1)
        bits -= float(np.log2(chances[symbol]))
        state = ngrams.step(state, symbol)
    assert ngrams.bits(codes) == pytest.approx(bits / len(codes))


def test_the_tables_of_a_device_are_near_the_counts(articles: list[Article], ngrams: NgramModel) -> None:
    test = joined(articles[:5])
    assert ngrams.bits(test) == pytest.approx(count_bits(count(joined(articles[5:])), test), rel=0.02)


def test_a_size_is_kept_and_costs_bits(articles: list[Article], ngrams: NgramModel) -> None:
    test = joined(articles[:5])
    small = ngram_model(joined(articles[5:]), size=6000)[0]
    assert small.bytes <= 6000 < ngrams.bytes
    assert ngrams.bits(test) < small.bits(test) < np.log2(SYMBOLS)


def _first(model: TextModel, text: str) -> str:
    return suggest(model, text)[0].word


def test_words_are_completed_and_follow(ngrams: NgramModel) -> None:
    assert _first(ngrams, "The remote cont") == "control"
    assert _first(ngrams, "Press and hold the ") in ("television", "home", "button", "power")
    chances = [one.chance for one in suggest(ngrams, "the ", 5)]
    assert chances == sorted(chances, reverse=True)
    assert len(chances) == 5
    assert suggest(ngrams, "", 1)


def test_keystrokes_are_counted_as_typed() -> None:
    saved = type_words("a button a button", lambda text: ["button"] if text.endswith(("b", "a ")) else [], 9)
    # 'button ' twice with one choice each, and 'a ' typed in full; the first word has nothing before it.
    assert (saved.words, saved.next_word) == (3, 2 / 3)
    assert saved.share == pytest.approx(1 - (1 + 1 + 2) / (7 + 7 + 2))


def test_a_model_saves_more_than_a_list(articles: list[Article], ngrams: NgramModel) -> None:
    text = "".join(map(decode, joined(articles[:5]).tolist()))
    training = "".join(map(decode, joined(articles[5:]).tolist()))
    words = by_word_list(word_list(training))
    assert type_words(text, by_model(ngrams), 20).share > type_words(text, words, 20).share > 0.1


@pytest.mark.parametrize("length", [50, 64 * 64 + 5])
def test_bits_of_a_recurrent_network_are_those_of_its_steps(length: int) -> None:
    """A long text is read in pieces at once: an update gate that keeps little forgets what went before a piece."""
    random = np.random.default_rng(0)
    units, shapes = 3, {"inputs": (SYMBOLS, 9), "states": (9, 3), "outputs": (SYMBOLS, 3)}
    arrays = {name: random.integers(-99, 99, shape).astype(np.int8) for name, shape in shapes.items()}
    arrays |= {f"{name}_scale": np.full(len(arrays[name]), 0.02, np.float32) for name in shapes}
    arrays["bias"] = np.repeat(np.array([-2.0, 0.5, 0.1], np.float32), units)
    arrays |= {"state_bias": np.full(units, 0.2, np.float32), "output_bias": np.zeros(SYMBOLS, np.float32)}
    model, codes = GruModel(arrays), random.integers(0, SYMBOLS, length).astype(np.uint8)
    inputs, states = (arrays[name] * arrays[f"{name}_scale"][:, None] for name in ("inputs", "states"))
    state, expected, bits = model.start(), np.zeros((1, units)), 0.0
    for code in codes.tolist():
        bits -= float(np.log2(model.probabilities(state)[code]))
        state = model.step(state, code)
        own, given = expected @ states.T, inputs[code] + arrays["bias"]
        update, reset = (1 / (1 + np.exp(-(own + given)[:, part : part + units])) for part in (0, units))
        fresh = np.tanh(given[2 * units :] + reset * (own[:, 2 * units :] + arrays["state_bias"]))
        expected = fresh + update * (expected - fresh)
    assert model.bits(codes) == pytest.approx(bits / length, rel=1e-3)
    np.testing.assert_allclose(state, expected, atol=1e-4)


@pytest.mark.slow
def test_a_network_learns(articles: list[Article]) -> None:
    training, validation, test = joined(articles[8:]), joined(articles[5:8]), joined(articles[:5])
    short, _ = train_gru(training, validation, GruTraining(units=16, steps=12, batch=8, length=16), 0)
    model, arrays = train_gru(training, validation, GruTraining(units=32, steps=400, batch=8, length=24), 0)
    assert model.bits(test) < 1.5 < short.bits(test)
    assert arrays["states"].dtype == np.int8
    state = model.start()
    for symbol in encode("Press the ").tolist():
        state = model.step(state, symbol)
    assert model.probabilities(state).sum() == pytest.approx(1)
    # Streams side by side give the bits of one after the other, up to where each begins.
    long = np.tile(test, 6)
    one = np.mean([model.bits(part) for part in np.array_split(long, 3)])
    assert model.bits(long) == pytest.approx(one, rel=0.05)


@pytest.mark.slow
def test_the_command_trains_suggests_and_refuses(texts: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "typing.text"
    report = cli.json("language", "train-text", texts, "--out", out, "--form", "ngram", "--size", "20kB", "--words", 10)
    assert report["judged"][0]["model"] == "ngram"
    assert report["judged"][0]["bytes"] <= 20_000
    assert {row["model"] for row in report["judged"]} == {"ngram", "ngram without a limit", "word list"}
    assert "control" in cli("language", "suggest", "The remote cont", "--model", out)
    assert cli.json("language", "suggest", "Press the ", "--model", out)[0]["chance"] > 0
    assert "a new file" in cli("language", "train-text", texts, "--out", out, code=2)
    spec, model = read_text_model(out)
    assert (spec.kind, spec.trained["parameters"]) == ("ngram", model.parameters)
    changed = tmp_path / "changed.text"
    with zipfile.ZipFile(out) as archive, zipfile.ZipFile(changed, "w") as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    assert "typing.text" not in cli("language", "suggest", "a", "--model", changed, code=2)
    served = ServedText(out, None)
    reply = served.reply([Message("user", "The remote contr")], Sampling())
    assert "".join(next(reply.pieces) for _ in range(3)) == "ol "
    assert reply.details["suggestions"][0]["word"] == "control"
    cli("export", out, "--to", "c99", "--out", tmp_path / "c")
    assert (tmp_path / "c" / "typing.c").is_file()
    assert "--to c99" in cli("export", out, "--to", "onnx", "--out", tmp_path / "onnx", code=2)
    for option in (("--device", "cortex-m4"), ("--slots", "key.pub"), ("--system", "linux-x86_64"), ("--form", "int8")):
        refusal = cli("export", out, "--to", "c99", "--out", tmp_path / "no", *option, code=2)
        assert f"Omit {option[0]}" in refusal
    assert not (tmp_path / "no").exists()
    replies = [served.reply([Message("user", "a")], Sampling(temperature=1.5, seed=3)) for _ in range(2)]
    first, second = ("".join(next(one.pieces) for _ in range(20)) for one in replies)
    assert first == second


@pytest.mark.slow
def test_the_law_promises_twice_the_articles(articles: list[Article]) -> None:
    learner = TextLearner("manuals", articles, "ngram", 1)
    assert learner.judge(0.1, 0) > learner.judge(1.0, 0)
    seen: list[int] = []
    check, whole = check_split(learner, seen.append)
    assert sum(seen) == trainings(learner)
    assert check.predicted.low < check.predicted.value < check.predicted.high
    assert "90 %" in check.predicted.method
    assert check.points[-1].size == pytest.approx(learner.samples / 2)
    assert check.at == whole.size == learner.samples
    assert check.measured == whole.mean
    with pytest.raises(UnknownNameError, match="Known: gru, ngram"):
        TextLearner("manuals", articles, "lstm")


def test_the_law_of_parameters_promises_the_widest_network(
    articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, calls = TextLearner("manuals", articles, "gru", 1), []

    def judge(share: float, repeat: int, *, pool: float = 1.0, width: float = 1.0) -> float:
        calls.append((share, pool, width))
        return float(1.5 + 60 * learner.parameters(width) ** -0.5 * (1 + 0.01 * (repeat - 1)))

    monkeypatch.setattr(learner, "judge", judge)
    seen: list[int] = []
    check = check_widths(learner, seen.append)
    assert len(seen) == len(calls)
    assert {pair[:2] for pair in calls} == {(1.0, 1.0)}
    assert [point.size for point in check.points] == [learner.parameters(width) for width in (0.25, 0.5, 1.0)]
    assert check.at == learner.parameters(2.0)
    assert check.inside
    assert check.predicted.value == pytest.approx(check.measured, abs=0.05)


@pytest.mark.slow
def test_curves_of_texts(texts: Path, cli: Cli) -> None:
    record = cli.json("curve", texts, "--texts", code=0)
    assert (record["error"], record["unit"], record["share"]) == ("bits per byte", "article", False)
    assert record["data"]["points"][0]["size"] < record["data"]["at"]


_PROGRAM = """
#include "typing.h"
#include <stdio.h>
int main(void) {
    typing_text text;
    float chances[TYPING_SYMBOLS_];
    char word[32];
    int c;
    typing_start(&text);
    while ((c = getchar()) != EOF) {
        typing_push(&text, (char)c);
    }
    typing_chances(&text, chances);
    for (int k = 0; k < 96; k++) {
        printf("%.9g ", chances[k]);
    }
    for (int rank = 0; rank < 3; rank++) {
        typing_suggest(&text, rank, word, sizeof word);
        printf("%s ", word);
    }
    return 0;
}
""".replace("TYPING_SYMBOLS_", "96")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ngram", "gru"])
def test_c_knows_what_python_knows(kind: str, articles: list[Article], tmp_path: Path) -> None:
    training = joined(articles[5:])
    how = GruTraining(units=24, steps=60, batch=8, length=24, checks=2)
    trained = ngram_model(training) if kind == "ngram" else train_gru(training, training[:500], how, 0)
    model: TextModel = trained[0]
    arrays = trained[1]
    for name, content in text_files(kind, arrays, "typing").items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "main.c").write_text(_PROGRAM)
    need_compiler()
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
    sources = [tmp_path / "typing.c", tmp_path / "main.c"]
    subprocess.run(["cc", *flags, *sources, "-lm", "-o", tmp_path / "run"], check=True, timeout=60)
    for text in ("", "Press the pow", "Select ", "?" * 9):
        done = subprocess.run([tmp_path / "run"], input=text, capture_output=True, text=True, check=True, timeout=20)
        *chances, first, second, third = done.stdout.split(" ")[:99]
        state = model.start()
        for symbol in encode(text).tolist():
            state = model.step(state, symbol)
        assert np.allclose(np.array(chances, float), model.probabilities(state), rtol=2e-4, atol=1e-6), text
        if kind == "ngram" and text == "Press the pow":
            assert first == "er"
        assert len({first, second, third}) == 3
