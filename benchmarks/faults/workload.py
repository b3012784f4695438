"""What a program goes through while its power may be cut or it is killed: one file a program in `workloads/`.

A program may use any number of SQLite files and of plain files, in folders too. SQLite is heard through
`recorder.connect`; plain files need nothing: the recorder hears `os.fsync`, `os.replace`, `os.rename` and `os.unlink`
and looks at what changed in the folder before each.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults import workloads as folder
from benchmarks.faults.recorder import Recorder


def _nothing(folder: Path) -> None:
    pass


@dataclass(frozen=True)
class Workload:
    """A program at work, the same steps at every run: clocks and names are given, nothing is drawn by chance.

    Attributes:
        what: for the table.
        use: (folder, recorder) -> None: opens the program's files in the folder and works. SQLite files are opened with
            `recorder.connect`; `recorder.promise(x)` says what a user may rely on from then on.
        recover: (folder, recorder) -> None: the next start, left as a killed process leaves it.
        check: (folder, before, after) -> what is wrong, empty for nothing: opens the folder as the next start does and
            holds it to the last promise given, or to the next one, which was being kept when it ended. None: no
            promise was given.
        prepare: (folder) -> None: files that lie there, durable, before the first step.
        disk: bytes of the disk; 0: as much as there is.
    """

    what: str
    use: Callable[[Path, Recorder], None]
    recover: Callable[[Path, Recorder], None]
    check: Callable[[Path, Any, Any], str]
    prepare: Callable[[Path], None] = _nothing
    disk: int = 0


def workloads() -> dict[str, Workload]:
    """All there are, by the name of their file."""
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    return {name: importlib.import_module(f"{folder.__name__}.{name}").WORKLOAD for name in names}
