"""What runs beside the endpoints: parts that decide, and parts that do something by themselves while a server serves.

A part is a module of this room. It may offer `attach(plane)`, called wherever the control plane is opened (a server, an
operator's command on the folder), and `start(plane)`, called by a server only, which gives what stops it again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

from edgewright.fleet.server import log
from edgewright.fleet.server.control_plane import Plane

PARTS: tuple[str, ...] = ("retention", "rollouts.worker")
Stop = Callable[[], None]


def _parts() -> list[ModuleType]:
    here = __name__.rpartition(".")[0]
    return [importlib.import_module(f"{here}.{name}") for name in PARTS]


def attach(plane: Plane) -> Plane:
    """Lets every part put in what it decides."""
    for part in _parts():
        if hasattr(part, "attach"):
            part.attach(plane)
    return plane


def start(plane: Plane) -> Stop:
    """Starts every part that does something by itself; what is returned stops them in the opposite order.

    Raises:
        EdgewrightError: one could not start; those before it are stopped.
    """
    stops: list[Stop] = []

    def stop() -> None:
        while stops:
            one = stops.pop()
            try:
                one()
            except Exception as error:  # noqa: BLE001 - the others are to be stopped too
                log.broken(error, "stopping")

    try:
        for part in _parts():
            if hasattr(part, "start"):
                stops.append(part.start(plane))  # noqa: PERF401 - those before a failure must be known
    except BaseException:
        stop()
        raise
    return stop
