"""Servers of a plant for tests: an OPC UA server and a Modbus device on loopback, each with values that can be set."""

from __future__ import annotations

import asyncio
import importlib
import socket
import threading
from datetime import UTC, datetime
from typing import Any

from support import left_out


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def library(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """Import a library of the extra `industry`, or leave the test out."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        left_out(f"{name.partition('.')[0]} is not installed")


class OpcuaPlant:
    """A server with a variable for each name, such as Pump.speed: numbers and texts."""

    def __init__(self, port: int, **values: float | str) -> None:
        self.url = f"opc.tcp://127.0.0.1:{port}"
        self._server = library("asyncua.sync").Server()
        self._server.set_endpoint(self.url)
        space = self._server.register_namespace("plant")
        pump = self._server.nodes.objects.add_object(space, "Pump")
        self.nodes = ",".join(f"{name}@ns={space};s=Pump.{name}" for name in values)
        self._made = {
            name: pump.add_variable(f"ns={space};s=Pump.{name}", name, value) for name, value in values.items()
        }
        self._server.start()

    def keep_history(self) -> None:
        """Keep what the variables were, and let it be read."""
        for variable in self._made.values():
            self._server.tloop.post(self._server.aio_obj.historize_node_data_change(variable.aio_obj, count=10_000))

    def set(self, **values: float) -> None:
        """Write variables."""
        for name, value in values.items():
            self._made[name].write_value(value)

    def set_status(self, name: str, value: float | None, status: str) -> None:
        """Write a variable with a status such as 'BadSensorFailure'."""
        ua = library("asyncua.ua")
        code = ua.StatusCode(getattr(ua.StatusCodes, status))
        variant = None if value is None else ua.Variant(value)
        now = datetime.now(UTC)
        data = ua.DataValue(Value=variant, StatusCode=code, SourceTimestamp=now, ServerTimestamp=now)
        self._made[name].write_value(data)

    def stop(self) -> None:
        """End the server."""
        self._server.stop()


class ModbusPlant:
    """A device whose holding registers are these, from register 0 on, and whose input registers are twice as large."""

    def __init__(self, port: int, registers: list[int]) -> None:
        simulator = library("pymodbus.simulator")
        self._server_of = library("pymodbus.server").ModbusTcpServer
        kind = simulator.DataType.REGISTERS
        holding = [simulator.SimData(0, values=registers, datatype=kind)]
        read_only = [simulator.SimData(0, values=[2 * value % 65536 for value in registers], datatype=kind)]
        bits = [simulator.SimData(0, values=[False] * 8, datatype=simulator.DataType.BITS)]
        self._device = simulator.SimDevice(1, simdata=(bits, bits, holding, read_only))
        self._port, self._ready = port, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = self._server_of(self._device, address=("127.0.0.1", self._port))
        self._server = server
        await server.serve_forever(background=True)
        self._ready.set()
        await self._end.wait()
        await server.shutdown()

    def set(self, registers: list[int]) -> None:
        """Write holding registers, from register 0 on."""
        writing = self._server.async_setValues(1, 16, 0, registers)
        asyncio.run_coroutine_threadsafe(writing, self._loop).result(10)

    def stop(self) -> None:
        """End the server."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
