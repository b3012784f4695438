"""A new agent that hangs is taken back by the launcher, whoever started it: systemd, a container or an init script.

The launcher, systemd and the kernel's namespaces are real; agents are small scripts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from containers import Container, Host, Mount, Started, may_contain
from edgewright.fleet.device.agent_choice import FACTORY_VARIABLE
from edgewright.fleet.device.launcher import SILENCE_VARIABLE
from scripted_agent import LAUNCH, Scripted
from support import ROOT

pytestmark = pytest.mark.slow
WITHIN = Path("/device")
SYSTEMD = Path("/usr/lib/systemd/systemd")
HANGS = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay('READY=1')\ntime.sleep(1000)"
# A child of the container outlives the agent that made it: process 1 takes it over.
LEAVES = "if not os.fork(): time.sleep(0.5); os._exit(0)\n" + HANGS
# systemd gets its tree of control groups, without a controller.
GROUPS = """mount -t tmpfs groups /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
mount -t cgroup -o none,name=systemd groups /sys/fs/cgroup/systemd
mount -t cgroup2 groups /sys/fs/cgroup/unified
"""


@pytest.fixture
def device(tmp_path: Path) -> Scripted:
    device = Scripted(tmp_path / "device")
    device.update(HANGS)
    (device.folder / "said").touch()
    (device.folder / "launch.py").write_text(LAUNCH)
    return device


@contextmanager
def contained(device: Scripted, process: Started) -> Iterator[Container]:
    host = Host()
    try:
        container = Container(host, process, device.folder.parent / "container")
        try:
            yield container
        finally:
            container.kill()
    finally:
        host.close()


def settings(device: Scripted, folder: Path) -> dict[str, str]:
    return {FACTORY_VARIABLE: str(folder / device.factory.name), SILENCE_VARIABLE: str(device.silence)}


def assert_returned(device: Scripted, machine: Container | None = None) -> None:
    device.wait(lambda: device.starts()[-1:] == ["base"] or (machine and not machine.alive()))
    assert "base" in device.starts(), machine and machine.said()[-3000:]
    because, detail = device.returned()
    assert because == "patience"
    assert "no sign of life" in detail


def started(device: Scripted, command: tuple[str, ...], **more: object) -> Started:
    hosts = device.folder.parent / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    return Started(
        "device", "172.30.87.9", command, hosts, device.folder.parent / "log",
        mounts=(Mount(device.folder, str(WITHIN)),), settings=settings(device, WITHIN) | {"container": "other"}, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def may_group() -> None:
    """Leave the test out where the kernel has no control groups of the first kind; nothing that could be installed."""
    done = subprocess.run(["unshare", "--mount", "sh", "-ec", GROUPS], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"left out: this machine lets nobody mount control groups: {done.stderr[:200]}")


def test_under_systemd_by_the_unit_that_is_shipped(device: Scripted) -> None:
    may_contain()
    may_group()
    assert SYSTEMD.exists(), f"expected systemd at {SYSTEMD}; install the package systemd"
    unit = "/etc/systemd/system/edgewright-device.service"
    own = [
        "[Service]",
        "ExecStart=",
        "DynamicUser=no",
        "PrivateTmp=no",  # the programs of the project may lie anywhere
        "ProtectHome=read-only",
        "WatchdogSec=10",
        f"WorkingDirectory={WITHIN}",
    ]
    own += [f"ExecStart={sys.executable} launch.py", f"ReadWritePaths={WITHIN}"]
    own += [f"Environment={name}={value}" for name, value in settings(device, WITHIN).items()]
    own += [f"Environment=PYTHONPATH={ROOT / 'src'}"]
    (device.folder / "own.conf").write_text("\n".join(own) + "\n")
    shutil.copy(ROOT / "docs" / "examples" / "edgewright-device.service", device.folder)
    script = f"mount -t sysfs sys /sys\n{GROUPS}rm -rf /etc/systemd/system/* /usr/lib/systemd/system/*.wants\n"
    script += f"cp {WITHIN}/edgewright-device.service {unit}\n"
    script += f'mkdir {unit}.d; cp {WITHIN}/own.conf {unit}.d\nexec "$@"\n'
    command = (str(SYSTEMD), "--system", "--unit=edgewright-device.service", "--log-target=console", "--show-status=no")
    process = started(device, command, script=script, capabilities=("all",))
    with contained(device, process) as machine:
        assert_returned(device, machine)

        def shown(name: str) -> str:
            return machine.ask("systemctl", "show", "--value", "-p", name, "edgewright-device").stdout.strip()

        device.wait(lambda: shown("ActiveState") == "active")
        assert shown("NRestarts") == "0"  # the unit itself was never ended: the launcher stayed
        main = shown("MainPID")
        assert machine.ask("systemctl", "kill", "--kill-whom=all", "-s", "KILL", "edgewright-device").returncode == 0
        device.wait(lambda: shown("NRestarts") == "1" and shown("ActiveState") == "active")
        assert shown("MainPID") != main
        assert device.starts()[-1] == "base"  # a launcher that was killed decides the same
        assert machine.ask("systemctl", "stop", "edgewright-device").returncode == 0
        assert shown("Result") == "success"


def test_as_process_1_of_a_container(device: Scripted) -> None:
    may_contain()
    device.does(LEAVES, "one")
    for path in (device.folder, *device.folder.rglob("*")):
        os.chown(path, 1000, 1000)
    inner = f"cd {WITHIN} && exec {sys.executable} launch.py"
    process = started(device, ("sh", "-c", inner), user="1000:1000", read_only=True, written=("/tmp",))  # noqa: S108
    with contained(device, process) as machine:
        assert_returned(device, machine)
        states = machine.ask("sh", "-c", "cat /proc/[0-9]*/stat").stdout
        assert ") Z " not in states  # what an agent leaves behind ends, and is waited for
        assert machine.stop(50.0) == 0
    assert device.starts()[-1] == "base"


def test_by_an_init_script(device: Scripted) -> None:
    assert shutil.which("start-stop-daemon"), "expected start-stop-daemon; it comes with dpkg"
    mark = device.folder / "pid"
    shared = ["start-stop-daemon", "--pidfile", str(mark), "--quiet"]
    begin = [*shared, "--start", "--background", "--make-pidfile", "--chdir", str(device.folder), "--exec"]
    environment = {**os.environ, **settings(device, device.folder)}
    subprocess.run([*begin, sys.executable, "--", "launch.py"], env=environment, check=True, timeout=60)
    try:
        assert_returned(device)
    finally:
        stopped = subprocess.run([*shared, "--stop", "--retry", "50"], check=False, timeout=100)
    assert stopped.returncode == 0
    assert not Path("/proc", mark.read_text().strip()).exists()
    assert device.starts()[-1] == "base"
