"""Answers in a language model's words: shown where the passages carry them, refused where they do not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import Cli
from documents_example import manual_index
from edgewright.core.errors import LanguageModelMissingError, OutputError, SinkSettingsError
from edgewright.language.documents.phrasing import phrase
from edgewright.language.language_models import client as server
from edgewright.language.own_models.registration import add_model
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.records import Answer
from llm_server import COMPLETION, Server, language_model, llama_server
from own_model_files import gguf

CARRIED = "The warranty lasts 24 months from the date of purchase [1]."


@pytest.fixture
def model() -> Iterator[Server]:
    with language_model() as server:
        yield server


@pytest.fixture
def answer(tmp_path: Path) -> Answer:
    with DocumentIndex(manual_index(tmp_path)) as index:
        return index.ask("How long does the warranty last?")


@pytest.mark.parametrize(
    "message",
    [CARRIED, "The warranty lasts 24 months. [1]", "It lasts 24 months from purchase [1].",
     "According to the manual, the warranty lasts 24 months [1]. It counts from the date of purchase [1]."],
)  # fmt: skip
def test_what_the_passages_carry_is_shown_with_its_citations(model: Server, answer: Answer, message: str) -> None:
    model.says = message
    phrased = phrase(answer, model.url, seconds=5)
    assert phrased.carried, phrased.unsupported
    assert (phrased.citations, phrased.model, phrased.text) == ((1,), "tiny", message)
    order = model.asked[0][1]
    assert order["messages"][0]["role"] == "system"
    assert "[1] Drill X200 > Warranty" in order["messages"][1]["content"]
    assert "How long does the warranty last?" in order["messages"][1]["content"]


@pytest.mark.parametrize(
    ("message", "lacking"),
    [
        ("The warranty lasts 36 months [1].", "the number 36"),
        ("The warranty lasts 24 months.", "it cites no passage"),
        ("The warranty lasts 24 months [7].", "there is no passage [7]"),
        ("The warranty lasts 24 months at any Bosch dealer [1].", "the name Bosch"),
        ("The warranty does not last 24 months from the date of purchase [1].", "whether it is affirmed or negated"),
        ("Customers register online to extend coverage for accidental damage [1].", "the words"),
        ("The warranty has an option to fix the available function [1].", "the words"),
        (CARRIED + " Register it within 30 days [1].", "the number 30"),
        ("NOT IN THE PASSAGES", "the model found no answer"),
        ("", "the model found no answer"),
    ],
)
def test_what_they_do_not_carry_is_refused_and_named(model: Server, answer: Answer, message: str, lacking: str) -> None:
    model.says = message
    phrased = phrase(answer, model.url, seconds=5)
    assert not phrased.carried
    assert any(lacking in one for lacks in phrased.unsupported.values() for one in lacks), phrased.unsupported


def test_the_server_of_llama_cpp_is_spoken_to_in_its_own_way(model: Server, answer: Answer) -> None:
    model.says, model.manner = CARRIED, "llama"
    assert phrase(answer, f"{model.url}/v1", "any", seconds=5).carried
    assert model.asked[1][0] == COMPLETION


@pytest.mark.parametrize(
    ("manner", "message"),
    [("garbage", "something else"), ("error", "status 500"), ("empty", "no choices"), ("stall", "no answer in time"),
     ("drip", "no answer in time"), ("flood", "more than 1 MB")],
)  # fmt: skip
def test_a_server_that_fails_is_told(model: Server, answer: Answer, manner: str, message: str) -> None:
    model.manner = manner
    with pytest.raises(OutputError, match=message):
        phrase(answer, model.url, seconds=1.0 if message == "no answer in time" else 20.0)


def test_addresses(answer: Answer) -> None:
    with pytest.raises(SinkSettingsError):
        phrase(answer, "http://192.0.2.1:8080")
    for wrong in ("ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://[::1"):
        with pytest.raises(LanguageModelMissingError, match="--phrase"):
            phrase(answer, wrong)
    with pytest.raises(OutputError, match="Start the server"):
        phrase(answer, "http://127.0.0.1:9", seconds=2)


def _with_program(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> Path:
    pid = llama_server(folder, "24 months", text)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return pid


@pytest.mark.parametrize(
    ("text", "code"), [("The warranty lasts 24 months.", 0), ("The warranty lasts 36 months.", 1), ("", 1)]
)
def test_a_registered_language_model_quotes_sentences_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, text: str, code: int
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_MODELS", str(tmp_path / "models"))
    pid = _with_program(monkeypatch, tmp_path / "bin", text)
    record = add_model(gguf(tmp_path / "tiny.gguf"))
    index = manual_index(tmp_path)
    answer = cli.json("language", "ask", "How long does the warranty last?", "--index", index, "--phrase", "tiny",
                      code=code)  # fmt: skip
    assert answer["phrased"]["carried"] == (code == 0)
    assert answer["models"] == [{"name": "tiny", "role": "phrasing", "sha256": record.sha256, "licence": "apache-2.0"}]
    if code == 0:
        assert (answer["phrased"]["text"], answer["phrased"]["citations"]) == ("The warranty lasts 24 months [1].", [1])
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_model_that_cannot_be_run_is_told_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    ask = ("language", "ask", "How long does the warranty last?", "--index", manual_index(tmp_path), "--phrase")
    (tmp_path / "broken.gguf").write_bytes(b"no model")
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    monkeypatch.setattr(server, "find_spec", lambda _: None)
    assert "Install edgewright[llm], or llama.cpp" in cli(*ask, tmp_path / "broken.gguf", code=2)
    assert "24 months" in cli.out, "the passages are shown all the same"
    monkeypatch.undo()
    _with_program(monkeypatch, tmp_path / "bin", "")
    assert "failed to load model" in cli(*ask, tmp_path / "broken.gguf", code=74)


def test_a_refused_question_starts_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    pid = _with_program(monkeypatch, tmp_path / "bin", "The Mona Lisa.")
    ask = ("language", "ask", "--index", manual_index(tmp_path), "--phrase", gguf(tmp_path / "tiny.gguf"))
    assert "not in this document" in cli(*ask, "Who painted the Mona Lisa?", code=1)
    assert not pid.exists()
    cli(*ask, "How long does the warranty last?", code=1)
    assert pid.exists(), "a question that is answered does start it"


def test_an_answer_in_another_form_than_asked_for_is_no_quotation(model: Server, answer: Answer) -> None:
    for says, lacking in (("The warranty lasts 24 months.", "it cites no passage"),
                          ('{"sentences": [{"quote": "made up", "text": "It lasts 24 months"}]}', "no passage [0]"),
                          ('{"sentences": []}', "found no answer")):  # fmt: skip
        model.says = says
        phrased = phrase(answer, model.url, seconds=5, quoting=True)
        assert not phrased.carried
        assert any(lacking in one for lacks in phrased.unsupported.values() for one in lacks), phrased.unsupported
