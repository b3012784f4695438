"""What a program goes through while its power may be cut or it is killed: one file a program in `workloads/`.

A program may use any number of SQLite files and of plain files, in folders too. SQLite is heard through
`recorder.connect`; plain files need nothing: the recorder hears `os.fsync`, `os.replace`, `os.rename` and `os.unlink`
and looks at what changed in the folder before each.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.faults.recorder import Recorder, recorded

KIND = "benchmarks.faults.workloads"
"""The package of those that a single device is made of."""


Load = Callable[[Path], AbstractContextManager[Callable[[], None]]]
"""Of a folder: what goes on around a program while the context lasts, and what happens beside it between two steps."""


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
        share: of its states that are looked at where all are asked for, drawn by chance: each may take long to check.
        kills: most steps at which it is killed; 0: all. A run up to each of them may take long.
        loads: by name: every fault is tried under each of these loads, too.
        load: the load of this one; None for none.
        seed: of the ways that are drawn by chance, so that a variant leaves other states.
    """

    what: str
    use: Callable[[Path, Recorder], None]
    recover: Callable[[Path, Recorder], None]
    check: Callable[[Path, Any, Any], str]
    prepare: Callable[[Path], None] = _nothing
    disk: int = 0
    share: float = 1.0
    kills: int = 0
    loads: Mapping[str, Load] = field(default_factory=dict)
    load: Load | None = None
    seed: int = 0

    def variants(self) -> list[Workload]:
        """Return this one and the same under each load; the loads share the states and kills, each has others."""
        among = len(self.loads)
        under = [
            replace(
                self, what=f"{self.what}, {name}", load=load, seed=number, share=self.share / among,
                kills=-(-self.kills // among),
            )
            for number, (name, load) in enumerate(self.loads.items(), 1)
        ]  # fmt: skip
        return [self, *under]

    @contextmanager
    def recorder(self, folder: Path, fatal: int = -1) -> Iterator[Recorder]:
        """Provide the recorder of a folder, under the load of this workload.

        Args:
            folder: in which it works.
            fatal: as of `Recorder`.
        """
        around = self.load(folder) if self.load else nullcontext()
        with around as companion, recorded(folder, fatal, self.disk) as recorder:
            recorder.beside = companion
            yield recorder


def workloads(package: str = KIND) -> dict[str, Workload]:
    """All of a package, by the name of their file."""
    names = sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__))
    return {name: importlib.import_module(f"{package}.{name}").WORKLOAD for name in names}
