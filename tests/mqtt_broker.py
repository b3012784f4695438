"""A Mosquitto that a test starts, kills and starts again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from support import left_out


def broker_until(folder: Path, stack: ExitStack) -> Broker:
    """One that ends with the stack; the test is left out where Mosquitto or its client is not installed."""
    if not shutil.which("mosquitto", path="/usr/sbin:/usr/bin") or not shutil.which("mosquitto_pub"):
        left_out("mosquitto and mosquitto_pub are not installed")
    broker = Broker(folder)
    stack.callback(broker.stop)
    return broker


class Broker:
    """A Mosquitto of our own, at a port of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.config = folder / "mosquitto.conf"
        self.config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self.start()

    def start(self) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen(
            [program, "-c", str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("mosquitto does not start")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def send(self, topic: str, message: bytes | str, *more: str) -> None:
        data = message.encode() if isinstance(message, str) else message
        subprocess.run(
            ["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", topic, "-s", *more],
            input=data,
            check=True,
            timeout=10,
        )
