"""Variables of an OPC UA server, read at a steady rate."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

from edgewright.device.sources import Stream, StreamKind
from edgewright.device.sources._login import first_line
from edgewright.device.sources._polled import LinkError, Polled, PolledConfig, named
from edgewright.schema.errors import InputError, MissingExtraError

_PATIENCE = 4.0  # seconds for an answer
EXAMPLE = "speed@ns=2;s=Pump.Speed"


class OpcuaConfig(PolledConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an OPC UA source.

    Attributes:
        url: of the server, 'opc.tcp://HOST:PORT/PATH'.
        nodes: columns, 'NAME@NODE' with the node's id.
        user: at the server; `password_file` holds its password.
        password_file: file whose first line is the password.
        security: policy, mode, certificate and key with commas between; nothing is signed or encrypted when empty.
    """

    url: str = ""
    nodes: tuple[str, ...] = ()
    user: str = ""
    password_file: str = ""
    security: str = ""


class _Variables:
    """The server's variables, as a link."""

    def __init__(self, config: OpcuaConfig, nodes: Sequence[str]) -> None:
        try:
            self._sync: Any = importlib.import_module("asyncua.sync")
            self._error: Any = importlib.import_module("asyncua.ua").UaError
        except ModuleNotFoundError:
            raise MissingExtraError("industry", "asyncua") from None
        self._config, self._names = config, nodes
        self._client: Any = None
        self._nodes: list[Any] = []
        self._problems = (self._error, OSError, TimeoutError)

    def connect(self) -> None:
        config = self._config
        client = self._sync.Client(config.url, timeout=_PATIENCE)
        self._client = client
        try:
            if config.security:
                client.set_security_string(config.security)
            if config.user:
                client.set_user(config.user)
                client.set_password(first_line(config.password_file) if config.password_file else "")
            client.connect()
            self._nodes = [client.get_node(name) for name in self._names]
        except self._problems as error:
            raise LinkError(_reason(error)) from None

    def values(self) -> Sequence[float]:
        try:
            found = self._client.read_values(self._nodes)
        except self._problems as error:
            raise LinkError(_reason(error)) from None
        return [_number(value) for value in found]

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.disconnect()
        except (*self._problems, RuntimeError):
            client.tloop.stop()


def _number(value: Any) -> float:  # noqa: ANN401 - whatever type the variable has
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:80] or type(error).__name__


def _open(config: OpcuaConfig, columns: tuple[str, ...]) -> Stream:
    if not config.url.startswith("opc.tcp://"):
        raise InputError("an address such as opc.tcp://127.0.0.1:4840", repr(config.url), "--source opcua:")
    pairs = named(config.nodes, "nodes", EXAMPLE)
    link = _Variables(config, [node for _, node in pairs])
    return Polled(link, [name for name, _ in pairs], columns, config.rate, config.url)


STREAM = StreamKind(
    config=OpcuaConfig,
    open=_open,
    example="opcua:opc.tcp://127.0.0.1:4840?rate=2&nodes=speed@ns=2;s=Pump.Speed",
    place="url",
)
