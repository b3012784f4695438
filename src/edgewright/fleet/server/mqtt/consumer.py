"""Takes reports that devices hand to a broker, no faster than they become durable, and answers on a device's own topic.

A report goes through the same application as one over HTTPS: signature, limits, crowd, commit. `WINDOW` of them are in
work at once; while they are, nothing more is read from the broker's connection, so that it holds what waits, or drops
it. (MQTT's own Receive Maximum says the same, but Mosquitto 2.0.11 sends as many again for each one that is
acknowledged.) Answers leave by a connection of their own, which goes on meanwhile. Nobody relies on the broker: a
report that it or a dying server loses is asked again by its device, over HTTPS.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.types import ASGIApp

from edgewright.fleet.protocol.wire.broker import answer_topic, connect, hang_up, report_topic
from edgewright.fleet.protocol.wire.broker_reports import LARGEST, PATH, ROOM, read_report, write_answer
from edgewright.fleet.server import log
from edgewright.fleet.server.api import asgi_transport
from edgewright.fleet.server.api.device_auth import signed_by
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.mqtt.answer_key import answer_key, public_text

WINDOW = 64
"""Reports at once: a quarter of the crowd, so that whatever a broker sends leaves room for HTTPS."""
_LOOK, _LOOKS = 0.05, 100
"""Seconds between two looks for room in the crowd, and how many: then the report hears when to come again."""
_PATIENCE = 5.0
_WHAT = ("answered", "malformed", "unsent", "broken")


class Taker:
    """One server's connection.

    Args:
        url: mqtts://HOST[:PORT], or mqtt to this machine.
        products: whose devices are heard.
        ca_file: certificates trusted instead of the system's; empty for the system's.
        window: reports at once.
    """

    def __init__(self, url: str, products: Sequence[str], ca_file: str = "", window: int = WINDOW) -> None:
        self._url, self._products, self._ca_file, self._window = url, tuple(products), ca_file, window
        self._room, self._closing, self._times = threading.Semaphore(window), False, 0
        self._unacknowledged: OrderedDict[int, bool] = OrderedDict()
        self._unsent: dict[int, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ear: mqtt.Client | None = None
        self._voice: mqtt.Client | None = None
        self._there: bool | None = None

    async def start(self, plane: Plane, app: ASGIApp) -> None:
        """Begins; a broker that is away is waited for by nobody.

        Args:
            plane: opened.
            app: that answers.

        Raises:
            InputError: no such address.
            OutputError: the database cannot be written.
        """
        self._plane, self._app, self._loop = plane, app, asyncio.get_running_loop()
        self._key: Ed25519PrivateKey = await asyncio.to_thread(answer_key, plane)
        for what in _WHAT:
            plane.counted.carried.labels(what)
        # Servers of one fleet share what comes; those of another that has the same products get their own copy.
        group = hashlib.sha256(public_text(self._key).encode()).hexdigest()[:16]
        self._topics = [f"$share/edgewright-{group}/{report_topic(product)}" for product in self._products]
        name = f"ew-fleet-{secrets.token_hex(6)}"
        self._voice = connect(
            self._url, f"{name}-out", self._ca_file, lambda _: None, lost=lambda: self._soon(self._never_sent)
        )
        self._voice.on_publish = lambda client, userdata, mid, *_: self._soon(self._sent, mid)
        self._ear = connect(
            self._url, f"{name}-in", self._ca_file, self._connected, self._heard, lost=lambda: self._soon(self._lost),
            failed=lambda: self._soon(self._stands, False), window=self._window, largest=LARGEST + ROOM,
        )  # fmt: skip
        plane.answers = public_text(self._key)

    async def stop(self) -> None:
        """Answers what it has begun, and hangs up."""
        if self._ear is None or self._voice is None:
            return
        self._plane.answers, self._closing = "", True
        self._room.release()  # whoever waits for room lets go
        await asyncio.to_thread(hang_up, self._ear)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PATIENCE)
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(hang_up, self._voice)

    def _soon(self, function: object, *arguments: object) -> None:
        """In the loop's thread; after the loop's end there is nobody left to be told."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)  # type: ignore[arg-type]
        except RuntimeError:
            return

    def _connected(self, client: mqtt.Client) -> None:
        self._soon(self._stands, True)
        client.subscribe([(topic, 1) for topic in self._topics])

    def _heard(self, message: mqtt.MQTTMessage) -> None:
        """In the connection's thread, which reads no further until there is room."""
        self._room.acquire()
        if self._closing:
            self._room.release()
        else:
            self._soon(self._begin, message.topic, bytes(message.payload), message.mid if message.qos else 0)

    def _begin(self, topic: str, payload: bytes, number: int) -> None:
        if number:
            self._unacknowledged[number] = False
        task = self._loop.create_task(self._one(topic, payload, number, self._times))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, topic: str, payload: bytes, number: int, times: int) -> None:
        try:
            what = await self._take(topic, payload)
        except Exception as error:  # noqa: BLE001 - a mistake of ours: told in the log, and the next one is taken
            log.broken(error, "a report of the broker")
            what = "broken"
        finally:
            self._room.release()
            if number and times == self._times:
                self._acknowledge(number)
        self._plane.counted.carried.labels(what).inc()

    async def _take(self, topic: str, payload: bytes) -> str:
        """What became of it."""
        place, read = topic.split("/"), read_report(payload)
        if read is None or len(place) != 4 or len(payload) > LARGEST + ROOM:
            return "malformed"
        _, product, _, device = place
        headers, body = read
        if signed_by(headers) != device:
            return "malformed"
        for _ in range(_LOOKS):
            if self._plane.crowd.here < self._plane.limits.crowd:
                break
            await asyncio.sleep(_LOOK)
        status, said, content = await asgi_transport.ask(self._app, "POST", PATH, headers, body)
        assert self._voice is not None  # noqa: S101 - both connections are there or none
        answer = write_answer(self._key, device, payload, status, said, content)
        sent = self._voice.publish(answer_topic(product, device), answer, qos=0)
        if sent.rc != mqtt.MQTT_ERR_SUCCESS:
            return "unsent"
        gone = self._unsent[sent.mid] = self._loop.create_future()
        await gone
        return "answered"

    def _acknowledge(self, number: int) -> None:
        """Tells the broker; MQTT wants it in the order in which messages came."""
        if self._ear is None or number not in self._unacknowledged:
            return
        self._unacknowledged[number] = True
        while self._unacknowledged:
            first, done = next(iter(self._unacknowledged.items()))
            if not done:
                return
            del self._unacknowledged[first]
            self._ear.ack(first, 1)

    def _sent(self, number: int) -> None:
        gone = self._unsent.pop(number, None)
        if gone is not None and not gone.done():
            gone.set_result(None)

    def _never_sent(self) -> None:
        """What was not written when the connection ended is written to nobody."""
        for number in tuple(self._unsent):
            self._sent(number)

    def _lost(self) -> None:
        """What came over the connection that ended is acknowledged to nobody."""
        self._stands(False)
        self._times += 1
        self._unacknowledged.clear()

    def _stands(self, there: bool) -> None:
        """Says in the log when a broker goes and when it is back, not at each try."""
        if there is not self._there and not self._closing:
            self._there = there
            log.line("info" if there else "warning", "broker.reached" if there else "broker.away")
