"""What is measured: the package of the shipped pipeline `hapt`, its compiled module, and rows of one person."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import HAPT
from benchmarks.table import ONE_THREAD, ROOT, python
from edgewright.core.package import read_package, write_package
from edgewright.core.records.package import WindowSpec
from edgewright.export.targets.extension import build_extension

COLUMNS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
RATE = 50.0
EDGEWRIGHT = str(Path(python()).with_name("edgewright"))


@dataclass(frozen=True)
class Subject:
    """A folder with `hapt.edge`, compiled for this machine, and rows of shape (rows, 6), float32."""

    folder: Path
    package: Path
    rows: NDArray[np.float32]


def prepare(folder: Path, package: Path | None) -> Subject:
    """Train and packages `hapt` unless a package is given, and compiles it.

    Raises:
        SystemExit: without the public set beside the repository.
    """
    data = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "har-hapt"
    if not data.is_dir():
        raise SystemExit("left out: no public data set 'har-hapt' beside the repository")
    path = folder / "hapt.edge"
    if package is None:
        run([EDGEWRIGHT, "run", HAPT, "--data", str(data), "--out", str(folder / "runs")])
        (package,) = (folder / "runs").glob("*/*.edge")
    shutil.copyfile(package, path)
    read = read_package(path)
    # The module that `edgewright predict` would compile: found by the bytes of the form that answers.
    build_extension(read.model(read.manifest.default))
    with gzip.open(data / "exp01_user01.csv.gz", "rt") as file:
        rows = np.loadtxt(file, delimiter=",", skiprows=1, usecols=range(6), dtype=np.float32)
    return Subject(folder, path, rows)


def run(command: Sequence[str]) -> None:
    """Run a command quietly."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD})


def recording(path: Path, rows: NDArray[np.float32], count: int) -> Path:
    """So many rows as CSV, those of the person again and again."""
    lines = [",".join(f"{value:.6g}" for value in row) for row in rows.tolist()]
    with path.open("w", encoding="ascii") as file:
        file.write(f"time,{','.join(COLUMNS)}\n")
        for start in range(0, count, len(lines)):
            part = lines[: min(len(lines), count - start)]
            file.writelines(f"{(start + row) / RATE:.2f},{line}\n" for row, line in enumerate(part))
    return path


def stepped(package: Path, step: int, path: Path) -> Path:
    """Return the same package with another step between windows: more answers a second to measure."""
    read = read_package(package)
    window = read.manifest.window or WindowSpec(samples=128, step=64, rate=RATE)
    changed = msgspec.structs.replace(read.manifest, window=msgspec.structs.replace(window, step=step))
    write_package(path, changed, read.files)
    return path


def agent(folder: Path, *arguments: str, new: bool = True) -> list[str]:
    """Return the command line of an agent with a new store, or with the one that is there."""
    if new:
        shutil.rmtree(folder / "store", ignore_errors=True)
    return [EDGEWRIGHT, "device", "run", "--store", str(folder / "store"), *arguments]


def peak(process: int) -> int:
    """Most bytes of a process that were in memory at once."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
