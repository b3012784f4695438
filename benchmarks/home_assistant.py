"""`make bench-home-assistant`: a real Home Assistant finds the devices of a bus, and again when its broker was killed.

Usage: python -m benchmarks.home_assistant PYTHON

PYTHON has the packages homeassistant (2024.11 or newer) and paho-mqtt. Home Assistant runs in a folder of its own on
loopback, is set up as a person does it in the browser (a user, then the MQTT integration with the password that `bus
rights` wrote), and is asked through its own interface. Mosquitto and `edgewright bus run` run beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.table import markdown, verdict

_BUS = """
topic = "home"

[broker]
port = {port}
password_file = "{folder}/broker/secrets/shadow"

[services.homeassistant]
publish = ["home/shadow/+/desired"]
subscribe = ["homeassistant/#", "home/#"]

[devices.boiler]
name = "Boiler"

[devices.boiler.entities.setpoint]
kind = "number"
unit = "°C"
minimum = 5
maximum = 30
step = 0.5

[devices.boiler.entities.heating]
kind = "switch"

[devices.boiler.entities.mode]
kind = "select"
options = ["day", "night"]

[devices.room]
name = "Room"
agent = true
"""
_CONFIGURATION = """
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
config:
onboarding:
"""
_ENTITIES = (
    "number.boiler_setpoint", "switch.boiler_heating", "select.boiler_mode", "sensor.room_decision",
    "sensor.room_state_of_the_rules", "sensor.room_last_alarm", "sensor.room_time_of_the_last_alarm",
)  # fmt: skip
_SETPOINT = _ENTITIES[0]
_AWAY = "unavailable"
# Seconds that Home Assistant may take to start (it installs what its integrations need), and to notice anything later.
_START_S, _NOTICE_S = 600.0, 90.0
# Seconds in which entities are there after the broker has come back: a target set before the first measurement.
_BACK_S = 30.0


class HomeAssistant:
    """One on loopback, set up through its own interface.

    Args:
        python: that has homeassistant.
        folder: of its configuration, created.
        stack: which ends it.
    """

    def __init__(self, python: str, folder: Path, stack: ExitStack) -> None:
        folder.mkdir()
        port = _free_port()
        self._address = f"http://127.0.0.1:{port}"
        self._token = ""
        (folder / "configuration.yaml").write_text(_CONFIGURATION.format(port=port), "utf-8")
        self._log = folder / "printed"
        with self._log.open("wb") as log:
            command = [python, "-m", "homeassistant", "--config", str(folder)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        stack.callback(_end, self._process)

    def set_up(self) -> str:
        """Wait until it has started, create the user, and return its version."""
        until(lambda: self._ask("/api/onboarding") is not None, _START_S, "Home Assistant does not start", self._alive)
        who = {"client_id": f"{self._address}/"}
        user = {"name": "a", "username": "a", "password": "only on loopback", "language": "en"}
        given = self._ask("/api/onboarding/users", {**who, **user})
        code = {**who, "grant_type": "authorization_code", "code": given["auth_code"]}
        self._token = self._ask("/auth/token", urllib.parse.urlencode(code).encode())["access_token"]
        return str(self._ask("/api/config")["version"])

    def add_broker(self, port: int, password: str) -> None:
        """Add the MQTT integration."""
        flows = "/api/config/config_entries/flow"
        flow = self._ask(flows, {"handler": "mqtt"}, _START_S)["flow_id"]
        form = {"broker": "127.0.0.1", "port": port, "username": "homeassistant", "password": password}
        answer = self._ask(f"{flows}/{flow}", form, _NOTICE_S)
        if answer["type"] != "create_entry":
            raise SystemExit(f"Home Assistant refuses the broker: {answer}")

    def states(self) -> dict[str, str]:
        """Return the state of each entity of the devices that it has."""
        listed = self._ask("/api/states") or []
        return {entity["entity_id"]: entity["state"] for entity in listed if entity["entity_id"] in _ENTITIES}

    def set_number(self, entity: str, value: float) -> None:
        """Set a number, as a person does."""
        self._ask("/api/services/number/set_value", {"entity_id": entity, "value": value})

    def _alive(self) -> None:
        if self._process.poll() is not None:
            raise SystemExit(f"Home Assistant ended:\n{self._log.read_text('utf-8', 'replace')[-2000:]}")

    def _ask(self, path: str, content: Mapping[str, object] | bytes | None = None, seconds: float = 10.0) -> Any:  # noqa: ANN401 - JSON
        """Return the answer; None where there is none yet."""
        data = json.dumps(content).encode() if isinstance(content, Mapping) else content
        request = urllib.request.Request(self._address + path, data)  # noqa: S310 - http on loopback
        if isinstance(content, Mapping):
            request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"Home Assistant answers {path} with {error.code}: {error.read()[:500]!r}") from error
        except OSError:
            if content is not None:
                raise
            return None


def until(true: Callable[[], bool], seconds: float, otherwise: str, alive: Callable[[], None] = lambda: None) -> float:
    """Wait, and return the seconds that it took; after `seconds` the program ends with a word why."""
    start = time.monotonic()
    while not true():
        alive()
        if time.monotonic() - start > seconds:
            raise SystemExit(f"{otherwise} within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - start


def main(python: str) -> int:
    """Print the table; 1 when a target is missed."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, port = Path(name), _free_port()
        bus = folder / "bus.toml"
        bus.write_text(_BUS.format(port=port, folder=folder), "utf-8")
        edgewright = str(Path(sys.executable).with_name("edgewright"))
        rights = [edgewright, "bus", "rights", str(bus), "--out", str(folder / "broker")]
        subprocess.run(rights, check=True, stdout=subprocess.DEVNULL)
        broker = _start(_mosquitto(folder), stack)
        until(lambda: _listens(port), _NOTICE_S, "Mosquitto does not listen")
        service = [edgewright, "bus", "run", str(bus), "--store", str(folder / "shadows")]
        _start(service, stack)
        home = HomeAssistant(python, folder / "home", stack)
        version = home.set_up()
        home.add_broker(port, (folder / "broker" / "secrets" / "homeassistant").read_text("utf-8").strip())

        def there() -> bool:
            states = home.states()
            return len(states) == len(_ENTITIES) and _AWAY not in states.values()

        def shows(number: float) -> bool:
            state = home.states()[_SETPOINT]
            return state not in (_AWAY, "unknown") and float(state) == number

        rows = [["entities of two devices appear", f"{len(_ENTITIES)}", "", ""]]
        rows[0][2] = f"{until(there, _NOTICE_S, 'the entities do not appear'):.1f} s"
        home.set_number(_SETPOINT, 21.5)
        shown = until(lambda: shows(21.5), _NOTICE_S, "the set number is not shown")
        rows.append(["a number that is set there is desired and shown", "1", f"{shown:.1f} s", ""])
        broker.kill()
        broker.wait()
        gone = until(lambda: set(home.states().values()) == {_AWAY}, _NOTICE_S, "entities stay without a broker")
        rows.append(["the broker is killed: all are unavailable", f"{len(_ENTITIES)}", f"{gone:.1f} s", ""])
        _start(_mosquitto(folder), stack)
        back = until(there, _NOTICE_S, "the entities do not come back")
        within = back <= _BACK_S and shows(21.5)
        seconds = f"{back:.1f} s (at most {_BACK_S:.0f})"
        rows.append(
            ["it starts again: all are there, the number is kept", f"{len(_ENTITIES)}", seconds, verdict(within)]
        )
        home.set_number(_SETPOINT, 19.0)
        again = until(lambda: shows(19.0), _NOTICE_S, "a number set later is not shown")
        rows.append(["a number that is set afterwards is shown", "1", f"{again:.1f} s", ""])
    print(f"Home Assistant {version}\n")
    print(markdown(["what", "entities", "seconds", ""], rows))
    return int(not within)


def _mosquitto(folder: Path) -> list[str]:
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise SystemExit("expected mosquitto, got none on the PATH; install the package mosquitto")
    return [program, "-c", str(folder / "broker" / "mosquitto.conf")]


def _start(command: list[str], stack: ExitStack) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1]))
