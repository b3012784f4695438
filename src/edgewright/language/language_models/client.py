"""The client of a language model's server: OpenAI's chat protocol, and llama.cpp's own where that is missing.

Any server that speaks the chat protocol will do (llama.cpp, Ollama, vLLM). What leaves this machine leaves it by TLS.
"""

from __future__ import annotations

import http.client
import os
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from edgewright.device.sinks import require_loopback_or_tls
from edgewright.schema.errors import InputError, OutputError

LARGEST_REPLY = 1 << 20
KEY_VARIABLE = "EDGEWRIGHT_API_KEY"
"""Environment variable with the server's API key; users can read the arguments of each other's processes."""
_ABSENT = (404, 405, 501)
_CHAT = "/chat/completions"


class _Timings(msgspec.Struct, frozen=True):
    """What llama.cpp measures of a reply."""

    predicted_n: int = 0
    predicted_per_second: float | None = None
    prompt_per_second: float | None = None


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None


class _TokenChance(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: _Error = _Error()


class _Chances(msgspec.Struct, frozen=True):
    content: list[_TokenChance] | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message
    logprobs: _Chances | None = None


class _Chat(msgspec.Struct, frozen=True):
    choices: list[_Choice]
    model: str = ""
    timings: _Timings = _Timings()


class _Completion(msgspec.Struct, frozen=True):
    content: str
    model: str = ""
    timings: _Timings = _Timings()


class _Tokens(msgspec.Struct, frozen=True):
    tokens: list[int]


class _ForcedToken(msgspec.Struct, frozen=True):
    id: int
    logprob: float


class _Forced(msgspec.Struct, frozen=True):
    completion_probabilities: list[_ForcedToken]


class _Timed(msgspec.Struct, frozen=True):
    timings: _Timings


class Speed(NamedTuple):
    """Tokens a second; None where the server does not say."""

    read: float | None
    written: float | None


_Decoded = TypeVar("_Decoded")


class ModelReply(NamedTuple):
    """What a language model said.

    Attributes:
        text: as it said it.
        model: the name it goes by.
        tokens: of the text; 0 where the server does not say.
        tokens_per_second: of the text, without the prompt; None where the server does not say.
        chances: bytes of each token and the natural logarithm of its probability, before a grammar forbids others.
    """

    text: str
    model: str
    tokens: int = 0
    tokens_per_second: float | None = None
    chances: tuple[tuple[bytes, float], ...] = ()


class LanguageModelClient:
    """Asks one server.

    Args:
        url: of the server, with or without `/v1`; its password, if any, is the API key.
        where: what named it, for messages.

    Raises:
        InputError: an address that is none, or one beyond this machine without TLS.
    """

    def __init__(self, url: str, where: str) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            known = parts.scheme in ("http", "https") and parts.hostname is not None and parts.port != 0
        except ValueError:
            known = False
        if not known:
            raise InputError("the address of a server such as http://127.0.0.1:8080", repr(url[:100]), where)
        require_loopback_or_tls(parts.hostname or "", parts.scheme == "https", where)
        self._address: SplitResult = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        self._key = parts.password or os.environ.get(KEY_VARIABLE, "")
        if not (self._key.isascii() and self._key.isprintable()):
            raise InputError("a key of printable ASCII characters", "other characters", KEY_VARIABLE)
        self._base = parts.path.rstrip("/").removesuffix(_CHAT).removesuffix("/v1")

    def chat(
        self,
        messages: Sequence[Mapping[str, str]],
        deadline: float,
        *,
        model: str = "",
        max_tokens: int,
        **options: Any,  # noqa: ANN401 - of the protocol
    ) -> ModelReply:
        """Return the answer of the model to a conversation, always the likeliest words.

        Args:
            messages: with `role` and `content`.
            deadline: by `time.monotonic()`, for all of the reply.
            model: its name there; '' leaves it to the server.
            max_tokens: of the answer.
            options: further ones of the protocol, such as `response_format` or llama.cpp's `grammar`.

        Raises:
            OutputError: the server is not there, stalls, or says something else.
        """
        body = {"messages": messages, "temperature": 0, "max_tokens": max_tokens, "stream": False, **options}
        status, reply = self._post(f"/v1{_CHAT}", {**body, **({"model": model} if model else {})}, deadline)
        unnamed = model or "the server's model"
        try:
            if status in _ABSENT:
                prompt = "\n\n".join(message["content"] for message in messages) + "\nAnswer:"
                order = {"prompt": prompt, "temperature": 0, "n_predict": max_tokens, "stream": False}
                status, reply = self._post("/completion", order, deadline)
                if status == 200:
                    completion = msgspec.json.decode(reply, type=_Completion)
                    return ModelReply(completion.content, completion.model or unnamed, *_speed(completion.timings))
            if status == 200:
                chat = msgspec.json.decode(reply, type=_Chat)
                if chat.choices:
                    choice = chat.choices[0]
                    chances = (choice.logprobs.content if choice.logprobs else None) or ()
                    return ModelReply(
                        choice.message.content or "", chat.model or unnamed, *_speed(chat.timings),
                        tuple((_bytes(chance), chance.logprob) for chance in chances),
                    )  # fmt: skip
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._failed(f"something else ({error})") from None
        raise self._failed(_refusal(status, reply) if status != 200 else "no choices")

    def tokens(self, text: str, deadline: float) -> list[int]:
        """Return the tokens of a text; of llama.cpp's server alone, as the two below.

        Raises:
            OutputError: as `chat`.
        """
        return self._decoded("/tokenize", {"content": text, "add_special": False}, deadline, _Tokens).tokens

    def log_chances(self, before: Sequence[int], following: Sequence[int], deadline: float) -> list[float]:
        """Return the natural logarithm of the probability of each following token, given all before it.

        A grammar of token numbers makes the model write just these, and the server says how likely each was without it.

        Raises:
            OutputError: as `chat`, or other tokens come back.
        """
        begin = self._decoded("/tokenize", {"content": "", "add_special": True}, deadline, _Tokens).tokens
        order = {
            "prompt": [*begin, *before], "n_predict": len(following), "n_probs": 1, "temperature": 0, "samplers": [],
            "grammar": "root ::= " + " ".join(f"<[{token}]>" for token in following),
            "response_fields": ["completion_probabilities"],
        }  # fmt: skip
        forced = self._decoded("/completion", order, deadline, _Forced).completion_probabilities
        if [token.id for token in forced] != list(following):
            raise self._failed("other tokens than the grammar allows")
        return [token.logprob for token in forced]

    def speed(self, prompt: Sequence[int], count: int, deadline: float) -> Speed:
        """Return how fast tokens are read and written.

        Raises:
            OutputError: as `chat`.
        """
        order = {"prompt": prompt, "n_predict": count, "temperature": 0, "ignore_eos": True, "cache_prompt": False,
                 "response_fields": ["timings"]}  # fmt: skip
        timings = self._decoded("/completion", order, deadline, _Timed).timings
        return Speed(timings.prompt_per_second, timings.predicted_per_second)

    def _decoded(self, path: str, order: Mapping[str, Any], deadline: float, form: type[_Decoded]) -> _Decoded:
        status, reply = self._post(path, order, deadline)
        if status != 200:
            raise self._failed(_refusal(status, reply))
        try:
            return msgspec.json.decode(reply, type=form)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._failed(f"something else ({error})") from None

    def _post(self, path: str, order: Mapping[str, Any], deadline: float) -> tuple[int, bytes]:
        """Return status and body, before the deadline: the whole reply and not each piece of it."""
        host, port = self._address.hostname or "", self._address.port
        left = deadline - time.monotonic()
        if left <= 0:
            raise self._failed("no answer in time")
        connection: http.client.HTTPConnection
        if self._address.scheme == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=left, context=ssl.create_default_context())
        else:
            connection = http.client.HTTPConnection(host, port, timeout=left)
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            connection.request("POST", self._base + path, msgspec.json.encode(order), headers)
            answer = connection.getresponse()
            content = b""
            while piece := answer.read1(1 << 16):
                content += piece
                if len(content) > LARGEST_REPLY:
                    raise self._failed(f"more than {LARGEST_REPLY >> 20} MB")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                if connection.sock is not None:
                    connection.sock.settimeout(left)
            return answer.status, content
        except TimeoutError:
            raise self._failed("no answer in time") from None
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(getattr(error, "strerror", None) or str(error) or type(error).__name__) from None
        finally:
            connection.close()

    def _failed(self, got: str) -> OutputError:
        return OutputError("an answer of a language model", got, f"{self._address.scheme}://{self._address.netloc}",
                           "Start the server, or do without the language model")  # fmt: skip


def _speed(timings: _Timings) -> tuple[int, float | None]:
    return timings.predicted_n, timings.predicted_per_second


def _bytes(chance: _TokenChance) -> bytes:
    """Return the bytes of a token, of which several may be one character."""
    return chance.token.encode() if chance.bytes is None else bytes(chance.bytes)


def _refusal(status: int, reply: bytes) -> str:
    """Return the status and why, if the server says so."""
    try:
        message = msgspec.json.decode(reply, type=_Refusal).error.message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = ""
    return f"status {status}" + (f": {message[:200]}" if message.isprintable() and message else "")
