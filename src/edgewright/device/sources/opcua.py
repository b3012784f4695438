"""Variables of an OPC UA server, read at a steady rate; what they were meanwhile comes from the server's history.

A value whose status is Bad or Uncertain is missing: OPC UA part 4 (StatusCode) says that such a value must not be used
without further knowledge of its code.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import MissingExtraError, SourceError
from edgewright.core.records.data import Floats
from edgewright.core.records.device import Packet
from edgewright.device.broker import first_line
from edgewright.device.sources import Stream, StreamKind
from edgewright.device.sources._packet import Arrived, notice_of
from edgewright.device.sources._polling import LinkError, Polled, PolledConfig, named

_PATIENCE = 4.0  # seconds for an answer
_CHUNK = 1000  # rows of a history at once
_TRIES = 10  # times in a row that a history is asked for, over more than a minute
Times = NDArray[np.float64]
EXAMPLE = "speed@ns=2;s=Pump.Speed"


class OpcuaConfig(PolledConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an OPC UA source.

    Attributes:
        url: of the server, 'opc.tcp://HOST:PORT/PATH'.
        nodes: columns, 'NAME@NODE' with the node's id.
        user: at the server; `password_file` holds its password.
        password_file: file whose first line is the password.
        security: policy, mode, certificate and key with commas between; nothing is signed or encrypted when empty.
        history: seconds back to which the server is asked after a restart for the rows in between; 0: it is not.
    """

    url: str = ""
    nodes: tuple[str, ...] = ()
    user: str = ""
    password_file: str = ""
    security: str = ""
    history: Annotated[float, msgspec.Meta(ge=0.0, le=1e9)] = 7 * 86400.0


class _Variables:
    """The server's variables, as a link."""

    def __init__(self, config: OpcuaConfig, nodes: Sequence[str]) -> None:
        try:
            self._sync: Any = importlib.import_module("asyncua.sync")
            self._ua: Any = importlib.import_module("asyncua.ua")
        except ModuleNotFoundError:
            raise MissingExtraError("industry", "asyncua") from None
        self._config, self._names = config, nodes
        self._client: Any = None
        self._nodes: list[Any] = []
        self._problems = (self._ua.UaError, OSError, TimeoutError)
        self.ahead = 0.0
        """Seconds by which the clock of the server is ahead."""

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
            now = client.get_node(self._ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()
            if isinstance(now, datetime):
                self.ahead = now.replace(tzinfo=UTC).timestamp() - time.time()
        except self._problems as error:
            raise LinkError(_reason(error)) from None

    def values(self) -> Sequence[float]:
        try:
            readings = self._client.read_attributes(self._nodes)
        except self._problems as error:
            raise LinkError(_reason(error)) from None
        return [_number(reading) for reading in readings]

    def history(self, start: float, end: float) -> list[tuple[Times, Floats]]:
        """Return times and values of each column from its last change before `start` up to `end`.

        Times are seconds since 1970 of the server's clock.

        Raises:
            LinkError: the server does not answer, or keeps no history of a variable.
        """
        begin, finish = (datetime.fromtimestamp(moment, UTC).replace(tzinfo=None) for moment in (start, end))
        try:
            read = [node.read_raw_history(begin, finish, return_bounds=True) for node in self._nodes]
        except self._problems as error:
            raise LinkError(f"no history: {_reason(error)}") from None
        columns = []
        for values in read:
            stamped = [(data.SourceTimestamp or data.ServerTimestamp, data) for data in values]
            pairs = [
                (at.replace(tzinfo=UTC).timestamp(), _number(data)) for at, data in stamped
                if at and not self._has_no_data(data)
            ]  # fmt: skip
            pairs.sort(key=itemgetter(0))
            columns.append((np.array([at for at, _ in pairs]), np.array([value for _, value in pairs], np.float32)))
        return columns

    def _has_no_data(self, data: Any) -> bool:  # noqa: ANN401 - of asyncua
        """Return whether an entry of a history says that there is none, instead of what the variable was."""
        codes = self._ua.StatusCodes
        return data.StatusCode is not None and data.StatusCode.value in (codes.BadBoundNotFound, codes.BadNoData)

    def keeps_history(self) -> bool:
        """Return whether the server lets the history of all variables be read.

        Raises:
            LinkError: the server does not answer.
        """
        readable = self._ua.AccessLevel.HistoryRead
        try:
            return all(readable in node.get_access_level() for node in self._nodes)
        except self._problems as error:
            raise LinkError(_reason(error)) from None

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.disconnect()
        except (*self._problems, RuntimeError):
            client.tloop.stop()


class PolledVariables(Polled):
    """Variables at a steady rate; what they were while the agent was away comes from the history of the server.

    Args:
        link: to the server.
        names: of the columns.
        wanted: channels, in the order they are to come out; all of them when empty.
        config: its settings.
    """

    loses = "the server has not said yet whether it keeps a history"

    def __init__(self, link: _Variables, names: Sequence[str], wanted: tuple[str, ...], config: OpcuaConfig) -> None:
        super().__init__(link, names, wanted, config.rate, config.url)
        self.origin = f"{config.url} {','.join(config.nodes)}"
        self._variables, self._longest = link, config.history
        self._newest: float | None = None
        # Of the newest row: what holds until the first value of a history whose server gives none from before it.
        self._latest: Floats = np.full(len(self._places), np.nan, np.float32)
        self._missing, self._failures = False, 0

    def position(self) -> dict[str, Any]:
        """Return time and values of the newest row, by the clock of the server."""
        self.reached = "its newest row"
        values = [value if math.isfinite(value) else None for value in self._latest.tolist()]
        return {"newest": self._newest, "stamp": self._stamper.state(), "values": values}

    def resume(self, position: dict[str, Any]) -> bool:
        """Ask for the rows since then first, where the server keeps them."""
        newest = position["newest"]
        self._stamper.go_on(position["stamp"])
        if newest is None:
            return False
        # How long ago that was, only the server knows: neither clock need be right.
        self._newest, self._missing = float(newest), self._longest > 0.0
        # Positions of earlier versions have no values; a later one may want other columns.
        values = position.get("values", [])
        if len(values) == len(self._latest):
            self._latest = np.array([math.nan if value is None else value for value in values], np.float32)
        return self._missing and time.time() - newest <= self._longest

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return rows of the history, then the row that is due within the time, or what went wrong."""
        if self._missing and self._connected:
            return self._history()
        packets = self._polled(timeout)
        if not any(len(packet.values) for packet in packets):
            return packets
        if self.loses == PolledVariables.loses:
            with suppress(LinkError):
                keeps = self._variables.keeps_history()
                self.loses = "" if keeps else "the server keeps no history: values while the agent is away are lost"
                if self._missing and not keeps:
                    self._missing = False
                    packets = [notice_of(f"{self._where}: {self.loses}", len(self.columns)), *packets]
        if self._missing:
            # This answer only shows that the server is there: the rows before it come first.
            return [packet for packet in packets if not len(packet.values)]
        self._newest = time.time() + self._variables.ahead
        self._latest = packets[-1].values[-1]
        return packets

    def _history(self) -> Sequence[Packet]:
        """Return the next rows that were due while nobody asked: what each variable was at that time."""
        begin, now = self._newest or 0.0, time.time() + self._variables.ahead
        rows = min(_CHUNK, math.floor((now - begin) / self._period))
        if rows < 1 or now - begin > self._longest:
            self._missing = False
            return []
        due = begin + self._period * np.arange(1, rows + 1)
        try:
            columns = self._variables.history(begin, float(due[-1]))
        except LinkError as error:
            self._failures += 1
            self._missing = self._failures < _TRIES
            self._link.close()
            self._connected = False
            for _ in range(self._failures):  # each connection that works begins the pauses anew
                self._backoff.failed()
            if self._missing and self._failures > 1:
                return []
            then = "asked again" if self._missing else "rows while the agent was away are lost"
            return [notice_of(f"{self._where}: {error}; {then}", len(self.columns))]
        self._failures = 0
        values = np.tile(self._latest, (rows, 1))
        for index, column in enumerate(self._places):
            times, known = columns[column]
            at = np.searchsorted(times, due, side="right") - 1
            values[at >= 0, index] = known[at[at >= 0]]
        self._newest, self._latest = float(due[-1]), values[-1]
        self._stamper.backlog = True
        packet = self._stamper.packet(Arrived(values))
        self._stamper.backlog = False
        return [msgspec.structs.replace(packet, wall=self._newest - self._variables.ahead)]


def _number(data: Any) -> float:  # noqa: ANN401 - of asyncua
    """Return the value, NaN if its status is Bad or Uncertain or if it is no number."""
    if data.Value is None or not (data.StatusCode is None or data.StatusCode.is_good()):
        return math.nan
    try:
        return float(data.Value.Value)
    except (TypeError, ValueError):
        return math.nan


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:80] or type(error).__name__


def _open(config: OpcuaConfig, columns: tuple[str, ...]) -> Stream:
    if not config.url.startswith("opc.tcp://"):
        raise SourceError("an address such as opc.tcp://127.0.0.1:4840", repr(config.url), "--source opcua:")
    pairs = named(config.nodes, "nodes", EXAMPLE)
    link = _Variables(config, [node for _, node in pairs])
    return PolledVariables(link, [name for name, _ in pairs], columns, config)


STREAM = StreamKind(
    config=OpcuaConfig,
    open=_open,
    example="opcua:opc.tcp://127.0.0.1:4840?rate=2&nodes=speed@ns=2;s=Pump.Speed",
    location_settings="url",
)
