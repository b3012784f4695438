"""A command of this program in a process of its own, as on a device: its memory, and what it asked of a network."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edgewright.schema.errors import CheckFailedError
from edgewright.schema.job import JobFigure

# The hook hears of every connection, name look-up and open port before it happens. What a parent had resident when it
# forked counts in `ru_maxrss`, and not in VmHWM.
_HOOK = """\
import atexit, runpy, sys
asked = []
names = ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto", "socket.gethostbyname")
sys.addaudithook(lambda name, _: asked.append(name) if name in names else None)
file = sys.argv.pop(1)
def end():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    open(file, "w").write(f"{len(asked)} {status['VmHWM'].split()[0]}")
atexit.register(end)
runpy.run_module("edgewright", run_name="__main__", alter_sys=True)
"""


class Process(NamedTuple):
    """A process that ended well.

    Attributes:
        output: what it wrote.
        memory: bytes that were resident at most, with Python and its libraries.
        network: connections, look-ups of names and ports that it asked for.
    """

    output: str
    memory: int
    network: int

    def figures(self) -> tuple[JobFigure, ...]:
        """Return memory and network use."""
        title = "memory of the whole process, Python and its libraries included"
        return (
            JobFigure(name="memory", title=title, value=self.memory, unit="B"),
            JobFigure(name="network", title="connections, look-ups and ports that it asked for", value=self.network,
                      unit="1"),
        )  # fmt: skip


def run_offline(arguments: Sequence[str | Path], lines: Sequence[str] = ()) -> Process:
    """Run `edgewright` with arguments and lines of input.

    Raises:
        CheckFailedError: it failed.
    """
    with tempfile.TemporaryDirectory() as room, (Path(room) / "input").open("w+", encoding="utf-8") as given:
        given.writelines(f"{line}\n" for line in lines)
        given.seek(0)
        counted, said, failed = (Path(room) / name for name in ("network", "output", "errors"))
        command = [sys.executable, "-c", _HOOK, str(counted), *map(str, arguments)]
        with said.open("wb") as output, failed.open("wb") as errors:
            done = subprocess.run(command, stdin=given, stdout=output, stderr=errors, check=False)
        if done.returncode:
            told = failed.read_text(encoding="utf-8", errors="replace").strip()
            raise CheckFailedError(f"edgewright {' '.join(map(str, arguments[:2]))} ended with {told[-400:]}")
        network, resident = map(int, counted.read_text().split())
        return Process(said.read_text(encoding="utf-8"), 1024 * resident, network)
