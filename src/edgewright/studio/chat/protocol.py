"""Requests, answers and errors of OpenAI's chat API, as far as local models of text can serve it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from edgewright.schema.errors import EdgewrightError, InputError, UnknownNameError
from edgewright.studio.chat.models import DEFAULT_TOKENS, Message, Sampling

T = TypeVar("T")
MAX_TOKENS = 2048
"""Pieces of an answer; a request for more gets as many."""
UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "tools": (None, []), "tool_choice": (None, "none", "auto"), "functions": (None, []),
    "function_call": (None, "none", "auto"), "response_format": (None, {"type": "text"}), "n": (None, 1),
    "logprobs": (None, False, 0), "top_logprobs": (None, 0), "modalities": (None, ["text"]), "audio": (None,),
    "logit_bias": (None, {}), "web_search_options": (None,), "echo": (None, False), "suffix": (None, ""),
    "best_of": (None, 1),
}  # fmt: skip
"""Parameters that would change an answer and are not supported, each with the values that change nothing."""
_SPEAKERS = {"user": "user", "assistant": "assistant"}
_IGNORED = ("system", "developer")
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")


class ApiError(Exception):
    """A request that is refused, in the form that clients of the API expect."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    @property
    def body(self) -> dict[str, Any]:
        """The error as the API's clients read it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def error_of(error: EdgewrightError, param: str | None = "messages") -> ApiError:
    """Return a user's mistake, or a file that cannot be read, as an error of the API."""
    return ApiError(400 if isinstance(error, InputError) else 500, str(error), param)


Tokens = Annotated[int, msgspec.Meta(ge=1)]


class _Sent(msgspec.Struct, frozen=True):
    """A message: its text alone or in parts."""

    role: str
    content: str | tuple[dict[str, Any], ...] | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    """What a stream says beside the text."""

    include_usage: bool = False


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    seed: int | None = None
    stop: str | Annotated[tuple[str, ...], msgspec.Meta(max_length=4)] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts before which an answer ends."""
        given = (self.stop,) if isinstance(self.stop, str) else self.stop or ()
        return tuple(text for text in given if text)

    @property
    def has_usage(self) -> bool:
        """Whether a stream ends with the numbers of its tokens."""
        return self.stream_options is not None and self.stream_options.include_usage

    def _sampling(self, tokens: int) -> Sampling:
        return Sampling(min(tokens, MAX_TOKENS), self.temperature or 0.0, self.seed)


class ChatOrder(_Order, frozen=True, kw_only=True):
    """The body of `POST /v1/chat/completions`."""

    messages: Annotated[tuple[_Sent, ...], msgspec.Meta(min_length=1, max_length=1000)]
    max_completion_tokens: Tokens | None = None

    @property
    def sampling(self) -> Sampling:
        """How the answer is chosen."""
        return self._sampling(self.max_completion_tokens or self.max_tokens or DEFAULT_TOKENS)


class CompletionOrder(_Order, frozen=True, kw_only=True):
    """The body of `POST /v1/completions`."""

    prompt: str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=1)]

    @property
    def text(self) -> str:
        """What is continued."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]

    @property
    def sampling(self) -> Sampling:
        """How the continuation is chosen; the API's default is 16 tokens."""
        return self._sampling(self.max_tokens or 16)


def read_order(body: bytes, kind: type[T]) -> T:
    """Read a request.

    Raises:
        ApiError: no JSON, a value of the wrong type, or a parameter that is not supported.
    """
    try:
        order = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, f"The body is no JSON: {error}", None, "invalid_json") from None
    if not isinstance(order, dict):
        raise ApiError(400, "The body is no JSON object.", None, "invalid_json")
    for name, harmless in UNSUPPORTED.items():
        if name in order and order[name] not in harmless:
            raise ApiError(400, unsupported(f"the parameter '{name}'"), name, "unsupported_parameter")
    try:
        return msgspec.convert(order, kind)
    except msgspec.ValidationError as error:
        location = _PATH.search(str(error))
        missing = re.search(r"missing required field `(\w+)`", str(error))
        param = missing[1] if missing else location[1] if location else None
        text = _PATH.sub("", str(error))
        raise ApiError(400, f"{text}{f': {param}' if param and not missing else ''}.", param or None) from None


def unsupported(feature: str) -> str:
    """Return the sentence about what this server does not do."""
    scope = "This server gives one answer in text, without tools, pictures, sound or probabilities."
    return f"Unsupported: {feature}. {scope}"


def conversation(order: ChatOrder) -> list[Message]:
    """Return what user and assistant said; system messages change no local model's answer and are left out.

    Raises:
        ApiError: a tool's message, a picture, or a last message that is not the user's.
    """
    messages = []
    for number, sent in enumerate(order.messages):
        text = _text(sent, number)
        if sent.role in _SPEAKERS:
            messages.append(Message(sent.role, text))
        elif sent.role not in _IGNORED:
            raise ApiError(400, unsupported(f"messages of the role {sent.role[:40]!r}"), f"messages[{number}].role",
                           "unsupported_value")  # fmt: skip
    if not messages or messages[-1].role != "user":
        raise ApiError(400, "The last message must be one of the role 'user'.", "messages")
    return messages


def _text(sent: _Sent, number: int) -> str:
    if sent.content is None or isinstance(sent.content, str):
        return sent.content or ""
    texts = []
    for index, part in enumerate(sent.content):
        where = f"messages[{number}].content[{index}]"
        if part.get("type") != "text":
            raise ApiError(400, unsupported(f"content of the type {str(part.get('type'))[:40]!r}"), f"{where}.type",
                           "unsupported_value")  # fmt: skip
        if not isinstance(part.get("text"), str):
            raise ApiError(400, f"Expected `str`: {where}.text.", f"{where}.text")
        texts.append(part["text"])
    return "\n".join(texts)


def unknown_model(name: str, known: Mapping[str, object]) -> ApiError:
    """Return the error of a model that is not served."""
    text = str(UnknownNameError("model", name[:100], known))
    return ApiError(404, text, "model", "model_not_found")
