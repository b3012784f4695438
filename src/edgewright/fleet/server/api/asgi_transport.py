"""A request to an application of this process, without a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp


async def ask(
    app: ASGIApp, method: str, path: str, headers: Mapping[str, str], body: bytes, **scope: object
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and content of the answer.

    Args:
        app: that answers.
        method: such as 'POST'.
        path: with its query.
        headers: of the request; length and host are added.
        body: of the request.
        scope: further keys of the ASGI scope.
    """
    parts = urlsplit(path)
    told = [
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in headers.items()
    ]
    given: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(parts.path), "raw_path": parts.path.encode(), "query_string": parts.query.encode(),
        "root_path": "", "headers": [(b"host", b"fleet"), (b"content-length", str(len(body)).encode()), *told],
        "server": ("fleet", 80), "client": None, **scope,
    }  # fmt: skip
    status, found, content, asked = 500, dict[str, str](), list[bytes](), False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 - of ASGI
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            found.update(
                {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]}
            )
        else:
            content.append(message.get("body", b""))

    await app(given, receive, send)
    return status, found, b"".join(content)
