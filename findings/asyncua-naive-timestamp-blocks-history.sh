#!/usr/bin/env bash
# asyncua 2.1.0: a server keeps the history of a variable in memory. One value whose SourceTimestamp has no time zone is
# accepted, readable as the current value, and makes every later read of the whole history fail with BadInternalError, also
# for the values before it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet asyncua==2.1.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import asyncio
import logging
from datetime import datetime, timezone

from asyncua import Client, Server, ua

logging.disable(logging.CRITICAL)
ADDRESS = "opc.tcp://127.0.0.1:48519/history"
FIRST, LAST = datetime(2020, 1, 1, tzinfo=timezone.utc), datetime(2100, 1, 1, tzinfo=timezone.utc)


def value(number: float, time: datetime) -> ua.DataValue:
    """Return a reading with the time at its source."""
    return ua.DataValue(ua.Variant(number, ua.VariantType.Double), SourceTimestamp=time)


async def main() -> None:
    """Read the history before and after a reading without a time zone."""
    server = Server()
    await server.init()
    server.set_endpoint(ADDRESS)
    variable = await server.nodes.objects.add_variable(2, "level", 1.0)
    async with server:
        await server.historize_node_data_change(variable, period=None, count=100)
        async with Client(ADDRESS) as client:
            node = client.get_node(variable.nodeid)
            await variable.write_value(value(2.0, datetime.now(timezone.utc)))
            await asyncio.sleep(0.5)
            before = [reading.Value.Value for reading in await node.read_raw_history(FIRST, LAST, 10)]
            print("before:", before)
            assert before[-1] == 2.0
            await variable.write_value(value(3.0, datetime.now(timezone.utc).replace(tzinfo=None)))
            await asyncio.sleep(0.5)
            assert await node.read_value() == 3.0
            try:
                await node.read_raw_history(FIRST, LAST, 10)
            except ua.UaStatusCodeError as error:
                print("after:", type(error).__name__)
                assert type(error).__name__ == "BadInternalError"
            else:
                raise AssertionError("the history was read")


asyncio.run(main())
PYTHON
