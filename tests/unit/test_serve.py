"""The chat API of `edgewright serve`: refusals, citations, tool calls, errors, and the client library of OpenAI."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.types import Message as Event

from chat_server import intent_model, served
from cli_runner import Cli
from documents_example import manual_index
from edgewright.cli.options import open_parser
from edgewright.core.errors import EncoderMismatchError
from edgewright.language.documents.phrasing import phrase
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.studio.access import owner_access
from edgewright.studio.chat import LARGEST_BODY, UNSUPPORTED, ChatFront, chat_app
from llm_server import language_model, llama_server
from own_model_files import gguf
from studio_example import PORT, Client
from studio_server import START
from tiny_language_model import write_tiny

CHAT, KEY = "/v1/chat/completions", "key-of-a-test"
QUESTION: Any = [{"role": "user", "content": "How long is the warranty?"}]


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatFront]:
    front = ChatFront("manual", manual_index(tmp_path_factory.mktemp("chat")), None, None, None)
    yield front
    front.close()


def client_of(front: ChatFront, **options: float) -> Client:
    client = Client(chat_app(front, PORT, owner_access(KEY), **options))
    client.headers = {"authorization": f"Bearer {KEY}"}
    return client


@pytest.fixture
def client(manual: ChatFront) -> Client:
    return client_of(manual)


def order(text: str, **more: object) -> dict[str, object]:
    return {"model": "manual", "messages": [{"role": "user", "content": text}], **more}


def events(text: str) -> list[Any]:
    """Return the objects of a stream; its end is checked."""
    *parts, end, rest = text.split("\n\n")
    assert (end, rest) == ("data: [DONE]", "")
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def test_an_answer_cites_its_section(client: Client) -> None:
    answer = client.post(CHAT, json=order("How long is the warranty?")).json()
    text = answer["choices"][0]["message"]["content"]
    assert text.startswith("The warranty lasts 24 months from the date of purchase. [1]")
    assert "[1] drill.md: Drill X200 > Warranty" in text
    assert answer["edgewright"]["answered"]
    assert answer["edgewright"]["citations"][0]["section"] == ["Drill X200", "Warranty"]
    assert answer["usage"]["completion_tokens"] == len(text.split())


@pytest.mark.parametrize(
    ("says", "begins", "carried"),
    [("The warranty lasts 24 months [1].", "The warranty lasts 24 months [1].\n\n[1] drill.md", True),
     ("The warranty lasts 36 months [1].", "The warranty lasts 24 months from the date of purchase. [1]", False)],
    ids=["supported", "invented"],
)  # fmt: skip
def test_the_index_refuses_before_the_model_and_checks_it_afterwards(
    says: str, begins: str, carried: bool, tmp_path: Path
) -> None:
    with language_model() as model:
        model.says = says
        front = ChatFront("tiny", manual_index(tmp_path), None, None, model.url)
        try:
            client = client_of(front)
            answer = client.post(CHAT, json=order("How long does the warranty last?")).json()
            requests = len(model.asked)
            refused = client.post(CHAT, json=order("Who painted the Mona Lisa?")).json()
        finally:
            front.close()
    assert answer["choices"][0]["message"]["content"].startswith(begins)
    assert answer["edgewright"]["phrased"]["carried"] is carried
    assert refused["choices"][0]["message"]["content"].startswith("The documents do not answer this question.")
    assert not refused["edgewright"]["answered"]
    assert "phrased" not in refused["edgewright"]
    assert len(model.asked) == requests


def test_a_stream_has_the_same_message(client: Client) -> None:
    question = order("How do I clean the housing?")
    whole = client.post(CHAT, json=question).json()
    answer = client.post(CHAT, json={**question, "stream": True, "stream_options": {"include_usage": True}})
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, part, last, usage = events(answer.text)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert part["choices"][0]["delta"]["content"] == whole["choices"][0]["message"]["content"]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["edgewright"] == whole["edgewright"]
    assert (usage["choices"], usage["usage"]) == ([], whole["usage"])
    assert len({event["id"] for event in (first, part, last, usage)}) == 1


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"messages": []}, "messages", None),
        ({"messages": 3}, "messages", None),
        ({"messages": [{"role": "user", "content": ""}]}, "messages", None),
        ({"messages": [{"role": "user"}]}, "messages", "unsupported_value"),
        ({"messages": [{"role": "user", "content": "x" * 1001}]}, "messages", None),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "messages", None),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages", "unsupported_value"),
        ({"tools": [{"type": "function"}]}, "tools", "unsupported_parameter"),
        ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"stream_options": [1]}, "stream_options", None),
    ],
)
def test_refused_requests_are_errors_of_the_api(
    client: Client, change: dict[str, object], param: str, code: str | None
) -> None:
    answer = client.post(CHAT, json={**order("Warranty?"), **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert error["type"] == "invalid_request_error"


def test_defaults_of_clients_and_system_messages_are_accepted(client: Client) -> None:
    for number in range(2):
        defaults = {name: values[min(number, len(values) - 1)] for name, values in UNSUPPORTED.items()}
        request: dict[str, Any] = {**order("How long is the warranty?"), **defaults, "top_p": 0.9}
        parts = [{"type": "text", "text": "How long is the warranty?"}]
        request["messages"] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
        assert client.post(CHAT, json=request).json()["edgewright"]["answered"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400), (b"[]", {}, 400), (b"\xff", {}, 400), (b"[" * 100_000, {}, 400),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"x" * (LARGEST_BODY + 1), {}, 413),
        (b"{}", {"origin": "http://evil.example"}, 403),
        (b"{}", {"sec-fetch-site": "cross-site"}, 403),
        (b"{}", {"host": "evil.example"}, 421),
    ],
)  # fmt: skip
def test_other_bodies_and_other_sites(client: Client, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = client.post(CHAT, content=body, headers={"content-type": "application/json", **headers})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_other_addresses_and_methods(client: Client) -> None:
    for method, path, status in (("GET", "/v1/responses", 404), ("GET", CHAT, 405), ("DELETE", "/v1/models", 405)):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize("key", [None, "", "x", "A" * 5000, f"{KEY} {KEY}"])
def test_nothing_answers_without_the_key(client: Client, key: str | None) -> None:
    client.headers = {} if key is None else {"authorization": f"Bearer {key}"}
    assert client.get("/v1/models").status_code == 401
    refused = client.post(CHAT, json=order("Warranty?"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_body_that_never_arrives_is_refused(manual: ChatFront) -> None:
    sent: list[Event] = []
    headers = {"host": f"127.0.0.1:{PORT}", "content-type": "application/json", "authorization": f"Bearer {KEY}"}
    scope = {"type": "http", "method": "POST", "path": CHAT, "raw_path": CHAT.encode(), "query_string": b"",
             "headers": [(name.encode(), value.encode()) for name, value in headers.items()], "http_version": "1.1",
             "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", PORT)}  # fmt: skip

    async def stall() -> None:
        async def receive() -> Event:
            await asyncio.sleep(60)
            raise AssertionError

        async def send(event: Event) -> None:
            sent.append(event)

        app = chat_app(manual, PORT, owner_access(KEY), body_timeout_s=0.05)
        await asyncio.wait_for(app(scope, receive, send), 10)

    asyncio.run(stall())
    assert sent[0]["status"] == 408


def test_what_cannot_be_served_is_refused(tmp_path: Path, cli: Cli) -> None:
    index, notes = manual_index(tmp_path), tmp_path / "notes.txt"
    notes.write_text("no model")
    cli("serve", code=2)
    cli("serve", tmp_path / "none.gguf", code=2)
    cli("serve", "--index", tmp_path / "none.index", "--port", "0", code=2)
    cli("serve", "--intents", notes, "--port", "0", code=2)
    with pytest.raises(EncoderMismatchError):
        ChatFront("manual", index, tmp_path, None, None)


def test_a_signal_while_the_model_loads_ends_its_server(tmp_path: Path) -> None:
    pid, program = tmp_path / "pid", tmp_path / "llama-server"
    program.write_text(f"#!/bin/sh\necho $$ > {pid}\nsleep 1\nkill -INT $PPID\nexec sleep 60\n")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, "-c", START, "serve", str(gguf(tmp_path / "tiny.gguf")), "--port", "0"]
    ended = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.slow
def test_intents_are_tool_calls_of_the_client_library(tmp_path: Path) -> None:
    with open_parser(intent_model(tmp_path), None) as parser:
        front = ChatFront("intents", None, None, parser, None)
        try:
            client = client_of(front)
            whole = client.post(CHAT, json=order("I want a soda please")).json()
            stream = events(client.post(CHAT, json=order("I want a soda please", stream=True)).text)
            outside = client.post(CHAT, json=order("the weather on mars")).json()
        finally:
            front.close()
    choice = whole["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], call["type"]) == ("tool_calls", "function")
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == (
        "dispense_drink",
        {"drink": "soda"},
    )
    assert stream[1]["choices"][0]["delta"]["tool_calls"][0]["function"] == call["function"]
    assert outside["choices"][0]["message"]["content"].startswith("Out of scope")


@pytest.mark.slow
def test_the_client_library_of_openai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    index = manual_index(tmp_path)
    with served("--index", index, "--intents", intent_model(tmp_path)) as (address, process):
        record = json.loads(next((tmp_path / "state").glob("edgewright/serve/*.json")).read_text())
        assert (record["token"], record["process"]) == (address.token, process.pid)
        with openai.OpenAI(base_url=f"{address}/v1", api_key=address.token, max_retries=0, timeout=20) as client:
            assert [model.id for model in client.models.list()] == ["drill"]
            whole = client.chat.completions.create(model="manual", messages=QUESTION)
            text = whole.choices[0].message.content or ""
            assert "24 months" in text
            with client.chat.completions.stream(model="manual", messages=QUESTION) as stream:
                for _ in stream:
                    pass
                assert stream.get_final_completion().choices[0].message.content == text
            drink: Any = [{"role": "user", "content": "I want a soda please"}]
            message = client.chat.completions.create(model="manual", messages=drink).choices[0].message.model_dump()
            assert [call["function"]["name"] for call in message["tool_calls"]] == ["dispense_drink"]
            with pytest.raises(openai.BadRequestError):
                client.chat.completions.create(model="manual", messages=[])
            with pytest.raises(openai.APIStatusError) as large:
                big: Any = [{"role": "user", "content": "x" * 2_000_000}]
                client.chat.completions.create(model="manual", messages=big)
            assert large.value.status_code == 413
            with pytest.raises(openai.AuthenticationError) as refusal:
                client.with_options(api_key="none").models.list()
            assert refusal.value.code == "invalid_api_key"
        monkeypatch.setenv("EDGEWRIGHT_API_KEY", address.token)
        with DocumentIndex(index) as opened:
            answer = opened.ask("How long is the warranty?")
        assert phrase(answer, address, "drill", 20).model == "drill"


@pytest.mark.slow
def test_a_language_model_alone_is_served_by_llama_cpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with served(write_tiny(tmp_path / "tiny.gguf")) as (address, _):
        with openai.OpenAI(base_url=f"{address}/v1", api_key=address.token, max_retries=0, timeout=60) as client:
            answer = client.completions.create(model="tiny", prompt="Turn on", max_tokens=5)
            assert answer.choices[0].text
            with pytest.raises(openai.AuthenticationError):
                client.with_options(api_key="none").completions.create(model="tiny", prompt="Turn on", max_tokens=1)
        assert list((tmp_path / "state").glob("edgewright/serve/*.json"))
    assert not list((tmp_path / "state").glob("edgewright/serve/*.json"))


@pytest.mark.slow
def test_the_command_phrases_what_an_index_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = llama_server(tmp_path / "bin", "24 months", "The warranty lasts 24 months.")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("EDGEWRIGHT_MODELS", str(tmp_path / "models"))
    arguments = (gguf(tmp_path / "tiny.gguf"), "--index", manual_index(tmp_path))
    with served(*arguments) as (address, _), openai.OpenAI(base_url=f"{address}/v1", api_key=address.token) as client:
        answer = client.chat.completions.create(model="tiny", messages=QUESTION)
        assert (answer.choices[0].message.content or "").startswith("The warranty lasts 24 months [1].")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
