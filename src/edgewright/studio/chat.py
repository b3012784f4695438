"""Chat API in front of a language model: refusals from an index of documents, and intents as tool calls.

llama.cpp serves the model itself (`language/language_models/client.py`). This application adds what its server lacks:
a question that the documents do not answer never reaches the model, its sentences are checked against the passages,
and an utterance becomes a call of the tool that is named as its intent.
Protocol: https://platform.openai.com/docs/api-reference.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from edgewright.core.errors import EdgewrightError, InputError, StudioRequestError
from edgewright.core.own_models import choose
from edgewright.language.documents.index import checked_encoder
from edgewright.language.documents.phrasing import phrase
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.records import OUT_OF_SCOPE, Answer, FoundPassage, Parsed
from edgewright.nlp.utterance.parse import Understands
from edgewright.studio.access import StudioAccess, TokenGuard, owner_access
from edgewright.studio.authentication import token_files
from edgewright.studio.local_server import TooLargeError, refuse, serve_until_signal

LARGEST_BODY = 1 << 20
"""Bytes of a conversation."""
BODY_TIMEOUT_S = 30.0
_PHRASING_TIMEOUT_S = 300.0
_JSON = "application/json"
UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "tools": (None, []), "functions": (None, []), "response_format": (None, {"type": "text"}), "n": (None, 1),
    "logprobs": (None, False, 0),
}  # fmt: skip
"""Parameters that would change an answer and are refused, each with the values that change nothing."""


class ApiError(Exception):
    """A refused request, in the form that clients of the API expect."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    @property
    def body(self) -> dict[str, Any]:
        """The error object of the API."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True)
class Reply:
    """An assistant's message.

    Attributes:
        message: the fields of the message except its role.
        finish_reason: 'stop' or 'tool_calls'.
        details: for programs, in the field `edgewright`: citations, parsed intent and slots.
    """

    message: dict[str, Any]
    finish_reason: str = "stop"
    details: dict[str, Any] = field(default_factory=dict)


class ChatFront:
    """Answers the last message by an intent, by documents, or with a refusal.

    SQLite connections belong to the thread that opened them, so one thread opens the index and answers.

    Args:
        name: model name in replies.
        index: path of an index of documents; None for intents only.
        encoder: directory of the encoder that made the index's vectors; None uses a registered one, if any.
        parser: parses utterances into intents; None for documents only.
        address: address of the language model that phrases answers; None quotes the documents.

    Attributes:
        encoder: name of the encoder that finds other wordings; empty for words alone.

    Raises:
        InputError: the index cannot be read, holds pictures or sounds, or is of another encoder.
    """

    def __init__(
        self, name: str, index: Path | None, encoder: Path | None, parser: Understands | None, address: str | None
    ) -> None:
        self.name, self._parser, self._address = name, parser, address
        self.encoder = ""
        self._index: DocumentIndex | None = None
        self._encode: Callable[[str], Any] = lambda _: None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chat")
        try:
            if index is not None:
                self._thread.submit(self._open, index, encoder).result()
        except BaseException:
            self.close()
            raise

    def _open(self, path: Path, encoder: Path | None) -> None:
        self._index = DocumentIndex(path)
        contents = self._index.contents
        if contents.media:
            raise StudioRequestError("an index of documents", f"one of {contents.media}s", str(path))
        directory = choose("text", encoder, name=contents.encoder).path
        if directory is not None:
            loaded = checked_encoder(self._index, directory)
            self._encode, self.encoder = lambda question: loaded.encode([question])[0], loaded.name

    def close(self) -> None:
        """Close the index and stop the thread."""
        if self._index is not None:
            self._thread.submit(self._index.close).result()
        self._thread.shutdown()

    async def reply(self, text: str) -> Reply:
        """Answer a message.

        Raises:
            InputError: the message is empty or too long.
            OutputError: the language model fails.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._reply, text)

    def _reply(self, text: str) -> Reply:
        details: dict[str, Any] = {}
        if self._parser is not None:
            parsed = self._parser.parse(text, where="the last message")
            details = {"parsed": msgspec.to_builtins(parsed)}
            if parsed.intent != OUT_OF_SCOPE:
                return Reply({"content": None, "tool_calls": [_tool_call(parsed)]}, "tool_calls", details)
            if self._index is None:
                return Reply({"content": f"Out of scope: {parsed.why}."}, details=details)
        if self._index is None:
            raise StudioRequestError("an index or a model of intents", "neither", "edgewright serve")
        answer = self._index.ask(text, self._encode(text))
        content, details = _answer_text(answer), {**details, **_details_of(answer)}
        if answer.answered and self._address is not None:
            phrased = phrase(answer, self._address, self.name, _PHRASING_TIMEOUT_S, quoting=True)
            details["phrased"] = msgspec.to_builtins(phrased)
            if phrased.carried:
                cited = (f"[{number}] {_origin_of(answer.passages[number - 1])}" for number in phrased.citations)
                content = "\n\n".join([phrased.text, *cited])
        return Reply({"content": content}, details=details)


def _tool_call(parsed: Parsed) -> dict[str, Any]:
    """Return an intent as a call of the tool of its name, with the slots as arguments."""
    arguments = {slot.name: slot.text if slot.value is None else slot.value for slot in parsed.slots}
    function = {"name": parsed.intent, "arguments": json.dumps(arguments, ensure_ascii=False)}
    return {"index": 0, "id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}


def _details_of(answer: Answer) -> dict[str, Any]:
    citations = [
        {"document": passage.document, "section": list(passage.path), "page": passage.page or None,
         "sentence": passage.sentence, "text": passage.text}
        for passage in answer.passages
    ]  # fmt: skip
    return {
        "answered": answer.answered, "confidence": answer.confidence, "threshold": answer.threshold,
        "unknown": list(answer.unknown), "citations": citations,
    }  # fmt: skip


def _answer_text(answer: Answer) -> str:
    """Return the answering sentence with its passage, or a refusal."""
    if not answer.answered:
        unknown = f" No word like: {', '.join(answer.unknown[:5])}." if answer.unknown else ""
        nearest = f"\n\nThe nearest passage is {_origin_of(answer.passages[0])}." if answer.passages else ""
        return f"The documents do not answer this question.{unknown}{nearest}"
    best = answer.passages[0]
    lines = [f"{best.sentence} [1]", f"[1] {_origin_of(best)}"]
    if best.text.strip() != best.sentence.strip():
        lines.insert(1, f"From the passage: {best.text}")
    return "\n\n".join([*lines, *([answer.note] if answer.note else [])])


def _origin_of(passage: FoundPassage) -> str:
    """Return document, page and section of a passage."""
    page = f", page {passage.page}" if passage.page else ""
    return f"{passage.document}{page}: {' > '.join(passage.path) or '-'}"


class _ApiGuard(TokenGuard):
    """Admits requests with the key. Refusals are errors of the API."""

    name, thing, changes = "This server", "bodies", "requests"
    service, command = "serve", "edgewright serve"

    def allows_programs(self, headers: dict[bytes, list[bytes]]) -> bool:
        """Require an Origin only of requests that sign in by cookie, which a page of another site might cause."""
        return b"cookie" not in headers

    async def refuse(self, send: Send, status: int, sentence: str) -> None:
        await refuse(send, status, msgspec.json.encode(ApiError(status, sentence).body), _JSON.encode())

    async def refuse_stranger(self, send: Send, problem: str, target: str) -> None:
        """Answer 401 with an error of the API."""
        del target
        text = f"{problem} Send `Authorization: Bearer KEY` with the key that edgewright serve printed."
        body = msgspec.json.encode(ApiError(401, text, None, "invalid_api_key").body)
        await refuse(send, 401, body, _JSON.encode(), [(b"www-authenticate", b"Bearer")])


def chat_app(front: ChatFront, port: int, access: StudioAccess, *, body_timeout_s: float = BODY_TIMEOUT_S) -> Starlette:
    """Return the application.

    Args:
        front: answers messages.
        port: port of the server; requests to another host or port are refused.
        access: who may use it.
        body_timeout_s: a request body must arrive within this time.
    """
    started = int(time.time())

    async def list_models(request: Request) -> Response:
        del request
        model = {"id": front.name, "object": "model", "created": started, "owned_by": "edgewright"}
        return _json({"object": "list", "data": [model]})

    async def chat(request: Request) -> Response:
        order = _read_order(await _body(request, body_timeout_s))
        text = _last_message(order.get("messages"))
        try:
            reply = await front.reply(text)
        except InputError as error:
            raise ApiError(400, str(error), "messages") from None
        head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": front.name}
        usage = _usage(text, reply)
        if order.get("stream"):
            wants_usage = bool((order.get("stream_options") or {}).get("include_usage"))
            return StreamingResponse(
                _events(head, reply, usage if wants_usage else None), media_type="text/event-stream"
            )
        message = {"role": "assistant", "refusal": None, **reply.message}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage, "edgewright": reply.details}
        return _json(whole)

    return Starlette(
        routes=[Route("/v1/models", list_models), Route("/v1/chat/completions", chat, methods=["POST"])],
        middleware=[Middleware(_ApiGuard, port=port, access=access, largest=LARGEST_BODY)],
        exception_handlers=dict.fromkeys(
            (ApiError, EdgewrightError, HTTPException, ClientDisconnect, Exception), _failed
        ),
    )


def _events(head: dict[str, Any], reply: Reply, usage: dict[str, int] | None) -> Iterator[bytes]:
    """Yield a reply as server-sent events: the role, the message, the reason of its end."""

    def event(choices: list[dict[str, Any]], **more: object) -> bytes:
        body = {**head, "object": "chat.completion.chunk", "choices": choices, **more}
        return b"data: " + msgspec.json.encode(body) + b"\n\n"

    for delta in ({"role": "assistant", "content": ""}, reply.message):
        yield event([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}])
    end = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": reply.finish_reason}
    yield event([end], edgewright=reply.details)
    if usage is not None:
        yield event([], usage=usage)
    yield b"data: [DONE]\n\n"


def _usage(prompt: str, reply: Reply) -> dict[str, int]:
    """Return word counts in place of tokens."""
    words, answered = len(prompt.split()), len((reply.message.get("content") or "").split())
    return {"prompt_tokens": words, "completion_tokens": answered, "total_tokens": words + answered}


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type=_JSON)


async def _body(request: Request, timeout_s: float) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _JSON:
        raise ApiError(415, f"Expected the content type {_JSON}, got {kind[:60] or 'none'}.")
    try:
        async with asyncio.timeout(timeout_s):
            return await request.body()
    except TimeoutError:
        raise ApiError(408, "The body did not arrive in time.") from None


def _read_order(body: bytes) -> dict[str, Any]:
    """Return the request.

    Raises:
        ApiError: the body is no JSON object, or has an unsupported parameter.
    """
    try:
        order = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, f"The body is no JSON: {error}", None, "invalid_json") from None
    if not isinstance(order, dict):
        raise ApiError(400, "The body is no JSON object.", None, "invalid_json")
    for name, harmless in UNSUPPORTED.items():
        if name in order and order[name] not in harmless:
            tools = " Its tools are the intents of --intents." if name == "tools" else ""
            raise ApiError(400, f"Unsupported parameter '{name}'.{tools}", name, "unsupported_parameter")
    if not isinstance(order.get("stream_options") or {}, dict):
        raise ApiError(400, "Expected an object: stream_options.", "stream_options")
    return order


def _last_message(messages: object) -> str:
    """Return the text of the last message, which is the user's.

    Raises:
        ApiError: there are no messages, or the last one is another role's or no text.
    """
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("role") != "user":
        raise ApiError(400, "The last message must be one of the role 'user'.", "messages")
    parts = last.get("content")
    if isinstance(parts, str):
        return parts
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else [None]
    if not all(isinstance(text, str) for text in texts) or len(texts) != len(parts or ()):
        raise ApiError(400, "Expected text as the content of the last message.", "messages", "unsupported_value")
    return "\n".join(map(str, texts))


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        known = "GET /v1/models and POST /v1/chat/completions"
        text = f"{request.method} {request.url.path[:100]} is not served. Known: {known}."
        error = ApiError(error.status_code, text)
    elif isinstance(error, TooLargeError):
        error = ApiError(413, str(error))
    elif isinstance(error, EdgewrightError):
        error = ApiError(500, str(error))
    elif isinstance(error, ClientDisconnect):
        error = ApiError(400, "The client closed the connection.")
    if not isinstance(error, ApiError):
        traceback.print_exception(error, file=sys.stderr)
        error = ApiError(500, f"The server failed ({type(error).__name__}); its terminal has the traceback.")
    return _json(error.body, error.status)


def serve(front: ChatFront, port: int, ready: Callable[[str, str], None]) -> int:
    """Serve until Ctrl-C or a termination signal.

    Args:
        front: answers messages.
        port: a free port.
        ready: called with the address and the key when the server accepts requests.

    Returns:
        The signal that ended it.
    """
    access, files = owner_access(), ExitStack()

    async def begin(address: str) -> None:
        token = access.owner.token if access.owner is not None else ""
        files.enter_context(token_files(address, token, Path(), port, "serve"))
        ready(address, token)

    async def end() -> None:
        files.close()

    return asyncio.run(serve_until_signal(chat_app(front, port, access), port, begin, lambda: None, end))
