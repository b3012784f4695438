"""Study: a folder with all results of a search, durable after every batch, and its identity by content.

The file `study.sqlite` holds the identity of the study and its trials. Each batch is one transaction with
`synchronous=FULL`: after a kill or a power cut a batch is stored completely or not at all, and the search continues
after the last stored batch. The identity is independent of paths and of the notation of the budget. The file
`search.json` beside it stores the pipeline of the search, which shows later changes; points are built from it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.archive import decode_versioned
from edgewright.core.files import write_atomic
from edgewright.core.formatting import some_of
from edgewright.pipeline.config import without_places
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.footprint import parse_budget
from edgewright.schema.profile import Profile
from edgewright.search.architecture.estimates import digest
from edgewright.search.architecture.trial import CandidateTrial, FoldError, TrialScore
from edgewright.trace.compare import flat_settings

RULE = (
    "a trial stops after its first fold if a finished trial needs no more flash, RAM and latency and its error on that "
    "fold is lower by more than one standard error"
)


def combined(folds: Sequence[FoldError], task: str) -> float:
    """Return the error over folds: error rate, or root mean squared error."""
    mean = sum(fold.mean * fold.samples for fold in folds) / sum(fold.samples for fold in folds)
    return float(mean**0.5) if task == "regression" else float(mean)


def objectives(trial: CandidateTrial) -> tuple[float, float, float, float]:
    """Return error, flash, RAM and latency; smaller is better for each."""
    error = float("inf") if trial.error is None else trial.error
    return error, trial.estimate.flash, trial.estimate.ram, trial.estimate.latency_us


def beats(a: Sequence[float], b: Sequence[float]) -> bool:
    """Return whether `a` Pareto-dominates `b`."""
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def front_of(trials: Sequence[CandidateTrial]) -> list[CandidateTrial]:
    """Return the Pareto front of the finished trials, smallest flash first; of equal trials only the first."""
    done = [trial for trial in trials if trial.state == "done"]
    figures = [objectives(trial) for trial in done]
    kept = []
    for index, (trial, own) in enumerate(zip(done, figures, strict=True)):
        if not any(beats(other, own) for other in figures) and own not in figures[:index]:
            kept.append(trial)
    return sorted(kept, key=lambda trial: (trial.estimate.flash, trial.number))


def stopped_by(first: FoldError, own: CandidateTrial, done: Sequence[CandidateTrial]) -> CandidateTrial | None:
    """Return a finished trial that stops the trial `own` after its first fold by `RULE`; None where there is none."""
    costs = objectives(own)[1:]
    for other in done:
        cheaper = all(x <= y for x, y in zip(objectives(other)[1:], costs, strict=True))
        if other.state == "done" and cheaper and first.mean - other.folds[0].mean > first.spread:
            return other
    return None


def spread_over(front: Sequence[CandidateTrial], maximum: int) -> list[CandidateTrial]:
    """Return at most `maximum` points of a front: the best point of each section in order of flash."""
    if len(front) <= maximum:
        return list(front)
    chosen = []
    for index in range(maximum):
        stretch = front[index * len(front) // maximum : (index + 1) * len(front) // maximum]
        chosen.append(min(stretch, key=objectives))
    return chosen


VERSION = 1
FILE = "study.sqlite"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Identity of a study; a study can be resumed only with the same identity.

    Attributes:
        version: version of the format.
        pipeline: name of the pipeline.
        config, data: hashes of the pipeline and of the samples.
        device: name and hash of the profile.
        budget: budget as given by the user.
        seed, sampler, folds, batch: settings of the search.
    """

    version: int = VERSION
    pipeline: str
    config: str
    data: str
    device: str
    budget: str
    seed: int
    sampler: str
    folds: int
    batch: int


_WORDS = {
    "pipeline": "pipeline", "data": "data", "device": "device", "budget": "budget", "seed": "seed",
    "sampler": "sampler", "folds": "number of folds", "batch": "size of batches",
}  # fmt: skip


class Study:
    """Trials of a search in a folder.

    Args:
        folder: folder of the study.
        connection: connection to the SQLite file.
        identity: identity of the study.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, identity: Identity) -> None:
        self.folder, self.identity = folder, identity
        self._connection = connection

    def trials(self) -> list[CandidateTrial]:
        """Return all trials in order."""
        rows = self._connection.execute("SELECT record FROM trials ORDER BY number").fetchall()
        return [msgspec.json.decode(row[0], type=CandidateTrial) for row in rows]

    def scores(self) -> dict[int, TrialScore]:
        """Return the cross-validation scores by number of the trial."""
        rows = self._connection.execute("SELECT number, record FROM judged").fetchall()
        return {number: msgspec.json.decode(record, type=TrialScore) for number, record in rows}

    def add(self, trials: Sequence[CandidateTrial]) -> None:
        """Store a batch in one transaction.

        Raises:
            OutputError: the write failed, for example on a full disk; earlier batches stay stored.
        """
        rows = [(trial.number, msgspec.json.encode(trial)) for trial in trials]
        self._write("INSERT INTO trials (number, record) VALUES (?, ?)", rows)

    def add_judged(self, number: int, score: TrialScore) -> None:
        """Store the cross-validation score of a trial."""
        self._write(
            "INSERT OR REPLACE INTO judged (number, record) VALUES (?, ?)", [(number, msgspec.json.encode(score))]
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _write(self, statement: str, rows: Sequence[tuple[int, bytes]]) -> None:
        try:
            with self._connection:
                self._connection.executemany(statement, rows)
        except sqlite3.Error as error:
            raise _unwritten(self.folder, error) from None


def create(folder: Path, identity: Identity) -> Study:
    """Create a study in a folder.

    Raises:
        InputError: the folder already holds a study.
        OutputError: the study cannot be written.
    """
    connection = None
    if (folder / FILE).exists():
        raise InputError(
            "a folder without a study", f"one of pipeline {read_identity(folder).pipeline!r}", str(folder),
            "Continue it with --resume, or set another --out",
        )  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(folder / FILE)
        connection.execute("PRAGMA synchronous=FULL")
        with connection:
            connection.execute("CREATE TABLE about (record BLOB NOT NULL)")
            connection.execute("CREATE TABLE trials (number INTEGER PRIMARY KEY, record BLOB NOT NULL)")
            connection.execute("CREATE TABLE judged (number INTEGER PRIMARY KEY, record BLOB NOT NULL)")
            connection.execute("INSERT INTO about (record) VALUES (?)", (msgspec.json.encode(identity),))
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise _unwritten(folder, error) from None
    return Study(folder, connection, identity)


def resume(folder: Path, own: Identity, config: PipelineConfig) -> Study:
    """Open a study to continue it.

    Args:
        folder: folder of the study.
        own: requested identity.
        config: requested pipeline.

    Raises:
        InputError: there is no study, or it has another identity or format; the error names the difference.
    """
    identity, where = read_identity(folder), str(folder / FILE)
    if _limits(identity.budget) == _limits(own.budget):
        own = msgspec.structs.replace(own, budget=identity.budget)
    for key, word in _WORDS.items():
        theirs, ours = getattr(identity, key), getattr(own, key)
        if theirs != ours:
            # A hash is meaningless to users, so the error does not show it.
            named = key != "data"
            raise InputError(
                f"a study of the {word} {ours!r}" if named else f"a study of the same {word}",
                f"one of {theirs!r}" if named else "another", where,
                f"It belongs to pipeline {identity.pipeline!r}. Set another --out, or continue with that pipeline",
            )  # fmt: skip
    # Another version can hash the same pipeline differently, so the contents decide.
    if identity.config != own.config and (changed := _changes_since(folder, config)):
        raise InputError(
            f"the pipeline {identity.pipeline!r} unchanged since the start of the study",
            f"changes in {some_of(changed, MOST_NAMED)}", where,
            "Restore them to continue, or set another --out to start over",
        )  # fmt: skip
    return open_study(folder)


def _changes_since(folder: Path, config: PipelineConfig) -> list[str]:
    """Return what a pipeline changes in that of a study."""
    try:
        return changes(read_pipeline(folder).pipeline, config)
    except InputError:
        return ["unknown changes"]


def open_study(folder: Path) -> Study:
    """Open an existing study.

    Raises:
        InputError: there is no study, or it is damaged or of a newer format.
    """
    identity = read_identity(folder)
    connection = sqlite3.connect(folder / FILE)
    connection.execute("PRAGMA synchronous=FULL")
    return Study(folder, connection, identity)


def read_identity(folder: Path) -> Identity:
    """Read the identity of a study.

    Raises:
        InputError: there is no study, or it is damaged or of a newer format.
    """
    path = folder / FILE
    if not path.is_file():
        raise InputError("the folder of a study", "no study in it", str(folder), "Start one without --resume")
    try:
        connection = sqlite3.connect(path)
        try:
            row = connection.execute("SELECT record FROM about").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise InputError("a study", str(error), str(path), "The file is damaged") from None
    return decode_versioned(row[0] if row else b"", Identity, VERSION, "study", "a study", str(path), "It is damaged")


def _unwritten(folder: Path, error: Exception) -> OutputError:
    return OutputError(
        "to write the study", str(error), str(folder / FILE),
        "Free some space. Finished trials are kept; continue with --resume",
    )  # fmt: skip


KEPT = "search.json"
# Maximum number of changes of a pipeline that are named.
MOST_NAMED = 4


class StoredPipeline(msgspec.Struct, frozen=True, kw_only=True):
    """Stored pipeline of a search, and the path that overrides the one in `[data]`."""

    pipeline: PipelineConfig
    data: str | None = None


def identity_of(config: PipelineConfig, profile: Profile, samples: str, **request: Any) -> Identity:  # noqa: ANN401
    """Return the identity of a study.

    Args:
        config: pipeline configuration.
        profile: device profile.
        samples: SHA-256 of the samples.
        **request: fields `budget`, `sampler`, `folds` and `batch` of `Identity`.
    """
    return Identity(
        pipeline=config.name, config=digest(without_paths(config))[:12], data=samples[:12],
        device=f"{profile.name} {digest(profile)[:8]}", seed=config.seed, **request,
    )  # fmt: skip


def without_paths(config: PipelineConfig) -> PipelineConfig:
    """Return the pipeline without the paths of its data and device, whose contents a study hashes instead."""
    return msgspec.structs.replace(without_places(config), device=msgspec.structs.replace(config.device, profile=""))


def write_pipeline(folder: Path, config: PipelineConfig, data: str | None) -> None:
    """Write the pipeline of the study to its folder.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomic(folder / KEPT, msgspec.json.encode(StoredPipeline(pipeline=config, data=data)))


def read_pipeline(folder: Path) -> StoredPipeline:
    """Read the pipeline of the study from its folder.

    Raises:
        InputError: the file is absent or damaged.
    """
    try:
        return msgspec.json.decode((folder / KEPT).read_bytes(), type=StoredPipeline)
    except (OSError, msgspec.DecodeError) as error:
        text = error.strerror if isinstance(error, OSError) else str(error).replace("`", "'")
        raise InputError(
            "the pipeline of a study", text or "nothing", str(folder / KEPT), "Restore it with --resume"
        ) from None


def changes(before: PipelineConfig, now: PipelineConfig) -> list[str]:
    """Return the keys in which pipelines differ with both values: 'training.epochs (3, now 5)'; paths are ignored."""
    old, new = (dict(flat_settings(msgspec.to_builtins(without_paths(config)))) for config in (before, now))
    differing = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return [f"{key} ({_short(old, key)}, now {_short(new, key)})" for key in differing]


def _short(values: dict[str, str], key: str) -> str:
    text = values.get(key, "not set")
    return text if len(text) <= 30 else f"{text[:29]}…"


def _limits(budget: str) -> object:
    """Return the parsed limits of a budget; None for the limits of the device."""
    return parse_budget(budget) if budget else None
