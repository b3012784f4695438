"""The control plane's parts in one place: what every endpoint is given."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from edgewright.fleet.protocol.ports import Clock, SystemClock
from edgewright.fleet.server.api.limits import ConcurrencyLimit
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.monitoring.counters import Counters


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one device may ask of the control plane, and how long things are kept.

    Attributes:
        requests, burst: a device's requests a second in the long run, and at once.
        bytes_a_day: of a device's bodies.
        report: largest body of a report; `asked`: of everything else. Bytes.
        seconds: for a body to arrive.
        keep: seconds for which reports are kept; `keep_items`: items of outboxes.
        wait: seconds after which a device's next report is welcome.
        apart: seconds between two parts of a backlog, while there is room.
        crowd, crowd_bytes: requests of devices that are answered at once, and their bodies together. As many as keep
            the disk busy; with more, each waits so long that bodies come too late and devices ask twice.
    """

    requests: float = 2.0
    burst: float = 60.0
    bytes_a_day: int = 256 << 20
    report: int = 1 << 20
    asked: int = 64 << 10
    seconds: float = 10.0
    keep: float = 30 * 86_400.0
    keep_items: float = 30 * 86_400.0
    wait: float = 60.0
    apart: float = 0.5
    crowd: int = 256
    crowd_bytes: int = 8 << 20


@dataclass
class Plane:
    """An open control plane.

    Attributes:
        folder: of the fleet; `folder / 'public'` is served.
        crowd: devices that are being heard.
        ready: reasons why it is not, by part; empty where it is.
        published: called, from the rounds' thread, after files were published; waits for nobody.
        extra: what parts with files of their own keep here, by their name.
    """

    folder: Path
    database: Database
    committer: Committer
    clock: Clock = field(default_factory=SystemClock)
    random: Callable[[int], bytes] = secrets.token_bytes
    limits: Limits = field(default_factory=Limits)
    counted: Counters = field(default_factory=Counters)
    ready: dict[str, str] = field(default_factory=dict)
    published: Callable[[], None] = lambda: None
    extra: dict[str, Any] = field(default_factory=dict)
    stopping: bool = False
    crowd: ConcurrencyLimit = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        self.crowd = ConcurrencyLimit(limits.crowd, limits.crowd_bytes, limits.apart, self.clock.monotonic)

    @property
    def public(self) -> Path:
        """The folder that any web server may serve instead."""
        return self.folder / "public"

    def close(self) -> None:
        """Write what waits and let go of the database."""
        self.stopping = True
        self.committer.close()
        self.database.close()


def open_plane(folder: Path, *, thread: bool = True, **settings: Any) -> Plane:  # noqa: ANN401 - fields of Plane
    """Open the control plane of a fleet's folder.

    Args:
        folder: of the fleet.
        thread: group commit in a thread of its own; without, each operation is committed by its caller.
        settings: fields of `Plane`.

    Raises:
        InputError: the database is newer than this program.
    """
    database = open_database(folder)
    plane = Plane(folder, database, Committer(database.writing, thread=thread), **settings)
    plane.committer.told = plane.counted.committed
    plane.counted.waiting = lambda: plane.committer.waiting
    return plane
