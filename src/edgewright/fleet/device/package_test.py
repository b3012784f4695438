"""Test vectors of a package, run in a process of their own that cannot hurt what works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from edgewright.fleet.device import package_test_process
from edgewright.fleet.device.ports import Tested
from edgewright.schema.errors import OutputError
from edgewright.schema.fleet_plan import TrialLimits
from edgewright.schema.fleet_report import Because

_MEMORY = 1 << 30
_SECONDS = 60
_WALL = 120.0
_KEPT = ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "PYTHONPATH", "LD_LIBRARY_PATH")


def written(memory: int) -> int:
    """Bytes that a process may write to where `memory` may be resident: libraries reserve what they never touch."""
    return 2 * memory + (128 << 20) if memory else _MEMORY


def run_vectors(path: Path, limits: TrialLimits, wall: float = _WALL) -> Tested:
    """Runs them.

    Args:
        path: of the package.
        limits: of the plan; its memory counts.
        wall: seconds after which it is ended.

    Raises:
        OutputError: no process can be started here; nothing is said about the package.
    """
    command = [
        sys.executable,
        "-m",
        package_test_process.__name__,
        str(path.absolute()),
        str(written(limits.memory)),
        str(_SECONDS),
    ]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | threads
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
            cwd="/", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise OutputError("to run a package's test vectors", error.strerror or str(error), str(path)) from error
    try:
        _, said = process.communicate(timeout=wall)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Tested(ok=False, because="latency", detail=f"its test vectors took more than {wall:.0f} s")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return _meaning(process.returncode, said.decode("utf-8", "replace").strip())


def _meaning(code: int, said: str) -> Tested:
    last = said.splitlines()[-1][:400] if said else ""
    if code == package_test_process.OK:
        return Tested(ok=True)
    known: dict[int, Because] = {
        package_test_process.WRONG: "vectors",
        package_test_process.DAMAGED: "damaged",
        package_test_process.MEMORY: "memory",
    }
    if code in known and "MemoryError" not in last:
        return Tested(ok=False, because=known[code], detail=last)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    because: Because = "memory" if "MemoryError" in last or "cannot allocate" in last.lower() else "crash"
    return Tested(ok=False, because=because, detail=f"its test ended with {how}. {last}".strip())
