"""What a broker is to a device that has enrolled: news come from it, and reports of a backlog go through it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.system_ports import Clocks, Luck
from edgewright.fleet.protocol.ports import Transport


def checked(url: str) -> None:
    """Looks at the address of a broker, before there is anything to say there.

    Raises:
        InputError: no such address.
    """
    if url:
        from edgewright.fleet.protocol.wire.broker import checked_broker  # noqa: PLC0415

        checked_broker(url)


def listening(
    url: str, ca_file: str, product: str, state: State, news: Callable[[], None], bulky: Callable[[], bool],
    say: Callable[[str], None], https: Transport, key: Ed25519PrivateKey, stack: ExitStack,
) -> Transport:  # fmt: skip
    """Connects where a broker is named; the transport that reports then take.

    Args:
        url: of the broker; empty for none.
        ca_file: certificates trusted instead of the system's.
        product: that the device follows.
        state: of the device, which has its id.
        news: called, from another thread, some seconds after each sign that there may be news.
        bulky: whether much waits to be handed over.
        say: takes a line where it changes why reports do not go over the broker.
        https: to the control plane.
        key: of the device.
        stack: ends the connection.

    Raises:
        InputError: no such address.
    """
    if not url:
        return https
    # Few devices need them.
    from edgewright.fleet.device.bulk_transport import Bulk  # noqa: PLC0415
    from edgewright.fleet.device.mqtt_client import SPREAD, Waker  # noqa: PLC0415

    def heard() -> None:
        # Many hear it at once: each asks a little later, somewhere.
        later = threading.Timer(SPREAD * Luck().share(), news)
        later.daemon = True
        later.start()

    def note(why: str) -> None:
        if state.note_broker(why):
            say(f"the broker: {why}; reports go over HTTPS" if why else "reports of a backlog go over the broker")

    waker = Waker(url, product, heard, state.link.device, ca_file)
    stack.callback(waker.close)
    return Bulk(https, waker, key, state.link.device, Clocks(), Luck(), bulky=bulky, note=note)
