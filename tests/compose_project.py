"""What `docker compose` does with a composition, without an engine and without images: real programs in namespaces.

Nothing in the files is changed: names, ports and paths are those of the containers. What an image would bring is in
`IMAGES` below; Debian's programs are of other versions than the images'.
Grafana is not in Debian and is left out, as is what is not installed here.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from containers import Container, Host, Mount, Started

PATIENCE = 120.0
_POSTGRES = """
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -1)")
data=/var/lib/postgresql/data
install -d -o postgres -g postgres /run/postgresql
install -d -o postgres -g postgres -m 700 $data
as="setpriv --reuid=postgres --regid=postgres --clear-groups --"
if [ ! -s $data/PG_VERSION ]; then
    $as $bin/initdb -D $data --locale=C.UTF-8 -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \\
        --auth-host=scram-sha-256 --no-sync
    echo "host all all all scram-sha-256" >>$data/pg_hba.conf
    # As the image does it: with a server that is there by its socket alone.
    $as $bin/pg_ctl -D $data -w -o "-c listen_addresses=''" start
    $as $bin/createdb -U "$POSTGRES_USER" "$POSTGRES_DB"
    $as $bin/pg_ctl -D $data -w -m fast stop
fi
program=$1
shift
exec $as $bin/$program -D $data -c listen_addresses='*' "$@"
"""


@dataclass(frozen=True)
class Image:
    """What an image would give.

    Attributes:
        program: put before what the composition says; with `alone` where it says nothing.
        user: as whom it runs where the composition does not say.
        script: of a shell, run before.
    """

    program: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    user: str = ""
    script: str = ""


_BLACKBOX, _ALERTS = "prometheus-blackbox-exporter", "prometheus-alertmanager"
IMAGES = {
    "edgewright-fleet": Image(("edgewright",)),
    "postgres": Image(script=_POSTGRES),
    "nginx": Image(alone=("nginx", "-g", "daemon off;")),
    "prom/prometheus": Image(("prometheus",), user="65534"),
    "prom/alertmanager": Image((_ALERTS,), user="65534"),
    "prom/blackbox-exporter": Image((_BLACKBOX,)),
}
_MAYBE = {"blackbox": _BLACKBOX, "alertmanager": _ALERTS}
LEFT_OUT = ("grafana", *(name for name, program in _MAYBE.items() if not shutil.which(program)))


def _left(record: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the capabilities that a service has; None for what an engine leaves."""
    if "ALL" not in record.get("cap_drop", ()):
        return None
    return tuple(name.lower() for name in record.get("cap_add", ()))


class Project:
    """A composition: `up`, `run`, `kill`, `stop`, `close`.

    Args:
        folder: of `compose.yaml`; volumes, logs and names are kept beside it.
        settings: the environment that the file asks for.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        text = re.sub(
            r"\$\{(\w+):\?[^}]*\}", lambda variable: settings[variable[1]], (folder / "compose.yaml").read_text()
        )
        self.folder, self.said = folder, yaml.safe_load(text)
        self.kept = folder.parent / "engine"
        self.kept.mkdir()
        self.running: dict[str, Container] = {}
        self.runs = 0
        self.relays: list[subprocess.Popen[str]] = []
        names = [name for name in self.said["services"] if name not in LEFT_OUT]
        self.served = [name for name in names if not self.said["services"][name].get("profiles")]
        given = {name: self._fixed(name) for name in names}
        free = (f"172.30.87.{number}" for number in range(100, 200))
        self.address = {name: given[name] or next(free) for name in names}
        for name in names:
            self._hosts(name).write_text("127.0.0.1 localhost\n")
        self.host = Host()

    def up(self, *names: str) -> None:
        """Start services, those that they depend on first, and waits where the file says that it waits."""
        for name in names or tuple(self.served):
            if name in LEFT_OUT or (name in self.running and self.running[name].alive()):
                continue
            needed = self.said["services"][name].get("depends_on", {})
            self.up(*needed) if needed else None
            for one in needed:
                if isinstance(needed, dict) and needed[one].get("condition") == "service_healthy":
                    self._until_healthy(one)
            self.running[name] = self._start(name)
            self._name()

    def run(self, name: str, *command: str, more: Sequence[tuple[str, str]] = ()) -> tuple[int, str]:
        """`docker compose run --rm`: another container of a service, with a command of its own; exit code and words.

        Args:
            name: of the service.
            command: what it does instead.
            more: files and folders of the machine that it reads, and where.
        """
        needed = self.said["services"][name].get("depends_on", {})
        self.up(*needed)
        for one in needed:
            if isinstance(needed, dict) and needed[one].get("condition") == "service_healthy":
                self._until_healthy(one)
        assert not (self._fixed(name) and name in self.running), f"the address of {name} is in use"
        self.runs += 1
        location = f"{name}-run-{self.runs}"
        mounts = [Mount(Path(source), target, read_only=True) for source, target in more]
        container = self._start(
            name, command=command, address=f"172.30.87.{200 + self.runs}", folder_name=location, more=mounts
        )
        try:
            code = container.process.wait(PATIENCE)
        finally:
            container.kill()
        return code, self.log(location)

    def again(self, name: str) -> None:
        """Start a service that has ended by itself or was killed, as an engine does: without those it depends on."""
        if name in self.running:
            self.running[name].stop()
        self.running[name] = self._start(name)
        self._name()

    def kill(self, name: str) -> None:
        """Gone in the middle; nobody finds its name any more, and it does not come back by itself."""
        self.running.pop(name).kill()
        self._name()

    def close(self) -> None:
        """End everything, each by its number."""
        for relay in self.relays:
            relay.kill()
            relay.wait()
            if relay.stdout is not None:
                relay.stdout.close()
        for one in self.running.values():
            with suppress(ProcessLookupError, OSError):
                one.kill()
        self.host.close()

    def publish(self, *ports: str) -> None:
        """Publish the ports that the file names, on the host's own addresses."""
        reported = [
            (one.rpartition(":")[0].rpartition(":")[2], f"{self.address[name]}:{one.rpartition(':')[2]}")
            for name in self.address for one in self.said["services"][name].get("ports", ())
        ]  # fmt: skip
        self._relay([f"{port}={target}" for port, target in reported if port not in ports])

    def reach(self, name: str, port: int) -> str:
        """`127.0.0.1:PORT` on this machine for any port of a service, for a test that looks from without."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            here = listening.getsockname()[1]
            self._relay([f"fd{listening.fileno()}={self.address[name]}:{port}"], listening.fileno())
        return f"127.0.0.1:{here}"

    def log(self, name: str) -> str:
        """Return what a service has said, over all its starts."""
        return (self.kept / f"{name}.log").read_text(errors="replace")

    def _relay(self, arguments: Sequence[str], *keep: int) -> None:
        program = str(Path(__file__).with_name("published_ports.py"))
        relay = subprocess.Popen(
            ["nsenter", f"--net={self.host.net}", sys.executable, program, *arguments], stdout=subprocess.PIPE,
            text=True, pass_fds=keep,
        )  # fmt: skip
        self.relays.append(relay)
        assert relay.stdout is not None
        assert relay.stdout.readline() == "ready\n"

    def _start(
        self, name: str, command: Sequence[str] = (), address: str = "", folder_name: str = "",
        more: Sequence[Mount] = (),
    ) -> Container:  # fmt: skip
        record = self.said["services"][name]
        image = IMAGES[record["image"].partition("@")[0].rpartition(":")[0]]
        records = [*image.program, *(command or record.get("command", ()))] or list(image.alone)
        process = Started(
            name=name, address=address or self.address[name], command=records, hosts=self._hosts(name),
            log=self.kept / f"{folder_name or name}.log", user=str(record.get("user", image.user)),
            mounts=[*self._mounts(name, record), *more], settings=record.get("environment", {}), script=image.script,
            files=int(record.get("ulimits", {}).get("nofile", 0)), written=tuple(record.get("tmpfs", ())),
            read_only=bool(record.get("read_only")), capabilities=_left(record),
        )  # fmt: skip
        return Container(self.host, process, self.kept / (folder_name or name))

    def _mounts(self, name: str, service: Mapping[str, Any]) -> list[Mount]:
        mounts = []
        for line in service.get("volumes", ()):
            source, target, *how = line.split(":")
            if source.startswith((".", "/")):
                path = (self.folder / source).resolve()
                assert path.exists(), f"{name}: {source}, which an engine would make as an empty folder of root"
            else:
                path = self.kept / "volumes" / source
                if not path.exists():
                    path.mkdir(parents=True)
                    path.chmod(0o777)  # an image's own folder belongs to its user
            mounts.append(Mount(path, target, read_only="ro" in how))
        for secret in service.get("secrets", ()):
            path = (self.folder / self.said["secrets"][secret]["file"]).resolve()
            mounts.append(Mount(path, f"/run/secrets/{secret}", read_only=True))
        return mounts

    def _fixed(self, name: str) -> str:
        networks = self.said["services"][name].get("networks") or {}
        default = networks.get("default") or {} if isinstance(networks, dict) else {}
        return str(default.get("ipv4_address", ""))

    def _hosts(self, name: str) -> Path:
        return self.kept / f"{name}.hosts"

    def _name(self) -> None:
        """Everybody finds those that run, by their names and aliases, as an engine's name server has it."""
        lines = ["127.0.0.1 localhost"]
        for name, one in self.running.items():
            if one.alive():
                networks = self.said["services"][name].get("networks") or {}
                aliases = (networks.get("default") or {}).get("aliases", ())
                lines.append(" ".join([self.address[name], name, *aliases]))
        for name in self.address:
            more = [
                f"{a} {n}" for n, _, a in (e.partition(":") for e in self.said["services"][name].get("extra_hosts", ()))
            ]
            self._hosts(name).write_text("\n".join([*lines, *more]) + "\n")

    def _until_healthy(self, name: str) -> None:
        test = self.said["services"][name]["healthcheck"]["test"][1:]
        until = time.monotonic() + PATIENCE
        while self.running[name].ask(*test).returncode:
            assert self.running[name].alive(), self.log(name)
            assert time.monotonic() < until, self.log(name)
            time.sleep(0.2)
