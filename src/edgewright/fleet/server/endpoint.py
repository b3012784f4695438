"""Definition of endpoints: each module of `endpoints` defines `ENDPOINTS`, which the application serves."""

from __future__ import annotations

import asyncio
import functools
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal, TypeVar

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import EdgewrightError, RequestError
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database import tables

T = TypeVar("T")
Who = Literal["anyone", "device", "enrolling", "viewer", "operator", "admin"]
DEVICE_ID = {"id": r"[0-9a-f]{32}"}
"""Parameters of a path with a device."""
RANK = {"viewer": 1, "operator": 2, "admin": 3}


class RefusedError(EdgewrightError):
    """A refusal with its own HTTP status.

    Args:
        status: HTTP status.
        wait: seconds for the header Retry-After; 0 for none.
    """

    def __init__(
        self, status: int, expected: str, got: str = "", where: str = "", do: str = "", wait: float = 0.0
    ) -> None:
        super().__init__(expected, got, where, do)
        self.status, self.wait = status, wait


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not typed JSON."""

    body: bytes
    kind: str


@dataclass
class Call:
    """One authenticated and decoded request.

    Attributes:
        device: id of the authenticated device, for endpoints for devices.
        operator, role: name and role of the operator, for endpoints for operators.
        client: address that limits count; of IPv6 its /64.
        path: parameters of the path.
        query, body: decoded query and body, of the endpoint's types.
        content: bytes of the body.
    """

    plane: Plane
    path: Mapping[str, str] = field(default_factory=dict)
    query: Any = None
    body: Any = None
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    target: str = "/"
    device: Mapping[str, Any] | None = None
    operator: str = ""
    role: str = ""
    client: str = ""

    @property
    def now(self) -> float:
        """Seconds since 1970 by the server's clock."""
        return self.plane.clock.wall()

    async def commit(self, work: Callable[[sa.Connection], T]) -> T:
        """Run an operation in the next group commit and wait until it is durable.

        Raises:
            BusyError: too many operations wait.
            EdgewrightError: the operation raised it; `OutputError` if the disk failed.
        """
        return await asyncio.wrap_future(self.plane.committer.submit(work))

    async def act(
        self, action: str, subject: str, work: Callable[[sa.Connection], T], detail: dict[str, Any] | None = None
    ) -> T:
        """Run an operator's operation and add its row to the audit log, in one transaction."""
        at = self.now

        def both(connection: sa.Connection) -> T:
            done = work(connection)
            tables.append_audit_row(connection, at=at, who=self.operator, action=action, subject=subject, detail=detail)
            return done

        return await self.commit(both)

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a query on a read-only connection, outside the event loop."""

        def reading() -> T:
            with self.plane.database.reading() as connection:
                return work(connection)

        return await asyncio.to_thread(reading)


@dataclass(frozen=True)
class Endpoint:
    """One method of one path.

    Attributes:
        path: path with parameters as `{name}`, each for one path segment.
        summary: a sentence for the API description.
        who: who may send requests.
        takes, query: types of the body and the query; None for none.
        gives: type of the answer; `Raw` for other content than JSON.
        parameters: pattern of each path parameter.
        errors: error statuses in addition to those that all endpoints of its kind have.
        largest: largest body in bytes; 0 for the default of `Limits`.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    who: Who
    handle: Callable[[Call], Awaitable[Any]]
    gives: Any
    takes: Any = None
    query: Any = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    status: int = 200
    largest: int = 0


@functools.cache
def endpoints() -> tuple[Endpoint, ...]:
    """Return the endpoints of all modules in `endpoints`, sorted by path and method."""
    package = "edgewright.fleet.server.api.endpoints"
    folder = str(resources.files(package))
    modules = [
        endpoint
        for module in pkgutil.iter_modules([folder])
        if not module.name.startswith("_")
        for endpoint in importlib.import_module(f"{package}.{module.name}").ENDPOINTS
    ]
    places = [(endpoint.path, endpoint.method) for endpoint in modules]
    if twice := {route for route in places if places.count(route) > 1}:
        raise RuntimeError(f"duplicate endpoints: {sorted(twice)}")
    return tuple(sorted(modules, key=lambda e: (e.path, e.method)))


def decoded(content: bytes, kind: type[T]) -> T:
    """Decode a body as JSON of a type.

    Raises:
        InputError: the content is not JSON of this type.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"JSON of {getattr(kind, '__name__', kind)}", str(error)[:300], "the body") from None
