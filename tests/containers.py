"""A container as the kernel has it: namespaces, a file system above this machine's, a network with a wire to its host.

No engine and no image: the programs are those of this machine. What an image would give is told by whoever starts one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import ROOT

GATEWAY = "172.30.87.1"
# What a container engine leaves to root by default.
_MAY = (
    "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service", "net_raw",
    "sys_chroot", "mknod", "audit_write", "setfcap",
)  # fmt: skip
_NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts")
_BOUND = ",".join(["-all", *(f"+{name}" for name in _MAY)])
_PATH = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def may_contain() -> None:
    """Leave the test out where the kernel lets us make no namespaces; nothing that could be installed."""
    script = "mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/r && ip link add name w0 type veth peer name w1 && "
    script += "mount -t overlay o -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r"
    command = ["unshare", *_NAMESPACES, "--fork", "sh", "-c", script]
    if os.getuid() or not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("left out: containers without an engine need root, unshare and ip")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip(f"left out: this machine lets nobody make namespaces: {done.stderr[:200]}")


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine, as a container sees it."""

    source: Path
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Started:
    """What is started.

    Attributes:
        name: of the service.
        address: in the composition's network.
        command: program and arguments.
        user: `UID:GID` or empty for root; `account` is its name there.
        script: lines of a shell, run by root within it before the program: what an image does first.
        files: most open files; 0 for this machine's.
        read_only: nothing is written but to mounts and `written`, folders in memory.
        capabilities: that are left; None for those that an engine leaves.
    """

    name: str
    address: str
    command: Sequence[str]
    hosts: Path
    log: Path
    user: str = ""
    account: str = "fleet"
    mounts: Sequence[Mount] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    script: str = ""
    files: int = 0
    read_only: bool = False
    written: Sequence[str] = ()
    capabilities: Sequence[str] | None = None


class Host:
    """A machine's network, to which containers have wires; it does nothing but hold it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.net = f"/proc/{self.process.pid}/ns/net"
        _until_apart(self.process, "net")
        self.run(
            "sh", "-c", f"ip link set lo up && ip addr add {GATEWAY}/32 dev lo && sysctl -qw net.ipv4.ip_forward=1"
        )

    def run(self, *command: str) -> None:
        """Run a command in this network."""
        _run("nsenter", f"--net={self.net}", *command)

    def within(self, hosts: Path, *command: str) -> list[str]:
        """Return the line that runs a command in this network, with names of its own."""
        inner = f"mount --bind {shlex.quote(str(hosts))} /etc/hosts && exec {shlex.join(command)}"
        return ["nsenter", f"--net={self.net}", "unshare", "--mount", "sh", "-c", inner]

    def close(self) -> None:
        """End it; wires end with it."""
        self.process.kill()
        self.process.wait()


class Container:
    """A program that runs in namespaces of its own until it ends or is killed."""

    def __init__(self, host: Host, process: Started, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        script = folder / "begin.sh"
        script.write_text(_begin(process, folder))
        self.what = process
        with process.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", *_NAMESPACES, "--fork", "--kill-child", "bash", str(script)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _until_apart(self.process, "net")
            self._wire(host)
        except BaseException:
            self.kill()
            raise

    def _wire(self, host: Host) -> None:
        address, wire = self.what.address, f"w{self.process.pid}"
        host.run("ip", "link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", str(self.process.pid))
        host.run("sh", "-c", f"ip link set {wire} up && ip route replace {address}/32 dev {wire} src {GATEWAY}")
        inside = f"ip link set lo up && ip link set eth0 up && ip route add {GATEWAY} dev eth0 && "
        inside += f"ip addr add {address}/32 dev eth0 && ip route add default via {GATEWAY} src {address}"
        _run("nsenter", f"--net=/proc/{self.process.pid}/ns/net", "sh", "-c", inside)

    @property
    def first(self) -> int:
        """Number, on this machine, of the process that is 1 within."""
        lines = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(lines[0]) if lines else 0

    def ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Another command within, as whoever runs there; refused until the container has its file system."""
        if not self.first or Path("/proc", str(self.first), "root").readlink() == Path("/"):
            return subprocess.CompletedProcess(command, 125, "", "it has not begun")
        line = ["nsenter", "--target", str(self.first), *_NAMESPACES, "--root"]
        line += ["env", "--chdir=/", "-i", *(f"{name}={value}" for name, value in _settings(self.what).items())]
        line += [*_as(self.what), "--", *command]
        return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)

    def signal(self, number: int) -> None:
        """Send a signal to process 1, as a container engine does; nothing where that has ended."""
        if first := self.first:  # 0 would be this whole group of processes
            os.kill(first, number)

    def alive(self) -> bool:
        """Return whether it runs."""
        return self.process.poll() is None

    def said(self) -> str:
        """Return its log."""
        return self.what.log.read_text(errors="replace")

    def stop(self, seconds: float = 30.0) -> int:
        """As an engine stops it: asked first, killed after a while; the exit code."""
        if self.alive():
            self.signal(signal.SIGTERM)
            try:
                return self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.wait()

    def kill(self) -> None:
        """Everything in it is gone at once: the kernel ends all of a namespace with its first process.

        That one is named, since what `--kill-child` asked of the kernel is forgotten when it becomes another user.
        """
        with suppress(OSError):
            if first := self.first:
                os.kill(first, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def _until_apart(process: subprocess.Popen[bytes], which: str) -> None:
    """Until a process has its namespace."""
    ours, until = Path(f"/proc/self/ns/{which}").readlink(), time.monotonic() + 60
    while Path(f"/proc/{process.pid}/ns/{which}").readlink() == ours:
        assert process.poll() is None, "unshare ended"
        assert time.monotonic() < until
        time.sleep(0.01)


def _begin(process: Started, folder: Path) -> str:
    """Return a shell's lines: the file system, then waiting for the wire, then the program."""
    root = f"{folder}/disk/root"
    lines = [
        "set -e", "mount --make-rprivate /", f"mkdir -p {folder}/disk", f"mount -t tmpfs disk {folder}/disk",
        f"mkdir {folder}/disk/upper {folder}/disk/work {root}",
        f"mount -t overlay root -o lowerdir=/,upperdir={folder}/disk/upper,workdir={folder}/disk/work {root}",
        f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev",
        f"mount -t tmpfs -o mode=1777 tmp {root}/tmp", f"mount -t tmpfs -o mode=755 run {root}/run",  # noqa: S108
    ]  # fmt: skip
    # The programs of the project lie anywhere: everybody in the container may come to them, and nobody may change them.
    there: list[Path] = []
    for needed in dict.fromkeys((ROOT, Path(sys.prefix), Path(sys.base_prefix))):
        if any(needed.is_relative_to(one) for one in there):
            continue
        quoted = shlex.quote(str(needed))
        if needed.stat().st_dev != Path("/").stat().st_dev or needed.is_relative_to("/tmp"):  # noqa: S108
            lines += [f"mkdir -p {root}{quoted}", f"mount --rbind -o ro {quoted} {root}{quoted}"]
            there.append(needed)
        lines += [f"chmod a+x {root}{shlex.quote(str(one))}" for one in needed.parents if str(one) not in ("/", "/tmp")]  # noqa: S108
    for mount in (*process.mounts, Mount(process.hosts, "/etc/hosts", read_only=True)):
        source, target = shlex.quote(str(mount.source)), f"{root}{mount.target}"
        make = f"mkdir -p {target}" if mount.source.is_dir() else f"mkdir -p $(dirname {target}) && touch {target}"
        lines += [make, f"mount --bind {source} {target}"]
        if mount.read_only:
            lines.append(f"mount -o remount,bind,ro {target}")
    if process.user:
        uid, _, gid = process.user.partition(":")
        known = f"{process.account}:x:{uid}:{gid or uid}::/tmp:/bin/sh"
        lines.append(f"echo {known} >>{root}/etc/passwd")
    for written in process.written:
        lines += [f"mkdir -p {root}{written}", f"mount -t tmpfs -o mode=1777 written {root}{written}"]
    lines += ["until ip -o route show default | grep -q via; do sleep 0.02; done"]
    if process.files:
        lines.append(f"ulimit -n {process.files} 2>/dev/null || ulimit -n $(ulimit -Hn)")  # an engine may raise it
    inner = ["env", "-i", *(f"{name}={value}" for name, value in _settings(process).items())]
    if process.script:
        (folder / "image.sh").write_text(process.script)
        lines.append(f"cp {folder}/image.sh {root}/run/image.sh")
        command = ["bash", "-eu", "/run/image.sh", *process.command]
    else:
        command = list(process.command)
    if process.read_only:
        shut = [f"{root}{path}" for path in ("/tmp", "/run") if path not in process.written]  # noqa: S108
        lines += [f"mount -o remount,ro {path}" for path in (root, *shut)]
    lines.append(f"exec chroot {root} {shlex.join([*inner, *_as(process), '--', *command])}")
    return "\n".join(lines) + "\n"


def _settings(process: Started) -> dict[str, str]:
    own = {"PATH": _PATH, "HOME": "/tmp", "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}  # noqa: S108
    return {**own, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **process.settings}


def _as(process: Started) -> list[str]:
    """Return the line before a command that gives away what an engine does not leave."""
    left = process.capabilities
    bound = _BOUND if left is None else ",".join(["-all", *(f"+{name}" for name in left)])
    line = ["setpriv", f"--bounding-set={bound}", "--inh-caps=-all", *([] if left is None else ["--no-new-privs"])]
    user = process.user
    uid, _, gid = user.partition(":")
    return [*line, f"--reuid={uid}", f"--regid={gid or uid}", "--clear-groups"] if user else line
