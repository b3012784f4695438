"""Devices that hand over backlogs through a broker, and a control plane in this process that takes them from there."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.fleet.device.bulk_transport import Bulk
from edgewright.fleet.device.control_client import HttpControl
from edgewright.fleet.device.mqtt_client import Waker
from edgewright.fleet.device.ports import Facts
from edgewright.fleet.device.reports import ReportTeller
from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.system_ports import Clocks, Luck
from edgewright.fleet.protocol.ports import Answer, Transport, Unreachable
from edgewright.fleet.protocol.wire.signing import public_text
from edgewright.fleet.server.api import asgi_transport
from edgewright.fleet.server.api.app import App
from edgewright.fleet.server.control_plane import Limits
from edgewright.fleet.server.mqtt.consumer import WINDOW, Taker
from edgewright.schema.fleet_report import Enrolment, Vitals
from edgewright.schema.store import Item
from fleet_plane import PRODUCT, plane_of

T = TypeVar("T")
PATIENCE = 60.0
AT_ONCE = 20
QUICK = Limits(requests=1000.0, burst=10_000.0, apart=0.01)


def until(true: Callable[[], object], told: Callable[[], object] = lambda: "") -> None:
    """Waits, long enough for a machine that is busy."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, told()
        time.sleep(0.01)


def facts() -> Facts:
    """What a device has to say to which nothing happens."""
    return Facts(
        counter=1, floor=0, phase="idle", plan="", stage=-1, metadata={}, vitals=Vitals(windows=1), why="runs",
        product=PRODUCT, profile="pi", version="0.1.0", running=1.0,
    )  # fmt: skip


class Waiting:
    """An outbox: items that wait until they are durable on the other side."""

    def __init__(self, count: int = 0, size: int = 0) -> None:
        made = [
            Item(device="d", boot=1, sequence=n, kind="event", put=1.0, body={"number": n, "text": "x" * size})
            for n in range(1, count + 1)
        ]
        self.waiting = {(one.boot, one.sequence): one for one in made}
        self.refused: dict[tuple[int, int], str] = {}

    def urgent(self) -> bool:
        return bool(self.waiting)

    def backlog(self) -> bool:
        return bool(self.waiting)

    def offered(self) -> Sequence[msgspec.Raw]:
        return [msgspec.Raw(msgspec.json.encode(one)) for one in list(self.waiting.values())[:AT_ONCE]]

    def settle(self, durable: Sequence[tuple[int, int]]) -> None:
        for place in durable:
            self.waiting.pop(place, None)

    def refuse(self, place: tuple[int, int], why: str) -> None:
        self.refused[place] = why


class Served:
    """A control plane, its application and its taker, in a thread of their own; no network but the broker's."""

    def __init__(self, folder: Path, broker: str, window: int = WINDOW, limits: Limits = QUICK) -> None:
        self._scope = plane_of(folder, limits=limits)
        self.plane = self._scope.__enter__()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.app = App(self.plane)
        self.taker = Taker(broker, (PRODUCT,), window=window)
        self._takes = False
        self.away = False
        """Whether nobody answers over HTTPS."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def take(self) -> None:
        """From here on it hears the broker."""
        self.run(self.taker.start(self.plane, self.app))
        self._takes = True

    def ends(self) -> None:
        """From here on it does not; over HTTPS it says the key of answers all the same."""
        answers = self.plane.answers
        self.run(self.taker.stop())
        self.plane.answers, self._takes = answers, False

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        """As `Transport.exchange`, over what stands for HTTPS."""
        if self.away:
            raise Unreachable("nobody answers")
        status, found, content = self.run(asgi_transport.ask(self.app, method, path, headers, body))
        yield Answer(status=status, headers=found, body=iter((content,)))

    def metric(self, name: str, **labels: str) -> float:
        return self.plane.counted.registry.get_sample_value(f"edgewright_fleet_{name}_total", labels) or 0.0

    def carried(self) -> dict[str, float]:
        """Messages by what became of them."""
        return {what: self.metric("carried", what=what) for what in ("answered", "malformed", "unsent", "broken")}

    def close(self) -> None:
        if self._takes:
            self.run(self.taker.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()
        self._scope.__exit__(None, None, None)


class Carrying:
    """A device with an outbox, that reports through a broker where it may."""

    def __init__(
        self,
        folder: Path,
        https: Transport,
        token: str,
        broker: str,
        items: Waiting,
        patience: float = PATIENCE,
        product: str = PRODUCT,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.key, self.state, self.outbox = Ed25519PrivateKey.generate(), State.open(folder), items
        asked = Enrolment(token=token, key=public_text(self.key), name=folder.name, profile="pi", product=product)
        self.state.enrol(HttpControl(https, self.key).enrol(asked))
        self.id, clock, chance = self.state.link.device, Clocks(), Luck()
        self.waker = Waker(broker, product, lambda: None, self.id)
        self.bulk = Bulk(
            https, self.waker, self.key, self.id, clock, chance, bulky=items.backlog, note=self.state.note_broker,
            patience=patience,
        )  # fmt: skip
        self.control = HttpControl(self.bulk, self.key, self.id)
        self.teller = ReportTeller(self.state, self.control, clock, chance, outbox=items)

    def tell(self) -> int:
        """One report, now; whatever is due later counts as due. How many the broker has carried so far."""
        pace = self.teller._pace
        self.teller._last, pace.failures, pace.due = -1e9, 0, 0.0
        self.teller.tell(facts())
        return self.bulk.carried

    def learns(self) -> None:
        """A report over HTTPS, with the key of answers in its answer; then it is at the broker."""
        held, self.outbox.waiting = self.outbox.waiting, {}
        self.tell()
        self.outbox.waiting = held
        until(lambda: self.waker.connected)

    def drain(self) -> None:
        """Everything."""
        end = time.monotonic() + PATIENCE
        while self.outbox.waiting:
            assert time.monotonic() < end, (len(self.outbox.waiting), self.state.link)
            self.tell()

    def close(self) -> None:
        self.waker.close()
        self.state.close()
