"""`make bench-shadows`: messages a second through the shadow service, with a real broker, durable as in operation."""

from __future__ import annotations

import importlib
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.table import markdown
from edgewright.device.bus.rights import write_rights
from edgewright.device.bus.service import ShadowService
from edgewright.device.bus.settings import BrokerSettings, BusDevice, BusSettings, Service
from edgewright.device.bus.shadow_store import ShadowStore

_MESSAGES, _DEVICES, _KEYS, _PORT = 30_000, 50, 8, 18_883


def send(folder: Path, port: int) -> None:
    """Publish all messages with quality 1, in another process."""
    library: Any = importlib.import_module("paho.mqtt.client")
    client = library.Client(library.CallbackAPIVersion.VERSION2)
    client.username_pw_set("sender", (folder / "broker" / "secrets" / "sender").read_text().strip())
    client.max_inflight_messages_set(2000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    while not client.is_connected():
        time.sleep(0.01)
    for number in range(_MESSAGES):
        device, key = number % _DEVICES, number // _DEVICES % _KEYS
        last = client.publish(f"home/shadow/device-{device}/desired", f'{{"key{key}": {number}}}', qos=1)
    last.wait_for_publish(120)
    client.disconnect()


def main() -> int:
    """Print the table."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("SHADOWS_DIR")) as name:
        folder = Path(name)
        devices = {f"device-{number}": BusDevice() for number in range(_DEVICES)}
        services = {"sender": Service(publish=("home/shadow/+/desired",))}
        secret = str(folder / "broker" / "secrets" / "shadow")
        settings = BusSettings(
            services=services, devices=devices, broker=BrokerSettings(port=_PORT, password_file=secret)
        )
        write_rights(settings, folder / "broker")
        command = ["/usr/sbin/mosquitto", "-c", str(folder / "broker" / "mosquitto.conf")]
        broker = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(1.0)
        try:
            rows = _measure(settings, folder)
        finally:
            broker.terminate()
            broker.wait()
    print(markdown(["what", "measured"], rows))
    return 0


def _measure(settings: BusSettings, folder: Path) -> list[list[str]]:
    store, ready = ShadowStore(folder / "store"), threading.Event()
    commits, flush = [0], store.save

    def counted(changed: Any) -> None:  # noqa: ANN401 - as `save`
        commits[0] += 1
        flush(changed)

    store.save = counted  # type: ignore[method-assign]
    service = ShadowService(settings, store, "0")
    sender: list[subprocess.Popen[bytes]] = []
    moments: list[tuple[float, float]] = []

    def stop() -> bool:
        if service.received >= _MESSAGES:
            moments.append((time.perf_counter(), _processor()))
            return True
        return False

    def begin() -> None:
        ready.set()
        sender.append(subprocess.Popen([sys.executable, "-m", "benchmarks.shadows", str(folder), str(_PORT)]))
        moments.append((time.perf_counter(), _processor()))

    service.run(stop, begin)
    sender[0].wait(60)
    (began, before), (ended, after) = moments[0], moments[-1]
    known = ShadowStore(folder / "store", writable=False).load()
    right = sum(len(one.registers) for one in known.values()) == _DEVICES * _KEYS
    return [
        ["messages, quality 1, one key each", f"{_MESSAGES:,} to {_DEVICES} shadows of {_KEYS} keys"],
        ["processor time of the service a message", f"{1e6 * (after - before) / _MESSAGES:.0f} µs"],
        ["messages a second of processor time", f"{_MESSAGES / (after - before):,.0f}"],
        ["messages a second of wall time, sender and broker beside it", f"{_MESSAGES / (ended - began):,.0f}"],
        ["flushed commits, each before its acknowledgements", f"{commits[0]:,}"],
        ["all values in the store", "yes" if right else "NO"],
    ]


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    if len(sys.argv) > 1:
        send(Path(sys.argv[1]), int(sys.argv[2]))
        sys.exit(0)
    sys.exit(main())
