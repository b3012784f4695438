"""Machines of their own on this one: a network, a host name and mounts each, behind a line that delays or loses.

Needs root, `unshare`, `nsenter`, `ip` and /dev/net/tun. The line is two tunnel devices, one in each network, and a
process between them: it needs no queue of the kernel that delays.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.table import ROOT

_TUNSETIFF, _TUN_NO_INFO, _CLONE_NEWNET = 0x400454CA, 0x1001, 0x40000000
_WAIT_S = 10.0


class Machine:
    """Namespaces for processes, and a line to them.

    Args:
        number: of the machine; this one is 10.77.NUMBER.1 for it, it is 10.77.NUMBER.2.
        delay_s, loss: of the line, for each packet in each direction.
        hidden: folder that it does not see; empty for none.
    """

    def __init__(self, number: int, delay_s: float = 0.0, loss: float = 0.0, hidden: str = "") -> None:
        self.name, self.device = f"machine-{number}", f"ew{os.getpid() % 100_000}-{number}"
        self.here, self.there = f"10.77.{number}.1", f"10.77.{number}.2"
        script = 'hostname "$0" && ip link set lo up && { [ -z "$1" ] || mount -t tmpfs none "$1"; } && exec sleep 3600'
        self._stack = ExitStack()
        with ExitStack() as stack:
            words = ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
            holder = stack.enter_context(_ended(subprocess.Popen([*words, "sh", "-c", script, self.name, hidden])))
            self._first = _first_of(holder.pid)
            _until(lambda: Path(f"/proc/{self._first}/comm").read_text(encoding="utf-8").strip() == "sleep")
            line = [sys.executable, "-m", "benchmarks.lines", self.device, str(self._first), str(delay_s), str(loss)]
            stack.enter_context(_ended(subprocess.Popen(line, cwd=ROOT)))
            _until(lambda: Path(f"/sys/class/net/{self.device}").exists())
            ends = (((), self.device, self.here, self.there), (self.prefix, "line", self.there, self.here))
            for prefix, device, own, peer in ends:
                _run(*prefix, "ip", "addr", "add", own, "peer", peer, "dev", device)
                _run(*prefix, "ip", "link", "set", device, "up")
            self._stack = stack.pop_all()

    @property
    def prefix(self) -> tuple[str, ...]:
        """Words before a command that runs on the machine."""
        return ("nsenter", "--target", str(self._first), "--net", "--uts", "--mount", "--pid", "--")

    def cut(self, seconds: float) -> None:
        """Take the line away for so long."""
        _run("ip", "link", "set", self.device, "down")
        try:
            time.sleep(seconds)
        finally:
            _run("ip", "link", "set", self.device, "up")

    def close(self) -> None:
        """End all that runs on the machine, and its line."""
        self._stack.close()


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _first_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    _until(lambda: bool(children.read_text(encoding="ascii").split()))
    return int(children.read_text(encoding="ascii").split()[0])


def _until(is_ready: Callable[[], bool]) -> None:
    until = time.monotonic() + _WAIT_S
    while True:
        with suppress(OSError):
            if is_ready():
                return
        if time.monotonic() > until:
            raise TimeoutError("a machine did not start")
        time.sleep(0.02)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=_WAIT_S)


def _tunnel(name: str) -> int:
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_NO_INFO))
    return handle


def _relay(ends: Sequence[int], delay_s: float, loss: float) -> None:
    """Carry packets between two tunnel devices until the process is killed."""
    chance = random.Random(0)  # noqa: S311 - packets that are lost
    waiting: list[tuple[float, int, int, bytes]] = []
    number = 0
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, [], [], pause)[0]:
            with suppress(OSError):  # a device that is down, or nothing left to read
                while True:
                    packet = os.read(end, 65536)
                    if chance.random() >= loss:
                        number += 1
                        heapq.heappush(waiting, (time.monotonic() + delay_s, number, end, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            *_, end, packet = heapq.heappop(waiting)
            with suppress(OSError):
                os.write(ends[1] if end == ends[0] else ends[0], packet)


def main() -> int:
    """Be a line between this network and that of a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("device")
    parser.add_argument("process", type=int)
    parser.add_argument("delay_s", type=float)
    parser.add_argument("loss", type=float)
    request = parser.parse_args()
    near = _tunnel(request.device)
    with Path(f"/proc/{request.process}/ns/net").open("rb") as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    _relay((near, _tunnel("line")), request.delay_s, request.loss)
    return 0


if __name__ == "__main__":
    sys.exit(main())
