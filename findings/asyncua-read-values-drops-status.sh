#!/usr/bin/env bash
# asyncua 2.1.0: Client.read_values drops the status of a value. A variable that the server marks BadSensorFailure reads as
# None, one that it marks UncertainLastUsableValue reads as its last number; neither raises, and no status comes along.
# Node.read_value raises for the first.
# Seen: read_value raises BadSensorFailure; read_values returns [None, 99.0].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet asyncua==2.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import logging
import socket

from asyncua import Client, Server, ua

logging.disable(logging.CRITICAL)


async def main():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"opc.tcp://127.0.0.1:{probe.getsockname()[1]}/"
    server = Server()
    await server.init()
    server.set_endpoint(url)
    space = await server.register_namespace("test")
    states = ua.StatusCodes.BadSensorFailure, ua.StatusCodes.UncertainLastUsableValue
    sensors = [await server.nodes.objects.add_variable(space, f"sensor{number}", 1.0) for number in (1, 2)]
    async with server:
        for sensor, state in zip(sensors, states):
            await sensor.write_value(ua.DataValue(Value=ua.Variant(99.0), StatusCode=ua.StatusCode(state)))
        async with Client(url) as client:
            nodes = [client.get_node(sensor.nodeid) for sensor in sensors]
            try:
                await nodes[0].read_value()
                single = "no error"
            except ua.UaStatusCodeError as error:
                single = type(error).__name__
            several = await client.read_values(nodes)
    print(f"read_value: {single}; read_values: {several}")
    assert single == "BadSensorFailure" and several == [None, 99.0]


asyncio.run(main())
PYTHON
