"""A studio over a folder of records, without a server, for tests of its pages."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
from starlette.applications import Starlette

from edgewright.core.records.trace import Trace
from edgewright.studio.access import StudioAccess, owner_access
from edgewright.studio.server import studio_app
from edgewright.trace.page_model import write_trace
from trace_example import trace

PORT = 8797
HERE = f"http://127.0.0.1:{PORT}"
HOSTILE = '<img src=x onerror="alert(1)">'


def record(runs: Path, path: str, **changes: object) -> Trace:
    """Return a run folder that holds a record and nothing else."""
    changed = msgspec.structs.replace(trace(), **{"name": path.rpartition("/")[2], **changes})
    (runs / path).mkdir(parents=True)
    write_trace(changed, runs / path / "trace.json")
    return changed


class Client:
    """A browser of the studio: it follows no redirects and says where its forms come from.

    Args:
        app: of the studio.
        session: value of its cookie; empty for a browser that is not signed in.
    """

    def __init__(self, app: Starlette, session: str = "") -> None:
        self.app, self.headers = app, {"origin": HERE}
        if session:
            self.headers["cookie"] = f"edgewright-studio-{PORT}={session}"

    def request(self, method: str, address: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes it
        """One request; `headers` are sent besides those of every request."""
        headers = {**self.headers, **more.pop("headers", {})}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=HERE) as browser:
                return await browser.request(method, address, headers=headers, **more)

        # In a thread of its own: where tests of pages in a browser ran before, this one has a loop that goes on.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(ask())).result()

    def get(self, address: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes it
        """Read."""
        return self.request("GET", address, **more)

    def post(self, address: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes it
        """Change."""
        return self.request("POST", address, **more)


def owner_session(access: StudioAccess) -> str:
    """Return the cookie of a browser that the owner signed in."""
    assert access.owner is not None
    return access.sessions.open_session(access.owner.token)


def client(runs: Path, fleet: Path | None = None, **more: int) -> Client:
    """Return the owner's browser of a studio over a folder of runs, and over a fleet where one is named."""
    access = owner_access()
    return Client(studio_app(runs, PORT, access, fleet=fleet, **more), owner_session(access))
