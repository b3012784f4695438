"""Environments of the agent: virtual environments made of signed wheels, beside the one that came with the device.

An environment has the name of its wheels' hash. It counts once its marker is there, which is written last, after
everything in it was flushed. Which one runs is a field of the state, so that it changes with the active release in one
transaction, and goes back with it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from edgewright.core.files import private_folder, sync, write_atomic
from edgewright.device.agent.parent_process import output_of
from edgewright.device.store import file_operations
from edgewright.fleet.protocol.wheel_set import digest, wheels_of
from edgewright.schema.errors import InputError, OutputError

FOLDER, MARKER = "environments", "complete"
NAME_VARIABLE, FACTORY_VARIABLE = "EDGEWRIGHT_ENVIRONMENT", "EDGEWRIGHT_FACTORY"
_SECONDS = 600.0
_SHOWN = 400
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""Errors of this device's disk, which say nothing about the wheels."""


def running() -> str:
    """Return the environment of this process; empty for the one that came with the device."""
    return os.environ.get(NAME_VARIABLE, "")


def factory() -> str:
    """Return the Python that came with the device."""
    return os.environ.get(FACTORY_VARIABLE) or sys.executable


class Environments:
    """Those in the folder of a store.

    Args:
        store: its folder.
        alive: called again and again while something is installed or read, for a watchdog.
    """

    def __init__(self, store: Path, alive: Callable[[], None] = lambda: None) -> None:
        self._folder, self._alive = store / FOLDER, alive

    def python(self, name: str) -> Path | None:
        """Return the interpreter of a whole environment; None for any other."""
        folder = self._folder / name
        try:
            whole = (folder / MARKER).read_text(encoding="ascii") == _fingerprint(folder, self._alive)
        except (OSError, ValueError):
            return None
        return self.interpreter(name) if whole else None

    def interpreter(self, name: str) -> Path:
        """Return where the interpreter of an environment lies."""
        return self._folder / name / "bin" / "python"

    def beats(self, name: str) -> bool:
        """Return whether the agent of an environment gives signs of life; one that cannot must not die for silence."""
        return any((self._folder / name).glob("lib/python*/site-packages/edgewright/device/agent/systemd.py"))

    def prepare(self, package: Path) -> str:
        """Install the wheels of a package; the environment's name, empty where the package carries none.

        Raises:
            InputError: the wheels cannot be installed, or the agent in them does not start or answer.
            OutputError: the disk failed.
        """
        wheels = wheels_of(package)
        if not wheels:
            return ""
        name = digest(wheels)
        if self.python(name) is None:
            self.install(wheels, lambda python: self._answers(python, package))
        return name

    def install(self, wheels: dict[str, bytes], check: Callable[[Path], None]) -> str:
        """Install wheels, check what they made, and only then mark it as whole; its name.

        Raises:
            InputError, OutputError: as `prepare`.
        """
        name = digest(wheels)
        try:
            self._install(name, wheels, check)
        except OSError as error:
            raise OutputError("room for an environment of the agent", str(error), str(self._folder)) from error
        return name

    def keep(self, names: Collection[str]) -> None:
        """Delete all others."""
        for folder in self._folder.glob("*"):
            if folder.name not in names:
                self.discard(folder.name)

    def discard(self, name: str) -> None:
        """Delete one."""
        with suppress(OSError):
            (self._folder / name / MARKER).unlink(missing_ok=True)
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def _install(self, name: str, wheels: dict[str, bytes], check: Callable[[Path], None]) -> None:
        folder = self._folder / name
        shutil.rmtree(folder, ignore_errors=True)
        private_folder(self._folder)
        self._run([factory(), "-m", "venv", "--without-pip", str(folder)])
        python = folder / "bin" / "python"
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="wheels-") as temporary:
            files = [Path(temporary) / wheel for wheel in sorted(wheels)]
            for path in files:
                path.write_bytes(wheels[path.name])
            install = ["install", "--no-index", "--no-deps", "--no-input", "--quiet", "--disable-pip-version-check"]
            self._run([factory(), "-m", "pip", "--python", str(python), *install, *map(str, files)])
        # What the wheels do not bring comes from the environment of the device, after them.
        site = self._run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        base = self._run([factory(), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        (Path(site) / "edgewright-factory.pth").write_text(f"import site; site.addsitedir({base!r})\n")
        check(python)
        _flush(folder, self._alive)
        write_atomic(folder / MARKER, _fingerprint(folder, self._alive).encode())
        file_operations.sync_folder(self._folder)

    def _answers(self, python: Path, package: Path) -> None:
        """Check that the new agent starts, and that the model answers its test vectors under it."""
        self._run([str(python), "-c", "import edgewright.fleet.device.runner, edgewright.cli.main"])
        self._run([str(python), "-m", "edgewright.fleet.device.package_test", str(package), str(1 << 30), "60"])

    def _run(self, command: list[str]) -> str:
        """Return what a command prints."""
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                output, error = output_of(process, _SECONDS, self._alive)
            except subprocess.TimeoutExpired:
                error = b"it took too long"
        if process.returncode:
            text = " ".join((error or output).decode("utf-8", "replace").splitlines())
            if any(os.strerror(code) in text for code in _DISK):
                raise OutputError("room for an environment of the agent", text[-_SHOWN:], str(self._folder))
            text = text[-_SHOWN:]
            raise InputError("an agent that can be installed", text or f"exit code {process.returncode}", "agent/")
        return output.decode("utf-8", "replace").strip()


def _files(folder: Path) -> list[Path]:
    # Byte code is made anew by whoever runs.
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sorted(path for path in paths if path.suffix != ".pyc" and path != folder / MARKER)


def _fingerprint(folder: Path, alive: Callable[[], None] = lambda: None) -> str:
    digest = hashlib.sha256()
    for path in _files(folder):
        alive()
        digest.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _flush(folder: Path, alive: Callable[[], None]) -> None:
    for path in [*_files(folder), *(path_inside for path_inside in folder.rglob("*") if path_inside.is_dir()), folder]:
        alive()
        sync(path)
