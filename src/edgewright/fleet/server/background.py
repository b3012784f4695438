"""What runs beside the endpoints: threads that work while a server serves."""

from __future__ import annotations

from collections.abc import Callable

from edgewright.fleet.server import log, retention
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.rollouts import worker

Stop = Callable[[], None]
PARTS: tuple[Callable[[Plane], Stop], ...] = (retention.start, worker.start)
"""What a server starts, in this order; each returns what stops it."""


def start(plane: Plane) -> Stop:
    """Start every part; what is returned stops them in the opposite order.

    Raises:
        EdgewrightError: one could not start; those before it are stopped.
    """
    stops: list[Stop] = []

    def stop() -> None:
        while stops:
            try:
                stops.pop()()
            except Exception as error:  # noqa: BLE001 - the others are to be stopped too
                log.broken(error, "stopping")

    try:
        for part in PARTS:
            stops.append(part(plane))  # noqa: PERF401 - those before a failure must be known
    except BaseException:
        stop()
        raise
    return stop
