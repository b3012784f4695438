"""A real language model of the tests, run by llama.cpp of the package xllamacpp."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from cli_runner import Cli
from documents_example import LOOKING_FLOW, QUESTION, manual_index
from edgewright.language.labelling.project import Project
from edgewright.language.language_models.client import LanguageModelClient, RunningModel, served
from edgewright.language.language_models.intents import LanguageModelParser, grammar_of, language_model_parser
from edgewright.language.language_models.perplexity import bits_per_weight, write_quantised
from edgewright.language.utterances import Labelled, read
from edgewright.nlp.records import OUT_OF_SCOPE, Slot, Utterance
from edgewright.studio.chat import ChatFront
from fleet_servers import until
from support import ROOT
from tiny_language_model import BEGIN, encoded, log_probabilities, trained, unseen_text, write_tiny

pytestmark = pytest.mark.slow
SECONDS = 120.0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="module")
def running(tiny: Path) -> Iterator[RunningModel]:
    with served(tiny, SECONDS) as model:
        yield model


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_grammar_allows_nothing_else(running: RunningModel) -> None:
    client = LanguageModelClient(running.address, "")
    question = [{"role": "user", "content": "Turn on the light"}]
    free = client.chat(question, time.monotonic() + SECONDS, max_tokens=8).text
    constrained = client.chat(
        question, time.monotonic() + SECONDS, max_tokens=40, grammar='root ::= "light_on" | "none"', logprobs=True
    )
    assert constrained.text in ("light_on", "none")
    assert free != constrained.text
    assert b"".join(token for token, _ in constrained.chances).decode() == constrained.text
    assert all(chance < 0 for _, chance in constrained.chances)


def test_an_answer_says_speed_and_memory(tiny: Path, tmp_path: Path, cli: Cli) -> None:
    ask = ("language", "ask", "How long does the warranty last?", "--index", manual_index(tmp_path), "--phrase", tiny)
    # Its words are those of a model that knows nothing of drills: the passages do not support them.
    phrased = cli.json(*ask, code=1)["phrased"]
    assert phrased["carried"] is False
    assert phrased["tokens"] > 0
    assert phrased["tokens_per_second"] > 0
    assert phrased["peak_bytes"] > tiny.stat().st_size
    cli(*ask, code=1)
    assert "of RAM" in cli.out


def test_a_server_ends_with_its_command_even_if_that_is_killed(tiny: Path) -> None:
    with served(tiny, SECONDS) as model:
        assert _is_alive(model.process)
    assert not _is_alive(model.process)
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from edgewright.language.language_models.client import served\n"
        f"with served(Path(sys.argv[1]), {SECONDS}) as model:\n"
        "    print(model.process, flush=True)\n    time.sleep(600)\n"
    )
    command = subprocess.Popen([sys.executable, "-c", program, str(tiny)], stdout=subprocess.PIPE, text=True)
    assert command.stdout is not None
    with command.stdout as output:
        process = int(output.readline())
    command.send_signal(signal.SIGKILL)
    command.wait()
    until(lambda: not Path(f"/proc/{process}/exe").exists())


def test_a_damaged_model_is_refused_with_the_engines_reason(tiny: Path, tmp_path: Path, cli: Cli) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(tiny.read_bytes()[:3000])
    ask = ("language", "ask", "How long does the warranty last?", "--index", manual_index(tmp_path), "--phrase")
    assert "failed to read" in cli(*ask, damaged, code=74)
    assert "invalid magic" in cli(*ask, ROOT / "README.md", code=74)


def _utterances(path: Path, intents: dict[str, list[str]]) -> Path:
    lines = [f"[intents.{json.dumps(name)}]\nexamples = {json.dumps(texts)}" for name, texts in intents.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    ["I want a soda", 'say "hi" \\ there, now', "zwei Kaffee ☕ für Zoë", "a\tb\nc", "soda", "a " * 499 + "b"],
    ids=["plain", "quotes", "beyond ASCII", "spaces", "one word", "long"],
)
def test_an_answer_has_an_intent_and_words_of_the_utterance(running: RunningModel, text: str) -> None:
    names = ("give", 'say "it"', "grüßen")
    tea = Utterance(text="give me tea", intent="give", slots=(Slot(name="drink", begin=8, end=11, text="tea"),))
    labelled = Labelled((tea, *(Utterance(text=f"please {name}", intent=name) for name in names)))
    parsed = LanguageModelParser(running.address, labelled, "tiny", "drinks.toml").parse(text)
    assert parsed.intent in (*names, OUT_OF_SCOPE)
    assert 0 < parsed.confidence <= 1
    for slot in parsed.slots:
        assert parsed.text[slot.begin : slot.end] == slot.text
        if slot.by == "language model":
            assert parsed.intent == "give"


def test_a_grammar_names_each_answer_and_no_other() -> None:
    grammar, longest = grammar_of('a "big" tea', [(0, 1), (3, 6), (8, 11)], {"give": ("size", "drink"), "stop": ()})
    assert grammar.splitlines() == [
        r'root ::= "{\"intent\": \"none\"}" | '
        r'"{\"intent\": \"give\", \"slots\": {" "\"size\": " value ", \"drink\": " value "}}"'
        r' | "{\"intent\": \"stop\"}"',
        r'value ::= "null" | "\"" (w0 | w1 | w2)',
        r'w0 ::= "a" ("\"" | " \\\"" w1)',
        r'w1 ::= "big" ("\"" | "\\\" " w2)',
        r'w2 ::= "tea" ("\"")',
    ]
    assert longest == len(r'{"intent": "give", "slots": {"size": "a \"big\" tea", "drink": "a \"big\" tea"}}')


def test_parse_by_a_language_model(tiny: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_MODELS", str(tmp_path / "models"))
    drinks = _utterances(tmp_path / "drinks.toml", {"drink": ["a [soda](drink)"], "food": ["I am hungry"]})
    cli("models", "add", tiny)
    parse = ("language", "parse", "a cold soda at noon", "--model", drinks, "--by")
    parsed = cli.json(*parse, "tiny")
    assert parsed["intent"] in ("drink", "food", OUT_OF_SCOPE)
    assert parsed["models"][0]["name"] == "tiny"
    assert cli.json(*parse, tiny)["intent"] == parsed["intent"]
    assert "a language model of yours" in cli(*parse, "tinny", code=2)
    none = _utterances(tmp_path / "none.toml", {"none": ["a soda"]})
    assert "none of them 'none'" in cli("language", "parse", "a soda", "--model", none, "--by", tiny, code=2)


def test_labels_are_classes_of_the_project(tiny: Path, tmp_path: Path, cli: Cli) -> None:
    texts = tmp_path / "calls.txt"
    texts.write_text("a cold soda\nI am hungry\nrain again\n")
    classes = ("--class", "drink=something to drink", "--class", "food=something to eat")
    suggest = ("label", "suggest", texts, "--out", tmp_path / "calls.labelling", *classes, "--by", tiny)
    assert cli.json(*suggest, "--least", "0")["items"] == 3
    with Project(tmp_path / "calls.labelling") as project:
        assert {suggestion.label for suggestion in project.suggestions().values()} <= {"drink", "food", ""}


def test_serve_answers_with_intents_in_json(tiny: Path, tmp_path: Path, cli: Cli) -> None:
    drinks = _utterances(tmp_path / "drinks.toml", {"drink": ["a [soda](drink)"], "food": ["I am hungry"]})
    labelled = read(drinks)
    with language_model_parser(tiny, labelled, "drinks.toml") as parser:
        front = ChatFront("shop", None, None, parser, None)
        try:
            reply = asyncio.run(front.reply("a cold soda"))
        finally:
            front.close()
    parsed = reply.details["parsed"]
    assert parsed["text"] == "a cold soda"
    if reply.finish_reason == "tool_calls":
        assert reply.message["tool_calls"][0]["function"]["name"] in ("drink", "food")
    else:
        assert parsed["intent"] == OUT_OF_SCOPE


def test_a_dialogue_is_held_by_a_language_model(tiny: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = ROOT / "docs" / "examples"
    chat = ("language", "chat", examples / "vending.toml", "--by", tiny)
    assert "utterances that --by takes" in cli(*chat, code=2)
    monkeypatch.setattr(sys, "stdin", io.StringIO("a soda please\n/dispense_drink drink=cola\n"))
    lines = cli(*chat, "--model", examples / "vending-utterances.toml", "--steps").splitlines()
    understood = [line for line in lines if line.startswith("  Intent ") or "out of scope" in line.lower()]
    assert understood, "the model parsed the first line"
    assert "You chose cola. Shall I take it out?" in lines


def test_a_dialogue_quotes_where_the_model_says_what_no_passage_supports(
    tiny: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual_index(tmp_path)
    flow = tmp_path / "flow.toml"
    flow.write_text(LOOKING_FLOW)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\nWho was the emperor of Rome?\n"))
    lines = [json.loads(line) for line in cli("language", "chat", flow, "--phrase", tiny, "--json").splitlines()]
    answer, refused = (next(line for line in lines if line["event"] == event) for event in ("found", "not_found"))
    phrased = answer["retrieved"]["phrased"]
    # A grammar makes it quote a sentence; 100,000 weights say nothing that the passage supports, but speak.
    assert phrased["tokens"] > 0 and phrased["peak_bytes"] > 1 << 20
    begin = phrased["text"] if phrased["carried"] and len(phrased["citations"]) == 1 else "The warranty lasts 24 months"
    assert answer["answers"][0].startswith(begin)
    assert "phrased" not in refused["retrieved"]


def test_probabilities_equal_those_of_jax(running: RunningModel) -> None:
    tokens = encoded(unseen_text())[:200]
    client = LanguageModelClient(running.address, "")
    assert client.tokenize(unseen_text()[:200], time.monotonic() + SECONDS) == tokens
    given = client.log_probabilities(tokens[:50], tokens[50:], time.monotonic() + SECONDS)
    assert np.allclose(given, log_probabilities(trained(), [BEGIN, *tokens])[50:], atol=2e-2)


def test_fewer_bits_cost_perplexity(tiny: Path, tmp_path: Path, cli: Cli) -> None:
    text = tmp_path / "unseen.txt"
    text.write_text(unseen_text())
    curve = cli.json("curve", tiny, "--text", text)
    sizes = {size["name"]: size for size in curve["sizes"]}
    assert list(sizes) == ["as given", "Q8_0", "Q5_0", "Q4_0"]
    bits = [size["bits_per_weight"] for size in curve["sizes"]]
    assert bits[0] == 32
    assert all(abs(got - expected) < 0.1 for got, expected in zip(bits[1:], (8.5, 5.5, 4.5), strict=True))
    assert sizes["Q8_0"]["ratio"]["value"] < sizes["Q5_0"]["ratio"]["value"] < sizes["Q4_0"]["ratio"]["value"]
    assert abs(sizes["Q8_0"]["ratio"]["value"] - 1) < 0.002
    small_enough = [size for size in curve["sizes"] if size["ratio"]["high"] <= 1.02]
    assert curve["chosen"] == min(small_enough, key=lambda size: size["bytes"])["name"]
    # The file as given, by JAX: chunks of 256 tokens, of which the first half is read only.
    tokens = encoded(unseen_text())
    chunks = [tokens[begin : begin + 256] for begin in range(0, len(tokens) - 255, 256)]
    chunk_sample = [chunks[index] for index in np.linspace(0, len(chunks) - 1, 16).astype(int)]
    surprise = -np.mean([log_probabilities(trained(), [BEGIN, *chunk])[128:].mean() for chunk in chunk_sample])
    assert abs(sizes["as given"]["perplexity"]["value"] / np.exp(surprise) - 1) < 0.005


def test_a_quantised_file_keeps_its_tokeniser_and_gets_no_more_bits(tiny: Path, tmp_path: Path) -> None:
    write_quantised(tiny, tmp_path / "q5.gguf", "Q5_0")
    before, after = gguf.GGUFReader(tiny), gguf.GGUFReader(tmp_path / "q5.gguf")
    for name in ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "llama.context_length", "general.license"):
        assert before.fields[name].contents() == after.fields[name].contents()
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (new.name, list(new.shape)) == (old.name, list(old.shape))
        weights, error = np.array(old.data), gguf.dequantize(new.data, new.tensor_type) - old.data
        # A step of a block of 32 is a sixteenth of its largest weight.
        limit = np.abs(weights).max() / 16 if weights.ndim > 1 else 0
        assert np.abs(error).max() <= limit
    write_quantised(tmp_path / "q5.gguf", tmp_path / "again.gguf", "Q8_0")
    assert bits_per_weight(tmp_path / "again.gguf") == bits_per_weight(tmp_path / "q5.gguf")


def test_a_curve_that_cannot_be_measured_names_the_reason(tiny: Path, tmp_path: Path, cli: Cli) -> None:
    text = tmp_path / "short.txt"
    text.write_text("too short")
    assert "error[too-few-samples]" in cli("curve", tiny, "--text", text, code=2)
    assert "error[own-model" in cli("curve", "nothing", "--text", text, code=2)
    (tmp_path / "odd.gguf").write_bytes(b"no model")
    assert "odd.gguf" in cli("curve", tmp_path / "odd.gguf", "--text", text, code=2)
