"""Steps of a job: every file offers `STEP`; its name is the `kind` in `job.toml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from edgewright.data.contract import PublicSet
from edgewright.data.load import find_kind
from edgewright.data.public import names as public_names
from edgewright.data.public import public_set
from edgewright.pipeline.config import read_config, shipped
from edgewright.pipeline.listener import Listener
from edgewright.schema.config import PipelineConfig
from edgewright.schema.device import DecisionSpec
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.job import StepRecord

C = TypeVar("C")


@dataclass
class Ran:
    """A pipeline that ran in a job.

    Attributes:
        config: of the pipeline.
        folder: of the run.
        data: path that was read; None for what the pipeline names.
        decision: that a tuning chose; None for the package's own.
    """

    config: PipelineConfig
    folder: Path
    data: str | None
    decision: DecisionSpec | None = None


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
        found = [self.data / name for name in names] or [self.data]
        for path in found:
            if not path.exists():
                raise InputError("texts", "nothing there", str(path), _origins((path.name,)))
        return found

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
        name: of the step in targets and other steps; the kind when empty.
        title: heading on the page; the step's own when empty.
    """

    kind: str
    name: str = ""
    title: str = ""


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
