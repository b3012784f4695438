"""The server of `edgewright serve`: models that were opened, until Ctrl-C."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.studio.access import StudioAccess, TokenGuard, owner_access
from edgewright.studio.chat.generation import Limits, LoadedModel, counted
from edgewright.studio.chat.models import Message, ModelRequest, Reply
from edgewright.studio.chat.protocol import (
    ApiError,
    ChatOrder,
    CompletionOrder,
    conversation,
    error_of,
    read_order,
    unknown_model,
)
from edgewright.studio.frame import HERE
from edgewright.studio.local_server import TooLargeError, open_browser, refuse, serve_until_signal
from edgewright.studio.token_file import token_files
from edgewright.trace.html import run_styles

LARGEST_BODY = 1 << 20
"""Bytes of a conversation."""
BODY_TIMEOUT_S = 30.0
_JSON = "application/json"
_FILES = {
    "/": ("chat/chat.html", "text/html"),
    "/static/chat.js": ("chat/chat.js", "text/javascript"),
    "/static/chat.css": ("chat/chat.css", "text/css"),
    "/static/studio.css": ("static/studio.css", "text/css"),
    "/static/icon.svg": ("static/icon.svg", "image/svg+xml"),
}


_ERRORS = (ApiError, EdgewrightError, HTTPException, ClientDisconnect, Exception)


class _ApiGuard(TokenGuard):
    """Admits requests with the key or a session of the page. Refusals are errors of the API."""

    name, thing, changes = "This server", "bodies", "requests"
    service, command = "serve", "edgewright serve"

    def allows_programs(self, headers: dict[bytes, list[bytes]]) -> bool:
        """Require an Origin only of requests that sign in by cookie, which a page of another site might cause."""
        return b"cookie" not in headers

    async def refuse(self, send: Send, status: int, sentence: str) -> None:
        await refuse(send, status, msgspec.json.encode(ApiError(status, sentence).body), _JSON.encode())

    async def refuse_stranger(self, send: Send, problem: str, target: str) -> None:
        """Answer 401: a form on the page, an error of the API elsewhere."""
        if not target.startswith("/v1"):
            await super().refuse_stranger(send, problem, target)
            return
        text = f"{problem} Send `Authorization: Bearer KEY` with the key that edgewright serve printed."
        body = msgspec.json.encode(ApiError(401, text, None, "invalid_api_key").body)
        await refuse(send, 401, body, _JSON.encode(), [(b"www-authenticate", b"Bearer")])


def chat_app(
    models: Mapping[str, LoadedModel], port: int, access: StudioAccess, *, body_timeout_s: float = BODY_TIMEOUT_S
) -> Starlette:
    """Return the application.

    Args:
        models: by the name that clients use.
        port: that it will be reached at; requests to another are refused.
        access: who may use it.
        body_timeout_s: seconds in which a request must have arrived.
    """
    pages = [Route(path, _file_of(*file)) for path, file in _FILES.items()]
    app = Starlette(
        routes=[
            *pages,
            Route("/look/page.css", _look),
            Route("/v1/models", _models),
            Route("/v1/models/{name:path}", _model),
            Route("/v1/chat/completions", _chat, methods=["POST"]),
            Route("/v1/completions", _complete, methods=["POST"]),
        ],
        middleware=[Middleware(_ApiGuard, port=port, access=access, largest=LARGEST_BODY)],
        exception_handlers=dict.fromkeys(_ERRORS, _failed),
    )
    app.state.models = dict(models)
    app.state.started = int(time.time())
    app.state.body_timeout_s = body_timeout_s
    return app


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type=_JSON)


def _file_of(name: str, media_type: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        del request
        return Response((HERE / name).read_bytes(), media_type=media_type)

    return answer


def _look(request: Request) -> Response:
    del request
    return Response(str(run_styles()), media_type="text/css")


def _known(request: Request) -> dict[str, LoadedModel]:
    return cast(dict[str, LoadedModel], request.app.state.models)


def _listed(request: Request, model: LoadedModel) -> dict[str, Any]:
    return {
        "id": model.name, "object": "model", "created": request.app.state.started, "owned_by": "edgewright",
        "edgewright": {"kind": model.kind, "title": model.model.title, "completes": model.model.completes},
    }  # fmt: skip


async def _models(request: Request) -> Response:
    return _json({"object": "list", "data": [_listed(request, model) for model in _known(request).values()]})


async def _model(request: Request) -> Response:
    return _json(_listed(request, _named(request, str(request.path_params["name"]))))


def _named(request: Request, name: str) -> LoadedModel:
    known = _known(request)
    if name not in known:
        raise unknown_model(name, known)
    return known[name]


async def _body(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        ApiError: another type than JSON, or a body that does not arrive.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _JSON:
        raise ApiError(415, f"Expected the content type {_JSON}, got {kind[:60] or 'none'}.")
    try:
        async with asyncio.timeout(request.app.state.body_timeout_s):
            return await request.body()
    except TimeoutError:
        raise ApiError(408, "The body did not arrive in time.") from None


@dataclass(frozen=True)
class _Form:
    """How the pieces of one of the two APIs look.

    Attributes:
        prefix: of the answer's id.
        whole, part: names of their objects.
        choice: the whole text as a choice.
        piece: a piece of text as a choice; the beginning where it is None.
    """

    prefix: str
    whole: str
    part: str
    choice: Callable[[str], dict[str, Any]]
    piece: Callable[[str | None], dict[str, Any]]


_CHAT = _Form(
    "chatcmpl-", "chat.completion", "chat.completion.chunk",
    lambda text: {"message": {"role": "assistant", "content": text, "refusal": None}},
    lambda text: {"delta": {"role": "assistant", "content": ""} if text is None else {"content": text} if text else {}},
)  # fmt: skip
_COMPLETION = _Form(
    "cmpl-", "text_completion", "text_completion", lambda text: {"text": text}, lambda text: {"text": text or ""}
)


async def _chat(request: Request) -> Response:
    order = read_order(await _body(request), ChatOrder)
    model = _named(request, order.model)
    return await _answer(model, conversation(order), order, _CHAT)


async def _complete(request: Request) -> Response:
    order = read_order(await _body(request), CompletionOrder)
    model = _named(request, order.model)
    if not model.model.completes:
        text = f"The model {order.model!r} answers /v1/chat/completions alone; it does not continue a text."
        raise ApiError(400, text, "model", "unsupported_value")
    return await _answer(model, [Message("user", order.text)], order, _COMPLETION)


async def _answer(
    model: LoadedModel, messages: Sequence[Message], order: ChatOrder | CompletionOrder, form: _Form
) -> Response:
    try:
        reply = await model.reply(messages, order.sampling)
    except EdgewrightError as error:
        raise error_of(error) from None
    answer = _Answer(model, reply, form, Limits(order.sampling.max_tokens, order.stops), messages)
    if order.stream:
        return StreamingResponse(answer.events(order.has_usage), media_type="text/event-stream")
    return _json(await answer.whole())


class _Answer:
    """An answer on its way: as one object, or as events."""

    def __init__(
        self, model: LoadedModel, reply: Reply, form: _Form, limits: Limits, messages: Sequence[Message]
    ) -> None:
        self._model, self._reply, self._form, self._limits = model, reply, form, limits
        self._prompt = "\n".join(message.text for message in messages)
        self._head = {"id": form.prefix + secrets.token_hex(12), "created": int(time.time()), "model": model.name}

    async def whole(self) -> dict[str, Any]:
        """Return the whole answer."""
        async with aclosing(self._model.pieces(self._reply)) as pieces, aclosing(self._limits.cut(pieces)) as cut:
            text = "".join([piece async for piece in cut])
        choice = {"index": 0, **self._form.choice(text), "logprobs": None, "finish_reason": self._limits.finish_reason}
        return {
            **self._head, "object": self._form.whole, "choices": [choice],
            "usage": counted(self._prompt, self._limits.tokens), "edgewright": self._reply.details,
        }  # fmt: skip

    def _event(self, choices: list[dict[str, Any]], **more: object) -> bytes:
        body = {**self._head, "object": self._form.part, "choices": choices, **more}
        return b"data: " + msgspec.json.encode(body) + b"\n\n"

    def _piece(self, text: str | None, finish_reason: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, **self._form.piece(text), "logprobs": None, "finish_reason": finish_reason}
        return self._event([choice], **more)

    async def events(self, has_usage: bool) -> AsyncIterator[bytes]:
        """Yield server-sent events; a failure on the way is the last of them."""
        try:
            if self._form is _CHAT:
                yield self._piece(None)
            async with aclosing(self._model.pieces(self._reply)) as pieces, aclosing(self._limits.cut(pieces)) as cut:
                async for text in cut:
                    yield self._piece(text)
            yield self._piece("", self._limits.finish_reason, edgewright=self._reply.details)
            if has_usage:
                yield self._event([], usage=counted(self._prompt, self._limits.tokens))
        except Exception as error:  # noqa: BLE001 - the status is sent already
            yield b"data: " + msgspec.json.encode(_error(error).body) + b"\n\n"
        yield b"data: [DONE]\n\n"


def _error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, TooLargeError):
        return ApiError(413, error_of(error, None).message)
    if isinstance(error, EdgewrightError):
        return error_of(error, None)
    if isinstance(error, ClientDisconnect):
        return ApiError(400, "The client closed the connection.")
    traceback.print_exception(error, file=sys.stderr)
    return ApiError(500, f"The server failed ({type(error).__name__}); its terminal has the traceback.")


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        known = "GET /v1/models, POST /v1/chat/completions, POST /v1/completions, and the page GET /"
        text = f"{request.method} {request.url.path[:100]} is not served. Known: {known}."
        error = ApiError(error.status_code, text)
    problem = _error(error)
    return _json(problem.body, problem.status)


@contextmanager
def opened(requests: Sequence[ModelRequest]) -> Iterator[dict[str, LoadedModel]]:
    """Provide models by their name.

    Raises:
        InputError: two of one name, or one that cannot be opened.
    """
    with ExitStack() as stack:
        models: dict[str, LoadedModel] = {}
        for request in requests:
            if request.name in models:
                do = f"Name one: NAME={request.path}"
                raise InputError("models of different names", f"{request.name!r} twice", "edgewright serve", do)
            models[request.name] = LoadedModel(request)
            stack.callback(models[request.name].close)
        yield models


def serve(models: dict[str, LoadedModel], port: int, ready: Callable[[str, str], None], *, browser: bool) -> int:
    """Serve until Ctrl-C or a termination signal.

    Args:
        models: by name.
        port: a free one, see `core.server_port`.
        ready: called with the address and the key once it answers.
        browser: show the page in the user's browser.

    Returns:
        The signal that ended it.
    """
    access, files = owner_access(), ExitStack()

    async def begin(address: str) -> None:
        token = access.owner.token if access.owner is not None else ""
        page = files.enter_context(token_files(address, token, Path(), port, "serve"))
        ready(address, token)
        if browser and page is not None:
            await asyncio.to_thread(open_browser, page.as_uri())

    async def end() -> None:
        files.close()

    return asyncio.run(serve_until_signal(chat_app(models, port, access), port, begin, lambda: None, end))
