"""A PostgreSQL of a test's own, which may be stopped and started: none that others use."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support import left_out

_OWNER = "postgres"


def _binaries() -> Path | None:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if programs:
        return programs[-1].parent
    there = shutil.which("initdb")
    return Path(there).parent if there else None


class Cluster:
    """A server in a folder of its own, at a port of its own.

    Args:
        folder: empty, and of whoever runs it: it refuses to be root's.
        binaries: its programs.
    """

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._folder, self._binaries = folder, binaries
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.address = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()

    def start(self) -> None:
        """Until it answers."""
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self._folder}"
        self._control("-w", "-t", "120", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """As in a crash: connections are cut, what was committed is recovered at the next start."""
        self._control("-w", "-t", "120", "-m", "immediate", "stop")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        as_owner = ["runuser", "-u", _OWNER, "--"] if os.getuid() == 0 else []
        with (self._folder.parent / "told").open("ab") as output:
            done = subprocess.run(
                [*as_owner, str(self._binaries / program), *arguments],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=240,
                check=False,
            )
        assert done.returncode == 0, (self._folder.parent / "told").read_text(errors="replace")


@contextmanager
def own_cluster() -> Iterator[Cluster]:
    """Provide a PostgreSQL that runs until the end."""
    binaries = _binaries()
    if binaries is None:
        left_out("PostgreSQL is not installed here")
        raise AssertionError
    path = Path(tempfile.mkdtemp(prefix="edgewright-postgres-"))
    try:
        path.chmod(0o755)
        folder = path / "cluster"
        folder.mkdir(mode=0o700)
        if os.getuid() == 0:
            shutil.chown(folder, _OWNER)
        cluster = Cluster(folder, binaries)
        try:
            yield cluster
        finally:
            with suppress(AssertionError):
                cluster.stop()
    finally:
        shutil.rmtree(path, ignore_errors=True)
