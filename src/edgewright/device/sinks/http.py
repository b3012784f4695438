"""POST of JSON lines; the answer names what is durable there."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from edgewright.core.errors import InputError, OutputError, SinkSettingsError
from edgewright.core.files import os_errors
from edgewright.device.sinks import Sink, SinkConfig, SinkKind, acknowledgement, lines, require_loopback_or_tls
from edgewright.device.store.records import OutboxItem, Position

_LARGEST_ANSWER = 1 << 20


class HttpConfig(SinkConfig, frozen=True, kw_only=True):
    """Settings.

    Attributes:
        url: where to; https, or http on this machine.
        timeout: seconds for the whole of an exchange's steps, each.
        token_file: file with a token for the header `Authorization: Bearer`; empty for none.
        ca_file: certificates that are trusted instead of the system's; empty for the system's.
    """

    url: str
    timeout: float = 20.0
    token_file: str = ""
    ca_file: str = ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What leaves goes where the settings say and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


class _Http(Sink):
    def __init__(self, config: HttpConfig) -> None:
        parts = urllib.parse.urlsplit(config.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise SinkSettingsError("an address https://HOST/PATH", repr(config.url), "[[sink]] url")
        require_loopback_or_tls(parts.hostname, parts.scheme == "https", "[[sink]] url")
        self._config = config
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect(), urllib.request.ProxyHandler({})]
        if parts.scheme == "https":
            with os_errors(InputError, "certificates in PEM", config.ca_file or "[[sink]]"):
                context = ssl.create_default_context(cafile=config.ca_file or None)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def send(self, device: str, batch: Sequence[OutboxItem]) -> Sequence[Position]:
        """One POST."""
        headers = {"Content-Type": "application/jsonl", "Edgewright-Device": device}
        if self._config.token_file:
            headers["Authorization"] = f"Bearer {_token(self._config.token_file)}"
        request = urllib.request.Request(self._config.url, lines(batch), headers, method="POST")  # noqa: S310 - checked
        try:
            with self._opener.open(request, timeout=self._config.timeout) as answer:
                content: bytes = answer.read(_LARGEST_ANSWER)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
            raise OutputError("an answer", str(error), self._config.url) from None
        return acknowledgement(content, self._config.url).durable


def _token(path: str) -> str:
    """Return a token; no message may quote it."""
    with os_errors(InputError, "a file with a token", path):
        content = Path(path).read_bytes().strip()
    if not content.isascii() or not content.decode("ascii").isprintable():
        raise SinkSettingsError("a token in one line of printable ASCII", "another text", path)
    return content.decode("ascii")


SINK = SinkKind(HttpConfig, _Http, HttpConfig(url="https://gateway.example/items"))
