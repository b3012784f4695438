"""An agent that misbehaves as a file `fault` in its folder says: code behind the module of the agent's loop.

It installs and answers test vectors as the agent of this repository does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from support import ROOT

FAULTY = """
import ctypes as _ctypes
import signal as _signal
import time as _time


def _fault():
    with suppress(OSError):
        return Path("fault").read_text()
    return ""


def _hang():
    while True:
        _time.sleep(1000.0)


def _fork_and_die():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (_signal.SIGTERM, _signal.SIGHUP, _signal.SIGINT):
                _signal.signal(number, _signal.SIG_IGN)
            with open("left", "a") as file:
                file.write(f"{os.getpid()}\\\\n")
            _hang()
        os._exit(0)
    _time.sleep(1.0)
    os.kill(os.getpid(), _signal.SIGSEGV)


def _fill(store):
    with open(store / "junk", "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


_began, _hoard = _time.monotonic(), []
if sys.argv[0] != "-c" and _fault() == "import":
    _hang()
_step = Agent.step


def _misbehave(self):
    fault, age = _fault(), _time.monotonic() - _began
    if fault == "first loop":
        _hang()
    if fault == "later" and age > 12.0:
        _hang()
    if fault == "ignores SIGTERM":
        _signal.signal(_signal.SIGTERM, _signal.SIG_IGN)
        _hang()
    if fault == "floods its log":
        while True:
            os.write(2, b"the same line again and again\\\\n" * 100)
            os.write(1, b"and to standard output\\\\n" * 100)
    if fault == "forks and dies":
        _fork_and_die()
    if fault == "fills the disk":
        _fill(Path("dev"))
        _hang()
    if fault == "leaks memory":
        while True:
            _hoard.append(bytearray(os.urandom(1 << 20)))
    if fault == "reports nothing":
        Supervisor().alive()
        _time.sleep(0.2)
        return 0.2
    return _step(self)


Agent.step = _misbehave
""".replace("\\\\n", "\\n")


def wheel(folder: Path, version: str, name: str = "", more: str = "") -> Path:
    """Build a wheel of this repository under another version, with more code in one module; its folder."""
    source = folder / f"source-{version}"
    for part in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / part, source / part)
    for part in ("src", "examples"):
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "src/edgewright/_version.py").write_text(f'__version__ = "{version}"\n')
    if more:
        module = source / "src/edgewright/fleet/device" / name
        module.write_text(module.read_text() + more)
    wheels = folder / f"wheels-{version}"
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation", "-q", "-w",
         str(wheels), str(source)],
        check=True, timeout=300,
    )  # fmt: skip
    shutil.rmtree(source)
    return wheels
