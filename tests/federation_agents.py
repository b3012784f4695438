"""Agents as processes that learn together, what passes between them and the server, and a search for raw data in it."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import misbehaving_learner
from board_fleet import COMMAND, ServedFleet
from faulty_proxy import FaultyProxy
from fleet_servers import PATIENCE


class Recorder(FaultyProxy):
    """Passes everything on and keeps it.

    Attributes:
        connections: what passed in each, in either direction.
    """

    def __init__(self, port: int) -> None:
        self.connections = defaultdict[frozenset[Any], list[bytes]](list)
        super().__init__(port)

    @property
    def kept(self) -> list[bytes]:
        """What passed in each direction of each connection."""
        return [data for both in self.connections.values() for data in both]

    def learning_bytes(self) -> dict[bytes, int]:
        """Return what passed for learning together, headers included, by the id of a device."""
        sizes = Counter[bytes]()
        for both in self.connections.values():
            requests = [data for data in both if data.startswith(b"POST /v1/federation")]
            if requests and (device := re.search(rb'keyid="(\w+)"', requests[0])):
                sizes[device[1]] += sum(map(len, both))
        return dict(sizes)

    def _pass(self, source: socket.socket, target: socket.socket, *_: Any) -> None:  # noqa: ANN401 - of the base
        got = bytearray()
        ends = frozenset({source.getpeername(), target.getpeername()})
        with suppress(OSError):
            while data := source.recv(65536):
                got += data
                target.sendall(data)
        self.connections[ends].append(bytes(got))
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def leaks(data: bytes, secrets: list[bytes]) -> list[bytes]:
    """Return which secrets are in some bytes, or in what their base64 stands for."""
    texts = re.findall(rb"[A-Za-z0-9+/]{16,}={0,2}", data)
    padded = [text + b"=" * (-len(text) % 4) for text in texts if len(text.rstrip(b"=")) % 4 != 1]
    whole = [data, *map(base64.b64decode, padded)]
    return [secret for secret in secrets if any(secret in one for one in whole)]


class AgentFleet(ServedFleet):
    """A served fleet whose devices are agents as processes.

    Args:
        folder: empty.
        devices: that may enrol.
        serving: further options of the server.
    """

    def __init__(self, folder: Path, devices: int, *serving: str) -> None:
        super().__init__(folder, *serving)
        printed = self.run("fleet", "token", "new", "--uses", str(devices), "--fleet", "fleet")
        self.token = next(word for word in printed.split() if word.startswith("ew1."))
        self.agents = list[subprocess.Popen[bytes]]()

    def agent(self, package: Path, source: str, *more: str, misbehaves: str = "") -> None:
        """Start the next agent; its store is the folder `d` and its number."""
        number = len(self.agents)
        command = [
            COMMAND, "device", "run", str(package), "--fleet", self.url, "--token", self.token, "--name", f"d{number}",
            "--store", f"d{number}", "--source", source, "--poll", "1", *more,
        ]  # fmt: skip
        environment = {**os.environ, **(misbehaving_learner.environment(self.folder, misbehaves) if misbehaves else {})}
        with (self.folder / f"said{number}").open("wb") as log:
            self.agents.append(
                subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=environment)
            )  # fmt: skip

    def said_by(self, number: int) -> str:
        """Return what an agent said."""
        return (self.folder / f"said{number}").read_text()

    def says(self, number: int, text: str) -> bool:
        """Return whether an agent said something."""
        return text in self.said_by(number)

    def seen(self) -> Any:  # noqa: ANN401 - JSON
        """Return where the rounds stand."""
        return json.loads(self.run("fleet", "federation", "status", "--fleet", "fleet", "--json"))

    def close(self) -> None:
        """End agents and server."""
        for agent in self.agents:
            agent.terminate()
        for agent in self.agents:
            agent.wait(PATIENCE)
        super().close()
