"""A fitted pipeline as arrays and JSON: no pickle, readable by eye, the same bytes for the same pipeline."""

from __future__ import annotations

import hashlib
import io
import math
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright._version import __version__
from edgewright.core.errors import FormatNewerError, InputError, MissingFileError, RunError
from edgewright.core.files import write_atomic
from edgewright.core.records.compress import COMPRESS_VERSION, CompressRecord
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Column, DataSet, Floats, LabelRecord
from edgewright.core.records.trace import Interval, LeftOutRecord, Provenance, StageRecord
from edgewright.data.audited_labels import LIMIT_KEY
from edgewright.data.load import find_kind
from edgewright.data.remote import absolute, is_remote
from edgewright.data.samples import StreamWindows
from edgewright.graph.stage import Context
from edgewright.pipeline.plan import Plan, build, build_model, parts
from edgewright.pipeline.run_folder.folder import FINISHED_EPOCHS, KEPT, TRAININGS, kept_when_stopped, last_stopped
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.trace.page_model import as_it_was, read_trace
from edgewright.training.loop import keeping

STORE_VERSION = 1
INDEX = "pipeline.json"
Arrays = dict[str, np.ndarray[Any, Any]]


class StoredStage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage: its table as in the TOML, what it was built for, and its fitted attributes."""

    name: str
    table: dict[str, Any]
    context: Context
    state: dict[str, Any]


class StoredPipeline(msgspec.Struct, frozen=True, kw_only=True):
    """`pipeline.json`: arrays are named by `{"$array": "file.npy"}`."""

    version: int = STORE_VERSION
    config: PipelineConfig
    task: str
    stages: tuple[StoredStage, ...]
    model: dict[str, Any]
    columns: tuple[Column, ...] = ()


def pack(value: Any, arrays: Arrays, name: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """JSON of a fitted attribute; arrays are put aside under `name` and named in their place.

    Raises:
        TypeError: an attribute that is neither arrays nor JSON (a defect of the stage that lists it).
    """
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            raise TypeError(f"{name}: an object array would need pickle; store text or numbers")
        arrays[f"{name}.npy"] = value
        return {"$array": f"{name}.npy"}
    if isinstance(value, np.generic):
        return pack(value.item(), arrays, name)
    if isinstance(value, float) and not math.isfinite(value):
        # JSON knows no infinity and would keep null.
        return {"$number": str(value)}
    if isinstance(value, Mapping):
        return {str(key): pack(entry, arrays, f"{name}.{key}") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [pack(entry, arrays, f"{name}.{number}") for number, entry in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name}: {type(value).__name__} is neither an array nor JSON")


def unpack(value: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return the attribute that `pack` put away."""
    if isinstance(value, dict):
        if set(value) == {"$array"}:
            return arrays[value["$array"]]
        if set(value) == {"$number"}:
            return float(value["$number"])
        return {key: unpack(entry, arrays) for key, entry in value.items()}
    if isinstance(value, list):
        return [unpack(entry, arrays) for entry in value]
    return value


def save_fitted(
    folder: Path,
    plan: Plan,
    task: str,
    steps: list[tuple[str, Any]],
    contexts: list[Context],
    columns: tuple[Column, ...] = (),
) -> None:
    """Write `pipeline.json` and an `.npy` file an array into `folder`, which must exist.

    Args:
        folder: to write into.
        plan: that the stages were built from.
        task: 'classification' or 'regression'.
        steps: fitted stages in order, the model last.
        contexts: what each stage but the model was built for.
        columns: that arrive, with their declared ranges.
    """
    arrays: Arrays = {}
    stored = []
    for part, context, (name, estimator) in zip(plan.stages, contexts, steps[:-1], strict=True):
        state = {key: pack(getattr(estimator, key), arrays, f"{name}.{key}") for key in part.stage.state}
        stored.append(StoredStage(name=name, table=part.table, context=context, state=state))
    name, model = steps[-1]
    state = {key: pack(getattr(model, key), arrays, f"{name}.{key}") for key in plan.model.state}
    index = StoredPipeline(config=plan.config, task=task, stages=tuple(stored), model=state, columns=columns)
    for file, array in arrays.items():
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=False)
        (folder / file).write_bytes(stream.getvalue())
    text = msgspec.json.format(msgspec.json.encode(index, order="deterministic"), indent=1)
    (folder / INDEX).write_bytes(text)


def load_fitted(folder: Path) -> tuple[StoredPipeline, list[tuple[str, Any]]]:
    """Read what `save_fitted` wrote: the stored description and the fitted steps, the model last.

    Raises:
        InputError: files missing, damaged, or of a newer version.
    """
    path = folder / INDEX
    try:
        raw = path.read_bytes()
        table = msgspec.json.decode(raw)
        version = table.get("version", 0)
        if version > STORE_VERSION:
            raise FormatNewerError(
                f"a stored pipeline of version {STORE_VERSION}", str(version), str(path), "Upgrade edgewright"
            )
        as_it_was(table.get("config", {}))
        index = msgspec.convert(table, StoredPipeline)
        arrays = {file.name: np.load(file, allow_pickle=False) for file in sorted(folder.glob("*.npy"))}
        steps: list[tuple[str, Any]] = []
        for part, stored in zip(parts(index.config.stages, str(path)), index.stages, strict=True):
            estimator = build(part, stored.context)
            for key, value in stored.state.items():
                setattr(estimator, key, unpack(value, arrays))
            steps.append((stored.name, estimator))
        model = build_model(index.config, index.task)
        for key, value in index.model.items():
            setattr(model, key, unpack(value, arrays))
    except FileNotFoundError as error:
        raise MissingFileError("a fitted pipeline", "no such file", str(error.filename)) from None
    except (msgspec.MsgspecError, ValueError, KeyError, EOFError, AttributeError) as error:
        raise RunError("an undamaged fitted pipeline", str(error), str(path)) from None
    return index, [*steps, ("model", model)]


def stopped_run(parent: Path, name: str, of: str) -> Path:
    """Return the folder of the run of a name that was stopped last, before its data are read.

    Args:
        parent: folder of runs.
        name: of the run.
        of: as `kept_trainings` takes it.

    Raises:
        InputError: none was, or another one.
    """
    work = last_stopped(parent, name, FINISHED_EPOCHS, "a run that was stopped while it trained")
    with suppress(FileNotFoundError):  # another process goes on with it, which `held` says
        _refuse_others((work / FINISHED_EPOCHS).read_text().partition("\n")[0], _settings(of), work)
    return work


def goes_on(parent: Path, name: str, of: str) -> bool:
    """Return whether a run was stopped that `stopped_run` returns."""
    try:
        return bool(stopped_run(parent, name, of))
    except InputError:
        return False


@contextmanager
def kept_trainings(work: Path, of: str, on: str, *, resumed: bool) -> Iterator[None]:
    """Keep the trainings of a block that is stopped: by Ctrl-C, a kill or a full disk.

    A block that fails for another reason fails again with the same trainings, so nothing is kept of it.

    Args:
        work: folder of the run.
        of: what is trained, in a text that another run does not have and that is known without the data.
        on: the same of the data.
        resumed: whether the run goes on in a folder of a stopped one.

    Raises:
        InputError: another run was stopped.
    """
    mark, made_of = work / FINISHED_EPOCHS, f"{_settings(of)}\n{on}"
    if resumed:
        _refuse_others(mark.read_text(), made_of, work)
    (work / TRAININGS).mkdir(exist_ok=True)
    with keeping(work / TRAININGS, lambda: mark.exists() or write_atomic(mark, made_of.encode())):
        for path in work.iterdir() if resumed else ():
            if path.name not in KEPT:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with kept_when_stopped(mark):
            yield


def _settings(of: str) -> str:
    return hashlib.sha256(f"{__version__} {of}".encode()).hexdigest()


def _refuse_others(stopped: str, made_of: str, work: Path) -> None:
    if stopped != made_of:
        raise FormatNewerError(
            "the pipeline, the data and the version of Edgewright that were stopped", "another one", str(work),
            "Leave out --resume to begin again",
        )  # fmt: skip


@dataclass(frozen=True)
class Crossed:
    """What folds found.

    Attributes:
        answers: probabilities (n, classes) or amounts (n, 1) of all samples in their order.
        classes: in the order of the probabilities; empty for amounts.
        kept: what folds kept whole, `folds` their number.
        units: number of the unit of each sample, for intervals where samples have no groups.
        scores: what the folds were judged by, by its title.
        temperature: that makes the answers as sure as they are right; a network is packaged with it.
        evaluates: whether the answers are of all samples of the run; otherwise the run's own test samples evaluate, and
            `scores` stand beside.
    """

    answers: Floats
    classes: tuple[str, ...]
    kept: str
    folds: int
    units: NDArray[np.int64]
    scores: dict[str, Interval] = field(default_factory=dict)
    temperature: float = 1.0
    evaluates: bool = True


@dataclass(frozen=True)
class AnsweredStream:
    """An unbroken recording with the answers to its windows, in order.

    Attributes:
        probabilities: shape (windows, classes); zeros where too many values are missing for an answer.
        classes: their names.
        windows: what was answered, without its values.
    """

    probabilities: Floats
    classes: tuple[str, ...]
    windows: StreamWindows


@dataclass
class Job:
    """What the parts of a run share.

    Attributes:
        plan: its configuration, resolved.
        listener: hears of every part as soon as it stands.
        cards: of the data flow, in order.
        warnings: for the end of the record.
        crossed: what folds found of the model before; None where the test samples alone judge it.
        left_out: each group left out once; None where that is not asked for.
        streams: whole recordings of groups that were left out, answered by the fits on the others; `streamed` names
            the groups.
    """

    plan: Plan
    listener: Listener
    cards: list[StageRecord] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    crossed: Crossed | None = None
    left_out: LeftOutRecord | None = None
    streams: list[AnsweredStream] = field(default_factory=list)
    streamed: list[str] = field(default_factory=list)

    @property
    def config(self) -> PipelineConfig:
        """The configuration as it was written."""
        return self.plan.config

    def card(self, record: StageRecord) -> None:
        """Add a card and tell the listener."""
        self.cards.append(record)
        self.listener.stage(record)


RECORD = "compress.json"


def write_record(record: CompressRecord, folder: Path) -> None:
    """Write the record into a folder that is not published yet."""
    text = msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=2) + b"\n"
    (folder / RECORD).write_bytes(text)


def read_record(folder: Path) -> CompressRecord:
    """Return the record of a compression.

    Raises:
        InputError: absent, damaged, or of a newer version.
    """
    path = folder / RECORD
    try:
        content = path.read_bytes()
        version = msgspec.json.decode(content).get("version", 0)
        if version > COMPRESS_VERSION:
            raise FormatNewerError("a record of a known version", str(version), str(path), "Upgrade edgewright")
        return msgspec.json.decode(content, type=CompressRecord)
    except OSError as error:
        raise RunError("a compress.json", error.strerror or str(error), str(path)) from None
    except (msgspec.MsgspecError, AttributeError) as error:
        raise RunError("an undamaged compress.json", str(error), str(path)) from None


_LIBRARIES = ("numpy", "jax", "optax", "scikit-learn", "onnx", "onnxruntime")


def loader_text(table: dict[str, Any]) -> str:
    """Return what reads data as the package's were read, as JSON: the kind, and of a public set the keys of its loader.

    Names of columns and paths of a user's own data stay out of the package; so does the part of a set, because other
    parts are what it is scored on.
    """
    kind = table.get("kind", "")
    keys = {key: value for key, value in table.items() if key not in ("path", "part", LIMIT_KEY)}
    if not kind or not find_kind(str(kind), "").reads_folder:
        keys = {"kind": kind}
    return msgspec.json.encode(keys, order="deterministic").decode()


def data_path(table: dict[str, Any], data: str | None) -> str:
    """Absolute path of a run's data; empty where they are made up or a public set's own.

    Args:
        table: `[data]` of the run.
        data: path that overrides the one in it.
    """
    given = data or table.get("path")
    return absolute(given) if isinstance(given, str) and given else ""


@dataclass(frozen=True)
class Remembered:
    """What a run folder knows of its data: where they lay, and the SHA-256 of its samples; empty where it does not."""

    path: str = ""
    sha256: str = ""

    def data_location(self) -> str | None:
        """Return the path; None where the configuration alone leads to the data.

        Raises:
            InputError: nothing lies there any more.
        """
        if self.path and not is_remote(self.path) and not Path(self.path).exists():
            raise MissingFileError(
                "the data the run was fitted on", "no such file or folder", self.path, "Name them with --data"
            )
        return self.path or None

    def changed(self, sha256: str) -> bool:
        """Return whether these are other samples than those of the run."""
        return self.sha256 not in ("", sha256)


def remembered(folder: Path) -> Remembered:
    """Return what a run, or a compressed run, noted of its data.

    Raises:
        InputError: its record is damaged.
    """
    if (folder / "trace.json").exists():
        provenance = read_trace(folder / "trace.json").provenance
        return Remembered(_moved(provenance.data_path, folder), provenance.data_hash)
    if (folder / RECORD).exists():
        record = read_record(folder)
        return Remembered(_moved(record.data_path, folder), record.data_hash)
    return Remembered()


def _moved(path: str, folder: Path) -> str:
    """Return where data lie that moved with the folder that the run lies in, as those of a job's step do."""
    if not path or is_remote(path) or Path(path).exists():
        return path
    parts = Path(path).parts[1:]
    candidates = (folder.absolute().parent.joinpath(*parts[start:]) for start in range(len(parts)))
    return str(next((there for there in candidates if there.exists()), path))


def provenance(
    plan: Plan,
    dataset: DataSet,
    *,
    samples: str,
    labels: tuple[LabelRecord, ...],
    command: str,
    started: str,
    package: str,
    data: str | None = None,
) -> Provenance:
    """Return the record's last section.

    Args:
        plan: of the run.
        dataset: that was read.
        samples: SHA-256 of the samples.
        labels: records of labels that a machine had a hand in.
        command: as it was typed.
        started: time in UTC, ISO 8601.
        package: SHA-256 of the package, empty when it was refused.
        data: path that overrides the one in `[data]`.
    """
    return Provenance(
        command=command,
        seed=plan.data.seed,
        config_hash=plan.sha256,
        data_hash=samples,
        data_path=data_path(plan.data.table, data),
        versions={"edgewright": __version__, **{name: _version(name) for name in _LIBRARIES}},
        platform=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        licences=tuple(text for text in (dataset.licence,) if text),
        origin=dataset.origin,
        citation=dataset.citation,
        backbone=_backbone(plan.config.model.layers),
        labels=labels,
        started=started,
        package_hash=package,
    )


def _backbone(layers: tuple[dict[str, Any], ...]) -> str:
    """Name and SHA-256 of the file that the network began with; empty without one."""
    first = next((table for table in layers if table.get("kind") == "backbone"), {})
    return f"{Path(first['file']).name}, SHA-256 {first.get('sha256', 'unknown')}" if first else ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
