"""The client of a language model's server: OpenAI's chat protocol, and llama.cpp's own where that is missing.

Any server that speaks the chat protocol will do (llama.cpp, Ollama, vLLM). What leaves this machine leaves it by TLS.
"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from edgewright.core.errors import LanguageModelMissingError, OutputError
from edgewright.core.formatting import printable
from edgewright.core.request_origin import free_port
from edgewright.device.sinks import require_loopback_or_tls

LARGEST_REPLY = 1 << 20
KEY_VARIABLE = "EDGEWRIGHT_API_KEY"
"""Environment variable with the server's API key; users can read the arguments of each other's processes."""
_ABSENT = (404, 405, 501)
_CHAT = "/chat/completions"

_Decoded = TypeVar("_Decoded")


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


class _ForcedTokens(msgspec.Struct, frozen=True):
    completion_probabilities: list[_ForcedToken]


class _TimedReply(msgspec.Struct, frozen=True):
    timings: _Timings


class Speed(NamedTuple):
    """Tokens per second of the prompt and of the completion; None if the server does not report them."""

    prompt: float | None
    completion: float | None


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
            raise LanguageModelMissingError(
                "the address of a server such as http://127.0.0.1:8080", repr(url[:100]), where
            )
        require_loopback_or_tls(parts.hostname or "", parts.scheme == "https", where)
        self._address: SplitResult = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        self._key = parts.password or os.environ.get(KEY_VARIABLE, "")
        if not (self._key.isascii() and self._key.isprintable()):
            raise LanguageModelMissingError("a key of printable ASCII characters", "other characters", KEY_VARIABLE)
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

    def tokenize(self, text: str, deadline: float) -> list[int]:
        """Return the tokens of a text. Only llama.cpp's server supports this and the two methods below.

        Raises:
            OutputError: as `chat`.
        """
        return self._decode("/tokenize", {"content": text, "add_special": False}, deadline, _Tokens).tokens

    def log_probabilities(self, prompt: Sequence[int], completion: Sequence[int], deadline: float) -> list[float]:
        """Return the natural logarithm of the probability of each token of a completion, given all tokens before it.

        A grammar of token numbers forces the completion; the server reports the probabilities without the grammar.

        Raises:
            OutputError: as `chat`, or the server returns other tokens.
        """
        first = self._decode("/tokenize", {"content": "", "add_special": True}, deadline, _Tokens).tokens
        order = {
            "prompt": [*first, *prompt], "n_predict": len(completion), "n_probs": 1, "temperature": 0, "samplers": [],
            "grammar": "root ::= " + " ".join(f"<[{token}]>" for token in completion),
            "response_fields": ["completion_probabilities"],
        }  # fmt: skip
        forced = self._decode("/completion", order, deadline, _ForcedTokens).completion_probabilities
        if [token.id for token in forced] != list(completion):
            raise self._failed("other tokens than the grammar allows")
        return [token.logprob for token in forced]

    def measure_speed(self, prompt: Sequence[int], tokens: int, deadline: float) -> Speed:
        """Measure the speed of reading a prompt and of writing a number of tokens.

        Raises:
            OutputError: as `chat`.
        """
        order = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "ignore_eos": True, "cache_prompt": False,
                 "response_fields": ["timings"]}  # fmt: skip
        timings = self._decode("/completion", order, deadline, _TimedReply).timings
        return Speed(timings.prompt_per_second, timings.predicted_per_second)

    def _decode(self, path: str, order: Mapping[str, Any], deadline: float, form: type[_Decoded]) -> _Decoded:
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


PROGRAM = "llama-server"
CONTEXT = 4096
"""Tokens of prompt and answer at most: memory grows with them, and models take up to a million."""
_HOST = "127.0.0.1"
_PAUSE_S, _END_S = 0.1, 5.0
_LOG_BYTES = 1 << 16


class RunningModel(NamedTuple):
    """A server that has loaded its model.

    Attributes:
        address: address with the API key as the password.
        process: process number.
    """

    address: str
    process: int

    @property
    def origin(self) -> str:
        """Address without the key."""
        return f"http://{urlsplit(self.address).hostname}:{urlsplit(self.address).port}/"

    @property
    def key(self) -> str:
        """API key."""
        return urlsplit(self.address).password or ""

    def wait(self) -> NoReturn:
        """Wait for a signal, which raises `KeyboardInterrupt` or ends this process.

        Raises:
            OutputError: the server ends first.
        """
        raise OutputError("llama.cpp to run", f"it ended with status {os.waitpid(self.process, 0)[1]}", self.origin)

    def peak_bytes(self) -> int | None:
        """Return the largest resident memory so far, weights included; None where the system does not say."""
        try:
            status = Path(f"/proc/{self.process}/status").read_text(encoding="utf-8")
        except OSError:
            return None
        return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), None)


@contextmanager
def served(model: Path, seconds: float, port: int = 0) -> Iterator[RunningModel]:
    """Start a server for a model, yield it when it has loaded the model, and end it.

    It is `llama-server` of the PATH, else llama.cpp of the package xllamacpp.

    Args:
        model: GGUF file.
        seconds: for loading.
        port: to listen on; 0 takes a free one.

    Raises:
        InputError: neither is installed.
        OutputError: it ends, or does not load the model in time.
    """
    port = port or free_port(_HOST, 0)
    options = ["--model", str(model), "--host", _HOST, "--port", str(port), "--ctx-size", str(CONTEXT)]
    options += ["--parallel", "1", "--threads", str(_threads())]
    command, key = [*_program(model), *options], secrets.token_urlsafe(32)
    # Other users of the machine reach the port and read the arguments of a process, but not its environment.
    environment = {**os.environ, "LLAMA_API_KEY": key}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        try:
            deadline = time.monotonic() + seconds
            while not _is_ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise OutputError(f"llama.cpp to load {model.name}", _reason(log), str(model),
                                      "Try another file, or a longer --wait")  # fmt: skip
                time.sleep(_PAUSE_S)
            yield RunningModel(f"http://:{key}@{_HOST}:{port}", process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _program(model: Path) -> list[str]:
    program = shutil.which(PROGRAM)
    if program is not None:
        return [program]
    if find_spec("xllamacpp") is None:
        raise LanguageModelMissingError(
            f"llama.cpp, which runs {model.name}",
            f"no {PROGRAM} on the PATH and no package xllamacpp",
            "",
            "Install edgewright[llm], or llama.cpp",
        )
    return [sys.executable, "-m", "edgewright.language.language_models._engine"]


def _threads() -> int:
    """Return the threads of the model: OMP_NUM_THREADS, else the processors that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(_HOST, port, timeout=2)
    try:
        connection.request("GET", "/health")
        # 503 while it loads.
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reason(log: IO[bytes]) -> str:
    """Return the first error that the program printed, else its last line."""
    log.seek(0)
    lines = log.read()[-_LOG_BYTES:].decode("utf-8", "replace").split("\n")
    printed = [" ".join(printable(line, " ").split()) for line in lines]
    errors = [line for line in printed if " E " in line or "error" in line.lower()]
    return (errors[:1] or [line for line in printed if line][-1:] or ["no answer"])[0][:200]
