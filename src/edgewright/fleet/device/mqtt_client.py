"""A device's one connection to a broker: news, and answers to the reports that it hands over there.

News say that there is something to ask for, never what. Without a broker polling goes on, and reports go over HTTPS.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import paho.mqtt.client as mqtt

from edgewright.fleet.protocol.ports import Answer, Unreachable
from edgewright.fleet.protocol.wire.broker import answer_topic, connect, hang_up, news_topic, report_topic

SPREAD = 10.0
"""Seconds over which woken devices spread their question."""
_WAITING, _FALSE = 16, 200
"""Answers that wait to be looked at, and how many false ones are looked at before the question is given up."""


class Waker:
    """Listens at a broker, and asks there.

    What it hears is not believed: whoever can speak on the topic of news can make devices ask, and no more; what is
    said on the topic of answers counts only where whoever asked finds it authentic.

    Args:
        url: mqtts://HOST[:PORT], or mqtt to this machine.
        product: whose news.
        wake: called, from another thread, at each message of news.
        device: id, and name of the connection: a broker may let it read its own answers only.
        ca_file: certificates trusted instead of the system's.

    Raises:
        InputError: no such address.
    """

    def __init__(self, url: str, product: str, wake: Callable[[], None], device: str, ca_file: str = "") -> None:
        self._news, self._answers = news_topic(product), answer_topic(product, device)
        self._reports, self._wake = report_topic(product, device), wake
        self._changed = threading.Condition()
        self._here = self._asking = False
        self._came: deque[bytes] = deque(maxlen=_WAITING)
        self._client = connect(url, device, ca_file, self._connected, self._heard, lost=self._lost)

    @property
    def connected(self) -> bool:
        """Whether the broker is there now."""
        return self._here

    def ask(self, message: bytes, believed: Callable[[bytes], Answer | None], seconds: float) -> Answer:
        """Hands a report to the broker and waits for its answer; one thread asks.

        Args:
            message: of the report.
            believed: what an answer says; None where it is not believed, and another is waited for.
            seconds: at most.

        Raises:
            Unreachable: no connection, it was lost meanwhile, or no answer that is believed came in time.
        """
        with self._changed:
            self._came.clear()
            self._asking = True
        until, false = time.monotonic() + seconds, 0
        try:
            if not self._here or self._client.publish(self._reports, message, qos=1).rc != mqtt.MQTT_ERR_SUCCESS:
                raise Unreachable("no connection to the broker")
            while false < _FALSE:
                came = self._next(until, false)
                answer = believed(came)
                if answer is not None:
                    return answer
                false += 1
            raise Unreachable("answers of the broker that are not the fleet's")
        finally:
            self._asking = False

    def close(self) -> None:
        """Hangs up."""
        hang_up(self._client)

    def _next(self, until: float, false: int) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._came or not self._here, max(0.0, until - time.monotonic()))
            if self._came:
                return self._came.popleft()
        if not self._here:
            raise Unreachable("the broker went away")
        raise Unreachable("answers of the broker that are not the fleet's" if false else "no answer over the broker")

    def _connected(self, client: mqtt.Client) -> None:
        client.subscribe([(self._news, 0), (self._answers, 0)])
        with self._changed:
            self._here = True
        # What was said while nobody listened is asked for now.
        self._wake()

    def _lost(self) -> None:
        with self._changed:
            self._here = False
            self._changed.notify_all()

    def _heard(self, message: mqtt.MQTTMessage) -> None:
        if message.topic != self._answers:
            self._wake()
            return
        with self._changed:
            if self._asking:
                self._came.append(bytes(message.payload))
                self._changed.notify_all()
