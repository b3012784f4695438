"""Runs a package's test vectors in a separate, restricted process that cannot affect the running model."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edgewright.core.errors import OutputError
from edgewright.core.files import os_errors
from edgewright.core.records.fleet import Because, TrialLimits
from edgewright.device.agent.parent_process import output_of
from edgewright.fleet.device.ports import Tested

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET of sched.h
_ADDRESSES = 16 << 30  # engines map far more memory than they use; RLIMIT_DATA is the effective limit
_FILES = 16 << 20
_MORE_PROCESSES = 64
OK, WRONG, UNREADABLE, DISK, SETTINGS, MEMORY = 0, 1, 2, 3, 4, 74
_CODE = re.compile(r"[A-Za-z0-9_.:<>]{1,200}")
_MEMORY = 1 << 30
_SECONDS = 60
_WALL = 120.0
_KEPT = ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "PYTHONPATH", "LD_LIBRARY_PATH", "CREDENTIALS_DIRECTORY")


def limit(memory: int, seconds: int) -> None:
    """Set the limits of this process permanently.

    Args:
        memory: bytes of writable memory (`RLIMIT_DATA`).
        seconds: seconds of processor time.
    """
    for kind, maximum in (
        (resource.RLIMIT_AS, _ADDRESSES), (resource.RLIMIT_DATA, memory), (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, _FILES), (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, _processes() + _MORE_PROCESSES),
    ):  # fmt: skip
        _, hard = resource.getrlimit(kind)
        value = maximum if hard == resource.RLIM_INFINITY else min(maximum, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, value))


def alone() -> bool:
    """Isolate the process from the network, before it starts threads; return whether the kernel allowed it."""
    with suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NET) == 0)
    return False


def _processes() -> int:
    """Return the number of threads of this user, which the limit includes."""
    count, mine = 0, os.getuid()
    for entry in Path("/proc").glob("[0-9]*/task"):
        with suppress(OSError):
            if entry.stat().st_uid == mine:
                count += sum(1 for _ in entry.iterdir())
    return count


def main(arguments: list[str]) -> int:
    """Run FILE MEMORY SECONDS [CONFIG FOLDER].

    With CONFIG, the device.toml as seen from FOLDER or empty for none, settings in the package are checked, too.

    Return 0 if the vectors pass, 1 if answers differ, 2 for an unreadable package, 3 for a full disk or a CONFIG that
    cannot be read, 4 for settings in the package that do not fit this device, 74 for too little memory.
    """
    path, memory, seconds = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    alone()
    limit(memory, seconds)
    from edgewright.core.errors import CheckFailedError, EdgewrightError, OutputError  # noqa: PLC0415
    from edgewright.core.package import read_package  # noqa: PLC0415 - after the limits
    from edgewright.core.predictor import Predictor  # noqa: PLC0415

    try:
        Predictor(read_package(path))
        return _check_settings(path, *arguments[3:]) if arguments[3:] else OK
    except CheckFailedError as error:
        return _answered(error, WRONG)
    except OutputError as error:
        return _answered(error, DISK)
    except EdgewrightError as error:
        return _answered(error, UNREADABLE)
    except MemoryError as error:
        return _answered(error, MEMORY)


def _check_settings(path: Path, file: str, folder: str) -> int:
    """Check the settings that a package carries against those of this device."""
    from edgewright.core.errors import EdgewrightError  # noqa: PLC0415
    from edgewright.device.agent.release_settings import carried_files, check_carried  # noqa: PLC0415 - after the limits
    from edgewright.device.agent.settings import read_settings  # noqa: PLC0415

    if not carried_files(path):
        return OK
    config = Path(file) if file else None
    try:
        os.chdir(folder)
        read_settings(config)
    except (EdgewrightError, OSError) as error:  # says nothing about the release
        return _answered(error, DISK, "this device's own settings: ")
    try:
        check_carried(path, config)
    except EdgewrightError as error:
        return _answered(error, SETTINGS)
    return OK


def _answered(error: BaseException, code: int, about: str = "") -> int:
    """Print the message for the log of this device, and as the last line the code that may leave it."""
    from edgewright.core.errors import error_code  # noqa: PLC0415 - after the limits

    sys.stderr.write(f"edgewright: {about}{' '.join(str(error).splitlines())[:500]}\n{error_code(error)}\n")
    return code


def written(memory: int) -> int:
    """Return the data limit for a resident limit of `memory` bytes: libraries reserve more than they use."""
    return 2 * memory + (128 << 20) if memory else _MEMORY


def run_vectors(
    path: Path, limits: TrialLimits, wall: float = _WALL, alive: Callable[[], None] = lambda: None,
    config: Path | None = None, hear: Callable[[bytes], None] = lambda text: None,
) -> Tested:  # fmt: skip
    """Run the test vectors of a package in a restricted process, and check the settings that it carries.

    Args:
        path: file of the package.
        limits: limits of the plan; only the memory limit applies.
        wall: seconds after which the process is killed.
        alive: called every few seconds meanwhile, for a watchdog.
        config: device.toml of this device; None for none.
        hear: receives what the process prints, for the log of this device; it may quote files.

    Raises:
        OutputError: the process cannot be started or cannot write, or `config` cannot be read; the result of the
            package is unknown.
    """
    command = [sys.executable, "-m", __name__, str(path.absolute()), str(written(limits.memory)), str(_SECONDS)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | threads
    with os_errors(OutputError, "to run a package's test vectors", path):
        command += [str(config or ""), str(Path.cwd())]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
            cwd="/", start_new_session=True,
        )  # fmt: skip
    try:
        data = output_of(process, wall, alive)[1]
    except subprocess.TimeoutExpired:
        return Tested(ok=False, because="latency", detail=f"its test vectors took more than {wall:.0f} s")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    *lines, last = ["", *data.decode("utf-8", "replace").strip().splitlines()]
    known = process.returncode in (WRONG, UNREADABLE, DISK, SETTINGS, MEMORY)
    if printed := "\n".join([*lines[1:], *([] if known else [last])]):
        hear(f"{printed}\n".encode())
    if process.returncode == DISK:
        raise OutputError("to run a package's test vectors", last or "no space", str(path))
    return _meaning(process.returncode, last)


def _meaning(code: int, last: str) -> Tested:
    """Return the result; `last` is the code of an error, or the last line of a process that crashed."""
    if code == OK:
        return Tested(ok=True)
    # The bytes are the signed ones, so a package that cannot be read is the release's fault like a wrong answer.
    known: dict[int, Because] = {WRONG: "vectors", UNREADABLE: "vectors", SETTINGS: "start", MEMORY: "memory"}
    if code in known and "MemoryError" not in last:
        return Tested(ok=False, because=known[code], detail=last if _CODE.fullmatch(last) else "")
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    because: Because = "memory" if "MemoryError" in last or "cannot allocate" in last.lower() else "crash"
    return Tested(ok=False, because=because, detail=f"its test ended with {how}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
