"""What several tests need: the public data sets, and leaving out what cannot exist here."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).resolve().parent.parent


def require_all() -> bool:
    """Return whether a part that is absent is a failure (`EDGEWRIGHT_REQUIRE=all`) instead of being left out."""
    return os.environ.get("EDGEWRIGHT_REQUIRE", "") == "all"


def left_out(reason: str) -> None:
    """Leave the test out and says why; a failure where everything is required."""
    if require_all():
        pytest.fail(f"required but absent: {reason}")
    pytest.skip(f"left out: {reason}")


def ended_process() -> int:
    """Return the number of a process that has ended."""
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return int(done.stdout)


def check_settings(config: type[msgspec.Struct]) -> None:
    """Assert that settings are frozen, refuse unknown keys and describe every field in their docstring."""
    assert config.__struct_config__.frozen
    assert config.__struct_config__.forbid_unknown_fields
    text = "\n".join(inspect.cleandoc(base.__doc__ or "") for base in config.__mro__)
    described = {key.strip() for line in re.findall(r"^\s+([a-z_0-9, ]+):", text, re.M) for key in line.split(",")}
    assert set(config.__struct_fields__) <= described, config


def shared_data(name: str) -> Path:
    """Folder of a public set beside the repository."""
    folder = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / name
    if not folder.is_dir():
        left_out(f"no public data set {name!r} beside the repository")
    return folder


def need_sanitizers(compiler: str) -> None:
    """Leave the test out where a compiler or its library of sanitizers is absent: clang's is a package of its own."""
    if shutil.which(compiler) is None:
        left_out(f"{compiler} (apt-get install {compiler})")
    if not _has_sanitizers(compiler):
        left_out(f"the sanitizers of {compiler} (Debian: libclang-rt-14-dev for clang 14)")


@cache
def _has_sanitizers(compiler: str) -> bool:
    """Return whether a program can be linked with them."""
    with tempfile.TemporaryDirectory(prefix="edgewright-") as folder:
        (Path(folder) / "main.c").write_text("int main(void) { return 0; }\n")
        command = [compiler, "-fsanitize=address,undefined", "main.c", "-o", "main"]
        return not subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Provide a file system of so many bytes ("24m"), where this machine lets us make one."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not mount or not umount or subprocess.run([mount, *options], capture_output=True, check=False).returncode:
        # Nothing that could be installed: tests of files that may not grow stand in for it.
        pytest.skip("left out: a file system of our own needs the right to mount")
    try:
        yield folder
    finally:
        subprocess.run([str(umount), "--lazy", str(folder)], check=True)


def environment() -> dict[str, str]:
    """Of a process that imports what tests share."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "OMP_NUM_THREADS": "1"}


def below(process: int) -> list[int]:
    """Return the processes below one."""
    children = [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return children + [more for child in children for more in below(child)]
