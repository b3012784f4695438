"""Runs tests of a copy of the repository in forks of a process that has imported what they import from elsewhere.

A fork takes tenths of a second where an interpreter of its own takes three: it loads our code and the tests, and
neither NumPy, JAX, scikit-learn nor pytest.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tools.affected import PACKAGE, ROOT

# What tests import from elsewhere. polars and ONNX Runtime begin threads when they are imported, which no fork has.
_LIBRARIES = (
    "cryptography.x509", "httpx", "hypothesis", "jax", "onnx", "optax", "PIL.Image", "pytest", "rich.console",
    "sklearn.ensemble", "sklearn.linear_model", "sqlalchemy", "starlette.testclient", "tuf.api.metadata",
)  # fmt: skip
# Bytes of data that a process of tests may have; a change may ask for any number of them.
_MEMORY_BYTES = 8 << 30


@dataclass(frozen=True)
class Outcome:
    """How tests ended.

    Attributes:
        status: exit status of pytest; None where they took too long, or their process crashed.
        cpu_s: seconds of processor time of their process and those that it waited for.
    """

    status: int | None
    cpu_s: float


def load_libraries() -> None:
    """Import what forks then have; one that is absent here is left out."""
    # JAX reads when it is imported where compiled programs are kept.
    importlib.import_module(f"{PACKAGE}.training.backend").prepare()
    for name in _LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)


def run_tests(copy: Path, words: Sequence[str], seconds: float, plugin: object = None) -> Outcome:
    """Run tests of a copy in a fork, and end whatever they leave running.

    Args:
        copy: of the repository; temporary files of tests lie beside it.
        words: for pytest.
        seconds: after which they are ended.
        plugin: of pytest, which hears of them in the fork.
    """
    temporary = copy.parent / "tmp"
    process = os.fork()
    if not process:
        status = 70
        try:
            status = _child(copy, ["--basetemp", str(temporary), *words], plugin)
        finally:
            os._exit(status)
    limit = time.monotonic() + seconds
    try:
        while True:
            ended, status, usage = os.wait4(process, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return Outcome(code if code >= 0 else None, usage.ru_utime + usage.ru_stime)
            if time.monotonic() > limit:
                return Outcome(None, seconds)
            time.sleep(0.01)
    finally:
        # A change may leave workers and servers behind.
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(process, 0)
        shutil.rmtree(temporary, ignore_errors=True)


def _child(copy: Path, words: Sequence[str], plugin: object) -> int:
    """Run the tests in this process and return their exit status."""
    os.setsid()
    os.chdir(copy)
    output = os.open(copy.parent / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.update(PYTHONPATH=str(copy / "src"), OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    sys.path[:] = [str(copy / "src"), *(path for path in sys.path if Path(path).resolve() not in _OURS)]
    sys.path_importer_cache.clear()
    # The copy has its own; the package is not among these, or its changed code would never load.
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tools", PACKAGE)]:
        del sys.modules[name]
    # Plugins that were imported already are as good without the rewriting of their assertions.
    options = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*options, *words], plugins=[plugin] if plugin else None))


_OURS = (ROOT, ROOT / "src", ROOT / "tests", ROOT / "tools")
