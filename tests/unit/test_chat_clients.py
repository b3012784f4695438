"""`edgewright serve` as a process, asked by the client library of OpenAI as its users install it."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from chat_server import served, small_models
from edgewright.cli.main import run
from edgewright.language.documents.phrasing import phrase
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.schema.errors import OutputError
from studio_server import StudioAddress
from text_example import write_texts

pytestmark = pytest.mark.slow
QUESTION: Any = [{"role": "user", "content": "How long is the warranty?"}]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    texts, out = str(write_texts(folder / "texts")), str(folder / "typing.text")
    assert run(["language", "train-text", texts, "--out", out, "--form", "ngram", "--words", "0"]) == 0
    return [*small_models(folder), out]


@pytest.fixture(scope="module")
def address(models: list[str]) -> Iterator[StudioAddress]:
    with served(*models) as (where, _):
        yield where


@pytest.fixture
def client(address: StudioAddress) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=address.token, max_retries=0, timeout=20) as client:
        yield client


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["manual", "shop", "intents", "typing"]
    assert client.models.retrieve("manual").owned_by == "edgewright"


def test_an_answer_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="manual", messages=QUESTION)
    text = whole.choices[0].message.content
    assert text is not None
    assert "24 months" in text
    assert whole.usage is not None
    assert whole.model_extra is not None
    assert whole.model_extra["edgewright"]["citations"][0]["document"] == "drill.md"
    stream = client.chat.completions.create(model="manual", messages=QUESTION, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_the_helper_that_gathers_a_stream(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="manual", messages=QUESTION) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert "24 months" in (final.choices[0].message.content or "")


def test_a_dialogue_over_several_messages(client: openai.OpenAI) -> None:
    messages: Any = []
    answers = []
    for text in ("I want a soda please", "yes"):
        messages.append({"role": "user", "content": text})
        answer = client.chat.completions.create(model="shop", messages=messages)
        answers.append(answer.choices[0].message.content or "")
        messages.append({"role": "assistant", "content": answers[-1]})
    assert "You chose soda" in answers[0]
    assert "Here is your soda" in answers[1]


def test_intents(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "I want a soda please"}]
    answer = client.chat.completions.create(model="intents", messages=messages)
    assert (answer.choices[0].message.content or "").startswith("dispense_drink (")


def test_a_text_goes_on(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="typing", prompt="The remote contr", max_tokens=3)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("ol ", "length")
    parts = client.completions.create(model="typing", prompt="The remote contr", max_tokens=3, stream=True)
    assert "".join(part.choices[0].text for part in parts) == "ol "
    messages: Any = [{"role": "user", "content": "The remote contr"}]
    answer = client.chat.completions.create(model="typing", messages=messages, stop=" ")
    assert answer.choices[0].message.content == "ol"


def test_a_client_that_leaves_a_long_answer(client: openai.OpenAI) -> None:
    stream = client.completions.create(model="typing", prompt="Press", max_tokens=2000, temperature=1, stream=True)
    assert next(iter(stream)).choices
    stream.close()
    assert client.completions.create(model="typing", prompt="Press", max_tokens=1).choices[0].text


def test_errors_have_the_classes_of_the_library(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Known: intents, manual, shop, typing"):
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(model="manual", messages=[])
    assert refusal.value.param == "messages"
    with pytest.raises(openai.BadRequestError, match="without tools"):
        tool: Any = {"type": "function", "function": {"name": "f", "parameters": {}}}
        client.chat.completions.create(model="manual", messages=QUESTION, tools=[tool])
    with pytest.raises(openai.BadRequestError, match="answers /v1/chat/completions alone"):
        client.completions.create(model="manual", prompt="The drill")
    with pytest.raises(openai.APIStatusError) as large:
        client.chat.completions.create(model="manual", messages=[{"role": "user", "content": "x" * 2_000_000}])
    assert large.value.status_code == 413


def test_clients_that_hang_up_and_then_another(address: StudioAddress, client: openai.OpenAI) -> None:
    host = address.removeprefix("http://")
    body = json.dumps({"model": "manual", "messages": QUESTION, "stream": True})
    for part in (len(body), 20):
        for _ in range(20):
            connection = http.client.HTTPConnection(host, timeout=5)
            connection.putrequest("POST", "/v1/chat/completions")
            connection.putheader("content-type", "application/json")
            connection.putheader("authorization", f"Bearer {address.token}")
            connection.putheader("content-length", str(len(body)))
            connection.endheaders(body[:part].encode())
            connection.close()
    assert client.chat.completions.create(model="manual", messages=QUESTION).choices


def test_a_wrong_key_has_the_class_of_the_library(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as refusal:
        client.with_options(api_key="none").models.list()
    assert refusal.value.code == "invalid_api_key"


def test_the_answer_of_one_server_phrases_that_of_an_index(
    address: StudioAddress, models: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product's own client of the API understands the server, too."""
    with DocumentIndex(Path(models[0].removeprefix("manual="))) as index:
        answer = index.ask("How long is the warranty?")
        with pytest.raises(OutputError, match="401"):
            phrase(answer, address, "manual", 20)
        monkeypatch.setenv("EDGEWRIGHT_API_KEY", address.token)
        phrased = phrase(answer, address, "manual", 20)
    assert phrased.model == "manual"


def test_a_port_in_use_and_ctrl_c(models: list[str], address: str) -> None:
    port = address.rpartition(":")[2]
    command = [sys.executable, "-m", "edgewright", "serve", models[0], "--no-open", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "which another program uses" in done.stderr) == (2, True)
    with served(models[0]) as (_, process):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
