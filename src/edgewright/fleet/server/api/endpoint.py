"""What an endpoint is: a file of `endpoints` offers `ENDPOINTS`, and the application does the rest."""

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

from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database import audit_chain
from edgewright.schema.errors import EdgewrightError, InputError

T = TypeVar("T")
Who = Literal["anyone", "device", "enrolling", "viewer", "operator", "admin"]
RANK = {"viewer": 1, "operator": 2, "admin": 3}


class RefusedError(EdgewrightError):
    """A refusal with a status of its own.

    Args:
        status: of HTTP.
        wait: seconds after which to ask again, said as Retry-After; 0 for never.
    """

    def __init__(
        self, status: int, expected: str, got: str = "", where: str = "", do: str = "", wait: float = 0.0
    ) -> None:
        super().__init__(expected, got, where, do)
        self.status, self.wait = status, wait


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is no JSON of a type."""

    body: bytes
    kind: str


@dataclass
class Call:
    """One request, checked: who asks, and what.

    Attributes:
        device: its row as it was when the signature was checked; of endpoints for devices.
        operator, role: who asks; of endpoints for operators.
        path: parameters of the path. `query`, `body`: of the endpoint's types.
        content: the body's bytes.
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

    @property
    def now(self) -> float:
        """Seconds since 1970 by the server's clock."""
        return self.plane.clock.wall()

    async def commit(self, work: Callable[[sa.Connection], T]) -> T:
        """Run an operation in the next group and wait until it is durable.

        Raises:
            BusyError: too many wait.
            EdgewrightError: what the operation raised; `OutputError` where the disk failed.
        """
        return await asyncio.wrap_future(self.plane.committer.submit(work))

    async def act(
        self, what: str, subject: str, work: Callable[[sa.Connection], T], detail: dict[str, Any] | None = None
    ) -> T:
        """Return an operator's act: the operation and its row in the audit log, in one transaction."""
        at = self.now

        def both(connection: sa.Connection) -> T:
            done = work(connection)
            audit_chain.append(connection, at=at, who=self.operator, what=what, subject=subject, detail=detail)
            return done

        return await self.commit(both)

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a query on a connection for reading, off the event loop."""

        def reading() -> T:
            with self.plane.database.reading() as connection:
                return work(connection)

        return await asyncio.to_thread(reading)


@dataclass(frozen=True)
class Endpoint:
    """One method of one path.

    Attributes:
        path: with parameters as `{name}`, which are single parts of a path.
        summary: a sentence for the description.
        who: may ask.
        takes, query: types of body and of the query's parameters; None for none.
        gives: type of the answer; `Raw` for one that is no JSON.
        parameters: pattern of each parameter of the path.
        errors: statuses besides those that every endpoint of its kind has.
        largest: bytes of the body; 0 for `Limits.asked`.
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
    """Return those of all files in `endpoints`, by path and method."""
    package = "edgewright.fleet.server.api.endpoints"
    folder = str(resources.files(package))
    found = [
        endpoint
        for module in pkgutil.iter_modules([folder])
        if not module.name.startswith("_")
        for endpoint in importlib.import_module(f"{package}.{module.name}").ENDPOINTS
    ]
    places = [(endpoint.path, endpoint.method) for endpoint in found]
    if twice := {place for place in places if places.count(place) > 1}:
        raise RuntimeError(f"endpoints that are there twice: {sorted(twice)}")
    return tuple(sorted(found, key=lambda e: (e.path, e.method)))


def decoded(content: bytes, kind: type[T], where: str = "the body") -> T:
    """JSON of a type.

    Raises:
        InputError: it is not.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"JSON of {getattr(kind, '__name__', kind)}", str(error)[:300], where) from None
