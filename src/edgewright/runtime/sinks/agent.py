"""To the fleet's agent on this device, through a socket of this machine; the agent signs and sends it on."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from edgewright.runtime.sinks import (
    Leaving,
    NeverError,
    NotYetError,
    Place,
    SinkConfig,
    SinkKind,
    acknowledgement,
    lines,
)
from edgewright.schema.errors import OutputError

_LARGEST_ANSWER = 1 << 20


class AgentConfig(SinkConfig, frozen=True, kw_only=True):
    """Settings.

    Attributes:
        path: of the socket, which the agent makes and names.
        timeout: seconds; the agent answers when a report with these items was acknowledged, or that it waits.
    """

    path: str
    timeout: float = 1100.0


class _Agent:
    def __init__(self, config: AgentConfig) -> None:
        self._config = config

    def send(self, device: str, batch: Sequence[Leaving]) -> Sequence[Place]:
        """One connection a batch.

        Raises:
            NeverError: the fleet refused an item by itself.
            NotYetError: the agent hands it back, since it or this process is about to end.
        """
        parts: list[bytes] = []
        length = 0
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as plug:
                plug.settimeout(self._config.timeout)
                plug.connect(self._config.path)
                plug.sendall(lines(batch))
                plug.shutdown(socket.SHUT_WR)
                while (part := plug.recv(65536)) and length <= _LARGEST_ANSWER:
                    parts.append(part)
                    length += len(part)
        except OSError as error:
            raise OutputError("the fleet's agent", error.strerror or str(error), self._config.path) from None
        said = acknowledgement(b"".join(parts), self._config.path)
        if said.refused:
            raise NeverError({(boot, sequence): why for boot, sequence, why in said.refused})
        if said.later and not said.durable:
            raise NotYetError
        return said.durable

    def close(self) -> None:
        """Nothing is held."""


SINK = SinkKind(AgentConfig, _Agent, AgentConfig(path="/run/edgewright/agent.socket"))
