"""Steps of a job: every file offers `STEP`; its name is the `kind` in `job.toml`. What steps share is here."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import msgspec

from edgewright.cluster.contract import engine_for
from edgewright.cluster.mapping import each, is_spread, on_engine
from edgewright.data.contract import PublicSet
from edgewright.data.load import find_kind
from edgewright.data.public import names as public_names
from edgewright.data.public import public_set
from edgewright.pipeline.config import read_config, shipped
from edgewright.pipeline.material import Material
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.schema.config import PipelineConfig
from edgewright.schema.device import DecisionSpec
from edgewright.schema.errors import CheckFailedError, InputError, UnknownNameError
from edgewright.schema.job import JobFigure, StepRecord

C = TypeVar("C")
T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Ran:
    """A pipeline that ran in a job.

    Attributes:
        config: of the pipeline.
        folder: of the run.
        data: path that was read; None for what the pipeline names.
        decision: that a tuning chose; None for the package's own.
        material: what it works on with the labels that it was kept from, once a step prepared that.
    """

    config: PipelineConfig
    folder: Path
    data: str | None
    decision: DecisionSpec | None = None
    material: Material | None = None


@dataclass
class Work:
    """A job in progress, as its steps see it.

    Attributes:
        folder: of the job's files.
        out: folder that is written.
        data: folder of the data, or of folders of public sets; None loads what the pipelines name.
        listener: hears what is being done.
        runs: by name of their step.
        changes: of the keys of every later pipeline, such as who judges the recordings that a step made.
    """

    folder: Path
    out: Path
    data: Path | None
    listener: Listener
    runs: dict[str, Ran] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    def pipeline(self, name: str, changes: tuple[str, ...] = ()) -> PipelineConfig:
        """Return a pipeline of the job's folder, or a shipped one, with changes by steps and by the caller."""
        return read_config(name if name in shipped() else str(self.folder / name), (*self.changes, *changes))

    def data_of(self, config: PipelineConfig) -> str | None:
        """Return the path of a pipeline's data: of its public set among others, else the one that was named."""
        return self.path_of(config.data)

    def path_of(self, table: Mapping[str, object]) -> str | None:
        """Return the path of the data of a table `[data]`, as `data_of` does."""
        if self.data is None:
            return None
        part = find_kind(str(table.get("kind", "")), "[data]")
        if isinstance(part, PublicSet) and (self.data / part.folder).is_dir():
            return str(self.data / part.folder)
        return str(self.data)

    def texts(self, names: tuple[str, ...]) -> list[Path]:
        """Return paths of texts in the data; the data itself where none is named.

        Raises:
            InputError: no data, or nothing of that name.
        """
        where = f"{self.folder.name} job.toml"
        if self.data is None:
            named = f" with {', '.join(names)}" if names else ""
            raise InputError(f"texts in --data DIR{named}", "no --data", where, _origins(names))
        paths = [self.data / name for name in names] or [self.data]
        for path in paths:
            if not path.exists():
                raise InputError("texts", "nothing there", str(path), _origins((path.name,)))
        return paths

    def each(self, label: str, items: Iterable[T], count: int) -> Iterator[T]:
        """Yield items, and say how many of `count` are done."""
        with self.listener.doing(label, count) as advance:
            for item in items:
                yield item
                advance(1)

    def new_folder(self, config: StepConfig) -> Path:
        """Make the folder of a step's files."""
        folder = self.out / config.step_name
        folder.mkdir()
        return folder

    def file_of(self, name: str, kind: str, file: str) -> Path:
        """Return a file that a step before has made.

        Raises:
            InputError: there is no such step, of that kind.
        """
        path = self.out / name / file
        if not path.is_file():
            raise InputError(f"a step {name!r} of kind {kind!r} before", "none", f"{self.folder.name} job.toml")
        return path

    def run_of(self, name: str) -> Ran:
        """Return what a step ran; the newest when the name is empty.

        Raises:
            InputError: nothing ran before.
            UnknownNameError: nothing of that name.
        """
        where = f"{self.folder.name} job.toml"
        if not self.runs:
            raise InputError("a step of kind 'run' before", "none", where)
        if name and name not in self.runs:
            raise UnknownNameError("run", name, self.runs, where)
        return self.runs[name] if name else list(self.runs.values())[-1]


def _origins(folders: tuple[str, ...]) -> str:
    """Return what to download into which folder of the data."""
    known = {part.folder: part.url for part in map(public_set, public_names()) if part.url}
    listed = ", ".join(f"{known[name]} into DIR/{name}" for name in folders if name in known)
    return f"Download {listed}" if listed else "Name a folder of texts"


class StepConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of every step.

    Attributes:
        kind: the file of `jobs/steps`.
        name: name of the step in targets and other steps; the kind when empty.
        title: heading on the page; the step's own when empty.
    """

    kind: str
    name: str = ""
    title: str = ""

    @property
    def step_name(self) -> str:
        """Name of the step."""
        return self.name or self.kind


@dataclass(frozen=True)
class Step(Generic[C]):
    """The one object `STEP` of a file.

    Attributes:
        config: its keys, a `StepConfig`.
        title: heading where the job names none.
        run: does it and returns its record, without what the job itself fills in: name, kind, title and seconds.
    """

    config: type[C]
    title: str
    run: Callable[[C, Work], StepRecord]


# The hook hears of every connection, name look-up and open port before it happens. What a parent had resident when it
# forked counts in `ru_maxrss`, and not in VmHWM.
_HOOK = """\
import atexit, runpy, sys
asked = []
names = ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto", "socket.gethostbyname")
sys.addaudithook(lambda name, _: asked.append(name) if name in names else None)
file = sys.argv.pop(1)
def end():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    open(file, "w").write(f"{len(asked)} {status['VmHWM'].split()[0]}")
atexit.register(end)
runpy.run_module("edgewright", run_name="__main__", alter_sys=True)
"""


class Process(NamedTuple):
    """A process that ended well.

    Attributes:
        output: what it wrote.
        memory: bytes that were resident at most, with Python and its libraries.
        network: connections, look-ups of names and ports that it asked for.
    """

    output: str
    memory: int
    network: int

    def figures(self) -> tuple[JobFigure, ...]:
        """Return memory and network use."""
        title = "memory of the whole process, Python and its libraries included"
        return (
            JobFigure.of("memory", title, self.memory, "B"),
            JobFigure.of("network", "connections, look-ups and ports that it asked for", self.network, "1"),
        )  # fmt: skip


def run_offline(arguments: Sequence[str | Path], lines: Sequence[str] = ()) -> Process:
    """Run `edgewright` with arguments and lines of input.

    Raises:
        CheckFailedError: it failed.
    """
    with tempfile.TemporaryDirectory() as room, (Path(room) / "input").open("w+", encoding="utf-8") as given:
        given.writelines(f"{line}\n" for line in lines)
        given.seek(0)
        counted, written, failed = (Path(room) / name for name in ("network", "output", "errors"))
        command = [sys.executable, "-c", _HOOK, str(counted), *map(str, arguments)]
        with written.open("wb") as output, failed.open("wb") as errors:
            done = subprocess.run(command, stdin=given, stdout=output, stderr=errors, check=False)
        if done.returncode:
            message = failed.read_text(encoding="utf-8", errors="replace").strip()
            raise CheckFailedError(f"edgewright {' '.join(map(str, arguments[:2]))} ended with {message[-400:]}")
        network, resident = map(int, counted.read_text().split())
        return Process(written.read_text(encoding="utf-8"), 1024 * resident, network)


def in_processes(function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
    """Yield what a function of a module makes of each task, in order, on the workers of the block or on all cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with nullcontext() if is_spread() or min(cores, len(tasks)) < 2 else on_engine(engine_for(f"local:{cores}")):
        yield from each(_called, function, tasks, chunk=max(1, min(10, len(tasks) // (4 * cores))))


def _called(function: Callable[[T], R], task: T) -> R:
    return function(task)
