"""The chat API of `edgewright serve` without a server: answers, streams, limits, and refusals in the API's own form."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message as Event

from chat_server import DIALOGUE
from cli_runner import Cli
from documents_example import MANUAL, manual_index
from edgewright.schema.errors import InputError
from edgewright.studio.access import owner_access
from edgewright.studio.chat import generation
from edgewright.studio.chat.generation import LoadedModel
from edgewright.studio.chat.models import Message, ModelRequest, Reply, Sampling, kind_of, parse_model, words_of
from edgewright.studio.chat.protocol import UNSUPPORTED
from edgewright.studio.chat.server import LARGEST_BODY, chat_app, opened
from llm_server import llama_server
from own_model_files import gguf
from studio_example import HERE, PORT, Client

CHAT, COMPLETE = "/v1/chat/completions", "/v1/completions"
KEY = "key-of-a-test"


class Counter:
    """Counts for as long as somebody listens; 'fail' fails at the third number."""

    title, completes = "counts", True

    def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Count from one."""

        def numbers() -> Iterator[str]:
            for number in range(1, 1_000_000):
                if messages[-1].text == "fail" and number == 3:
                    raise RuntimeError("a defect")
                yield f"{number} "

        if not messages[-1].text:
            raise InputError("a message with words", "an empty one", "the last message")
        return Reply(numbers(), {"seed": sampling.seed})

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LoadedModel]]:
    """Open an index, and a model that counts."""
    index = manual_index(tmp_path_factory.mktemp("chat"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "open_model", lambda request: ("counter", Counter()))
        counter = LoadedModel(ModelRequest("counter", Path("counter"), None))
    with opened([ModelRequest("manual", index, None)]) as served:
        yield {**served, "counter": counter}
        counter.close()


@pytest.fixture
def client(models: dict[str, LoadedModel]) -> Client:
    asking = Client(chat_app(models, PORT, owner_access(KEY)))
    asking.headers = {"authorization": f"Bearer {KEY}"}
    return asking


def order(model: str, text: str, **more: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def events(text: str) -> list[Any]:
    """Return the objects of a stream; its end is checked."""
    *parts, end, rest = text.split("\n\n")
    assert (end, rest) == ("data: [DONE]", "")
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def test_an_answer_cites_its_section(client: Client) -> None:
    answer = client.post(CHAT, json=order("manual", "How long is the warranty?")).json()
    text = answer["choices"][0]["message"]["content"]
    assert text.startswith("The warranty lasts 24 months from the date of purchase. [1]")
    assert "[1] drill.md: Drill X200 > Warranty" in text
    assert answer["edgewright"]["answered"]
    assert answer["edgewright"]["citations"][0]["section"] == ["Drill X200", "Warranty"]
    assert answer["usage"]["completion_tokens"] == len(text.split())


def test_what_the_manual_does_not_say_is_refused(client: Client) -> None:
    answer = client.post(CHAT, json=order("manual", "Who painted the Mona Lisa?")).json()
    assert answer["choices"][0]["message"]["content"].startswith("The documents do not answer this question.")
    assert not answer["edgewright"]["answered"]


@pytest.mark.parametrize(
    ("says", "begins", "carried"),
    [("The warranty lasts 24 months.", "The warranty lasts 24 months [1].\n\n[1] drill.md", True),
     ("The warranty lasts 36 months.", "The warranty lasts 24 months from the date of purchase. [1]", False)],
    ids=["supported", "invented"],
)  # fmt: skip
def test_a_language_model_says_what_the_documents_say(
    says: str, begins: str, carried: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = llama_server(tmp_path / "bin", "24 months", says)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("EDGEWRIGHT_MODELS", str(tmp_path / "models"))
    request = ModelRequest("manual", gguf(tmp_path / "tiny.gguf"), manual_index(tmp_path))
    with opened([request]) as served:
        asking = Client(chat_app(served, PORT, owner_access(KEY)))
        asking.headers["authorization"] = f"Bearer {KEY}"
        answer = asking.post(CHAT, json=order("manual", "How long does the warranty last?")).json()
        refused = asking.post(CHAT, json=order("manual", "Who painted the Mona Lisa?")).json()
    assert answer["choices"][0]["message"]["content"].startswith(begins)
    assert answer["edgewright"]["phrased"]["carried"] is carried
    # The index refuses, and the model is not asked.
    assert refused["choices"][0]["message"]["content"].startswith("The documents do not answer this question.")
    assert "phrased" not in refused["edgewright"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_signal_ends_a_server_whose_language_model_is_still_loading(tmp_path: Path) -> None:
    pid, program = tmp_path / "pid", tmp_path / "llama-server"
    program.write_text(f"#!/bin/sh\necho $$ > {pid}\nsleep 1\nkill -INT $PPID\nexec sleep 60\n")
    program.chmod(0o755)
    utterances = tmp_path / "said.csv"
    utterances.write_text("text,intent\ngood day,greet\nbye,leave\n")
    text = (
        "import signal\nfrom pathlib import Path\nfrom edgewright.studio.chat.generation import LoadedModel\n"
        "from edgewright.studio.chat.models import ModelRequest\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"LoadedModel(ModelRequest('shop', Path({str(gguf(tmp_path / 'tiny.gguf'))!r}), Path({str(utterances)!r})))\n"
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(
        [sys.executable, "-c", text], check=False, env=environment, capture_output=True, text=True, timeout=30
    )
    assert ended.stderr.rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_stream_has_the_same_text(client: Client) -> None:
    question = order("manual", "How do I clean the housing?")
    whole = client.post(CHAT, json=question).json()
    answer = client.post(CHAT, json={**question, "stream": True, "stream_options": {"include_usage": True}})
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, *parts, last, usage = events(answer.text)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(part["choices"][0]["delta"]["content"] for part in parts)
    assert text == whole["choices"][0]["message"]["content"]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["edgewright"] == whole["edgewright"]
    assert (usage["choices"], usage["usage"]) == ([], whole["usage"])
    assert len({part["id"] for part in (first, *parts, last, usage)}) == 1


@pytest.mark.parametrize(
    ("options", "text", "reason", "tokens"),
    [
        ({"max_tokens": 3}, "1 2 3 ", "length", 3),
        ({"max_completion_tokens": 2}, "1 2 ", "length", 2),
        ({"stop": "4"}, "1 2 3 ", "stop", 4),
        ({"stop": ["never", "2 3 4"]}, "1 ", "stop", 4),
        ({"stop": "3 x", "max_tokens": 3}, "1 2 3 ", "length", 3),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_length_and_stop_texts(
    client: Client, options: dict[str, object], text: str, reason: str, tokens: int, stream: bool
) -> None:
    answer = client.post(CHAT, json=order("counter", "count", **options, stream=stream))
    if stream:
        *parts, last = events(answer.text)
        assert "".join(part["choices"][0]["delta"]["content"] for part in parts) == text
        assert last["choices"][0]["finish_reason"] == reason
        return
    whole = answer.json()
    assert whole["choices"][0]["message"]["content"] == text
    assert (whole["choices"][0]["finish_reason"], whole["usage"]["completion_tokens"]) == (reason, tokens)


def test_the_older_api_continues_a_text(client: Client) -> None:
    whole = client.post(COMPLETE, json={"model": "counter", "prompt": ["count"], "max_tokens": 2, "seed": 7}).json()
    assert (whole["object"], whole["choices"][0]["text"]) == ("text_completion", "1 2 ")
    assert whole["edgewright"] == {"seed": 7}
    *parts, last = events(client.post(COMPLETE, json={"model": "counter", "prompt": "count", "stream": True}).text)
    assert len(parts) == 16
    assert last["choices"][0]["finish_reason"] == "length"
    refused = client.post(COMPLETE, json={"model": "manual", "prompt": "count"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "model")


def test_models_are_listed(client: Client) -> None:
    listed = client.get("/v1/models").json()["data"]
    assert [(one["id"], one["object"], one["edgewright"]["kind"]) for one in listed] == [
        ("manual", "model", "documents"), ("counter", "model", "counter"),
    ]  # fmt: skip
    assert client.get("/v1/models/manual").json() == listed[0]
    assert client.get("/v1/models/none").status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "param", "code", "words"),
    [
        ({"model": "manul"}, 404, "model", "model_not_found", "Did you mean 'manual'?"),
        ({"model": 5}, 400, "model", None, "Expected `str`, got `int`"),
        ({"messages": []}, 400, "messages", None, "length >= 1"),
        ({"messages": [{"role": "user", "content": ""}]}, 400, "messages", None, "an empty one"),
        ({"messages": [{"role": "user", "content": "x" * 1001}]}, 400, "messages", None, "1000 characters"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, 400, "messages", None, "role 'user'"),
        ({"messages": [{"role": "tool", "content": "a"}]}, 400, "messages[0].role", "unsupported_value", "'tool'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, 400,
         "messages[0].content[0].type", "unsupported_value", "without tools, pictures, sound"),
        ({"tools": [{"type": "function"}]}, 400, "tools", "unsupported_parameter", "without tools"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format", "unsupported_parameter", "Unsupported"),
        ({"n": 2}, 400, "n", "unsupported_parameter", "one answer"),
        ({"temperature": 3}, 400, "temperature", None, "<= 2"),
        ({"max_tokens": 0}, 400, "max_tokens", None, ">= 1"),
        ({"stop": ["a", "b", "c", "d", "e"]}, 400, "stop", None, "length <= 4"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_an_error_of_the_api(
    client: Client, change: dict[str, object], status: int, param: str, code: str | None, words: str
) -> None:
    answer = client.post(CHAT, json={**order("manual", "Warranty?"), **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert error["type"] == "invalid_request_error"
    assert words in error["message"]


def test_what_changes_nothing_is_accepted(client: Client) -> None:
    """Clients send defaults, and system messages, which no model here follows."""
    for number in range(2):
        defaults = {name: values[min(number, len(values) - 1)] for name, values in UNSUPPORTED.items()}
        system = {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}
        request = {**order("manual", "How long is the warranty?"), **defaults, "top_p": 0.9, "user": "me"}
        request["messages"] = [system, *request["messages"]]
        assert client.post(CHAT, json=request).status_code == 200


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


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/manual", "/", "/static/chat.js", "/look/page.css", "/none"])
@pytest.mark.parametrize("key", [None, "", "x", "A" * 5000, f"{KEY} {KEY}"])
def test_nothing_answers_without_the_key(client: Client, path: str, key: str | None) -> None:
    client.headers = {} if key is None else {"authorization": f"Bearer {key}"}
    assert client.get(path).status_code == 401
    refused = client.post(CHAT, json=order("counter", "count", max_tokens=1))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_the_address_with_the_key_opens_a_session_of_the_page(client: Client) -> None:
    client.headers = {}
    answer = client.get(f"/?token={KEY}")
    assert (answer.status_code, KEY in answer.text) == (200, False)
    client.headers = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
    assert client.get("/v1/models").status_code == 200
    question, own = order("counter", "count", max_tokens=1), {"origin": HERE, "sec-fetch-site": "same-origin"}
    assert client.post(CHAT, json=question, headers=own).status_code == 200
    # A page of another site sends neither the cookie nor this Origin.
    assert client.post(CHAT, json=question, headers={"origin": "http://evil.example"}).status_code == 403


def test_its_own_page_may_ask(client: Client) -> None:
    own = {"origin": HERE, "sec-fetch-site": "same-origin"}
    assert client.post(CHAT, json=order("counter", "count", max_tokens=1), headers=own).status_code == 200


def test_other_addresses_and_methods(client: Client) -> None:
    for method, path, status in (("GET", "/v1/responses", 404), ("GET", CHAT, 405), ("DELETE", "/v1/models", 405)):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]


def test_a_defect_on_the_way_is_the_last_event(
    client: Client, capsys: pytest.CaptureFixture[str], models: dict[str, LoadedModel]
) -> None:
    *parts, last = events(client.post(CHAT, json=order("counter", "fail", stream=True)).text)
    assert [part["choices"][0]["delta"]["content"] for part in parts] == ["", "1 ", "2 "]
    assert last["error"]["type"] == "server_error"
    assert "a defect" not in last["error"]["message"]
    assert client.post(CHAT, json=order("counter", "fail")).status_code == 500
    assert capsys.readouterr().err.count("RuntimeError: a defect") >= 2
    assert models["counter"].open_replies == 0


def _scope() -> dict[str, Any]:
    headers = {"host": f"127.0.0.1:{PORT}", "content-type": "application/json", "authorization": f"Bearer {KEY}"}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": CHAT, "raw_path": CHAT.encode(), "query_string": b"",
            "headers": raw, "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", PORT)}  # fmt: skip


def test_a_client_that_hangs_up_ends_the_answer(models: dict[str, LoadedModel]) -> None:
    request = json.dumps(order("counter", "count", stream=True, max_tokens=2000)).encode()
    sent: list[Event] = []

    async def hang_up() -> None:
        some = asyncio.Event()
        coming = iter([{"type": "http.request", "body": request, "more_body": False}])

        async def receive() -> Event:
            if (event := next(coming, None)) is not None:
                return event
            await some.wait()
            return {"type": "http.disconnect"}

        async def send(event: Event) -> None:
            sent.append(event)
            if len(sent) == 5:
                some.set()

        await asyncio.wait_for(chat_app(models, PORT, owner_access(KEY))(_scope(), receive, send), 10)

    asyncio.run(hang_up())
    assert 5 <= len(sent) < 1000
    assert models["counter"].open_replies == 0


def test_a_body_that_never_comes_is_refused(models: dict[str, LoadedModel]) -> None:
    sent: list[Event] = []

    async def stall() -> None:
        async def receive() -> Event:
            await asyncio.sleep(60)
            raise AssertionError

        async def send(event: Event) -> None:
            sent.append(event)

        await asyncio.wait_for(
            chat_app(models, PORT, owner_access(KEY), body_timeout_s=0.05)(_scope(), receive, send), 10
        )

    asyncio.run(stall())
    assert sent[0]["status"] == 408


def test_models_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_model("a.index") == ("a", Path("a.index"), None)
    assert parse_model("shop=b.toml,c.language") == ("shop", Path("b.toml"), Path("c.language"))
    (tmp_path / "x=1,2.index").write_bytes(b"")
    assert parse_model("x=1,2.index") == ("x=1,2", Path("x=1,2.index"), None)
    for text in ("=a.index", "name=", ",b", f"{'n' * 101}=a", "a\nb=c"):
        with pytest.raises(InputError):
            parse_model(text)


def test_a_file_of_no_model_is_refused(tmp_path: Path, cli: Cli) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no model")
    assert "an index of documents" in cli("serve", text, "--port", "0", code=2)
    assert "no such file" in cli("serve", tmp_path / "none.index", "--port", "0", code=2)
    index = manual_index(tmp_path)
    assert f"NAME={index}" in cli("serve", index, index, "--port", "0", code=2)
    assert "an index with vectors" in cli("serve", f"{index},{tmp_path}", "--port", "0", code=2)
    assert "DIALOGUE,MODEL" in cli("serve", DIALOGUE, "--port", "0", code=2)
    assert kind_of(index)[0] == "documents"


def test_words_are_the_text() -> None:
    for text in ("", "a", " a", "a ", "a  b\n\nc\n", MANUAL):
        assert "".join(words_of(text)) == text
    assert list(words_of("one two\n\nthree")) == ["one ", "two\n\n", "three"]
