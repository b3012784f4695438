"""Prediction from a package, offline: the engine proves itself on the test vectors before it answers."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core import engines
from edgewright.core.engines import MANY_ROWS
from edgewright.core.errors import (
    CheckFailedError,
    LabelUnknownError,
    MissingFileError,
    PackageDamagedError,
    PackageMissingError,
)
from edgewright.core.formatting import html_table
from edgewright.core.input.recordings import parts
from edgewright.core.input.samples import to_samples, without_sentinels
from edgewright.core.package import Package, around, read_package
from edgewright.core.prediction.objects import GOOD, ODD, UNIT, find_objects, odd_chances, oddest
from edgewright.core.records.data import Floats
from edgewright.core.records.package import FoundObject


def package_path(file_path: str | Path) -> Path:
    """Return the package of a run folder, or the path itself when it is a file.

    Raises:
        InputError: nothing there, or a run folder without a package (one that was refused).
    """
    path = Path(file_path)
    if not path.exists():
        raise MissingFileError(
            "a run folder or a package", "no such file", str(path), "Make one with: edgewright run activity"
        )
    if path.is_file():
        return path
    packages = sorted(path.glob("*.edge"))
    if len(packages) == 1:
        return packages[0]
    if packages:
        raise PackageMissingError("one package", f"{len(packages)}", str(path), "Name the file directly")
    if (path / "trace.json").exists():
        raise PackageMissingError(
            "a package in the run folder", "none: the run was refused", str(path), "See its trace.json"
        )
    raise PackageMissingError("a run folder with a package", "a folder without one", str(path))


def load(path: str | Path, *, form: str | None = None, engine: str | None = None, rows: float = MANY_ROWS) -> Predictor:
    """Open a package, run its test vectors through the engine, and return the predictor.

    Args:
        path: a run folder or a `.edge` file.
        form: 'float' or 'int8'; the package's default when None.
        engine: a file of `core/engines`; the fastest for this model on this machine when None.
        rows: how many rows it is going to answer.

    Raises:
        InputError: damaged, altered, or of a newer format.
        CheckFailedError: the test vectors give other answers here.
    """
    return Predictor(read_package(package_path(path)), form=form, engine=engine, rows=rows)


# Answers if the fastest engine rounds unlike the package.
_EXACT = "numpy"
# A notebook shows so many answers.
_SHOWN = 10


@dataclass(frozen=True)
class Answers:
    """What a model says about n samples.

    Attributes:
        labels: shape (n,), text; empty where there is no answer, and for regression.
        confidence: shape (n,), probability of the label, 0 where there is no answer; 1 for regression.
        probabilities: shape (n, classes) in the order of the package's labels, 0 where there is no answer; (n, 0) for
            regression.
        predictions: shape (n,) for regression, NaN where there is no answer; None for classification.
        unsure: shape (n,), whether the confidence is not at least the package's threshold, or there is no answer.
        out_of_range: for each sample the columns with a value outside the range its sensor can give.
        objects: of each picture the objects that were found in it, the surest first; None for other tasks. Predictions
            are then how many there are. Of a model of odd pictures they are its odd places, and predictions are the
            log-odds of the oddest cell above the threshold: an alarm from 0 on.
        missing: shape (n,), whether there is no answer: too many values are missing, or the model gives no number.
        interval: shape (n, 2), both ends of the interval around each prediction, NaN where there is no answer; None of
            a package without one.
    """

    labels: NDArray[np.str_]
    confidence: Floats
    probabilities: Floats
    predictions: Floats | None
    unsure: NDArray[np.bool_]
    out_of_range: tuple[tuple[str, ...], ...]
    missing: NDArray[np.bool_]
    objects: tuple[tuple[FoundObject, ...], ...] | None = None
    interval: Floats | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, rows: slice) -> Answers:
        """Return the answers to some of the samples."""
        kept: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: values[rows] for name, values in kept.items() if values is not None})

    def _repr_html_(self) -> str:
        rows = [self._row(index) for index in range(min(_SHOWN, len(self)))]
        caption = f"{len(self):,} answers" + (f", the first {_SHOWN} of them" if len(self) > _SHOWN else "")
        return html_table(caption, ("sample", "answer", "confidence", "note"), rows)

    def _row(self, index: int) -> tuple[str, ...]:
        if self.missing[index]:
            return (str(index), "none", "", "too many values are missing")
        outside = [f"out of range: {', '.join(self.out_of_range[index])}"] if self.out_of_range[index] else []
        note = "; ".join([*(["unsure"] if self.unsure[index] else []), *outside])
        if self.predictions is not None:
            ends = "" if self.interval is None else " ({:.6g} to {:.6g})".format(*self.interval[index].tolist())
            return (str(index), f"{self.predictions[index]:.6g}{ends}", "", note)
        return (str(index), str(self.labels[index]), f"{self.confidence[index]:.2f}", note)


class Predictor:
    """A package that answers.

    Args:
        package: a package, or the path of one.
        form: 'float', 'int8', ...; the package's default when None.
        engine: the fastest for this model on this machine when None (`engine_times`).
        rows: how many rows it is going to answer; for a few, an engine that takes long to import does not pay.
        self_test: run the package's test vectors first.

    Raises:
        InputError: for a package, form or engine that cannot be used.
        CheckFailedError: when an answer to a test vector is further off than the package allows.
    """

    def __init__(
        self,
        package: Package | Path | str,
        *,
        form: str | None = None,
        engine: str | None = None,
        rows: float = engines.MANY_ROWS,
        self_test: bool = True,
    ) -> None:
        self.package = package if isinstance(package, Package) else read_package(Path(package))
        self.manifest = self.package.manifest
        self.form = form or self.manifest.default
        model = self.package.model(self.form)
        self.engine = engines.choose(engine, model, rows)
        self.regression = self.manifest.task == "regression"
        # Pictures with objects: their answer is a map.
        self.maps = None if isinstance(self.manifest.objects, msgspec.UnsetType) else self.manifest.objects
        self.interval = None if isinstance(self.manifest.interval, msgspec.UnsetType) else self.manifest.interval
        self.anomaly = self.manifest.task == "anomaly"
        self._numbers = self.regression or self.maps is not None
        self._run = self.engine.load(model)
        # Asked now: who answers many streams lets go of the bytes of the model.
        self.note = self.engine.note(model)
        self._cells = 0 if self.maps is None else (1 + len(self.maps.labels)) * self.maps.rows * self.maps.columns
        self.labels = (GOOD, ODD) if self.anomaly else self.manifest.labels
        self._labels = np.array(self.labels, dtype=np.str_)
        self._threshold = self.manifest.thresholds.get("confidence", 0.0)
        columns = self.manifest.columns
        self._names = tuple(column.name for column in columns)
        shape = (1, len(columns), *(1,) * (len(self.manifest.shape) - 1))
        low = [-np.inf if c.minimum is None else c.minimum for c in columns]
        high = [np.inf if c.maximum is None else c.maximum for c in columns]
        with np.errstate(over="ignore"):
            # A limit beyond float32 is none.
            self._low, self._high = (np.array(v, np.float32).reshape(shape) for v in (low, high))
        self._ranged = bool(np.isfinite(low).any() or np.isfinite(high).any())
        if self_test:
            self._proved(chosen=engine is not None)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as package, form and engine; the test vectors run there."""
        return _arrived, (self.package, self.form, self.engine.name)

    def __repr__(self) -> str:
        columns, labels = len(self.manifest.columns), ", ".join(self.manifest.labels)
        answers = "objects" if self.maps is not None else "a number" if self.regression else f"one of {labels}"
        loaded = f"{self.manifest.name}, {self.form}, engine {self.engine.name}"
        return f"Predictor({loaded}: {columns} columns to {answers})"

    def predict(self, X: Any) -> Answers:  # noqa: ANN401 - arrays, lists, frames and rows
        """Return answers for samples; `X` as `samples.to_samples` takes it.

        Raises:
            InputError: for samples the model cannot take.
        """
        samples = without_sentinels(to_samples(X, self.manifest), self.manifest.columns)
        pieces = [self._outputs(samples[part]) for part in parts(samples.shape)]
        values = pieces[0] if len(pieces) == 1 else {k: np.concatenate([p[k] for p in pieces]) for k in pieces[0]}
        ranges = self._out_of_range(samples)
        n = len(samples)
        missing = np.zeros(n, np.bool_)
        if n and self.manifest.missing is None:
            # A package from before the rule answers a sample without any value like every other.
            missing |= ~np.isfinite(samples).reshape(n, -1).any(axis=1)
        if self._numbers:
            objects = None if self.maps is None else tuple(find_objects(values["prediction"], self.maps))
            missing |= ~np.isfinite(values["prediction"].reshape(n, -1)).all(axis=1)
            if self.anomaly:
                return self._alarms(values["prediction"], objects, ranges, missing)
            if objects is None:
                predictions = values["prediction"].reshape(n)
            else:
                predictions = np.array([len(some) for some in objects], np.float32)
            predictions = np.where(missing, np.float32(np.nan), predictions)
            return Answers(
                labels=np.full(n, "", np.str_),
                confidence=np.where(missing, np.float32(0), np.float32(1)),
                probabilities=np.empty((n, 0), np.float32),
                predictions=predictions,
                unsure=missing,
                out_of_range=ranges,
                missing=missing,
                objects=objects,
                interval=None if self.interval is None else np.stack(around(self.interval, predictions), axis=1),
            )
        confidence, probabilities = values["confidence"].reshape(n), self._columns(values["probabilities"])
        labels = self._named(values["label"].reshape(n))
        missing |= ~(confidence > 0)
        if missing.any():
            confidence = np.where(missing, np.float32(0), confidence)
            probabilities = np.where(missing[:, None], np.float32(0), probabilities)
            labels = np.where(missing, "", labels)
        return Answers(
            labels=labels,
            confidence=confidence,
            probabilities=probabilities,
            predictions=None,
            unsure=~(confidence >= self._threshold) | missing,
            out_of_range=ranges,
            missing=missing,
        )

    def _alarms(
        self,
        maps: Floats,
        objects: tuple[tuple[FoundObject, ...], ...] | None,
        ranges: tuple[tuple[str, ...], ...],
        missing: NDArray[np.bool_],
    ) -> Answers:
        """Return the answers of a model of odd pictures to its maps."""
        if self.maps is None:
            raise PackageDamagedError("how the map of odd places is read", "nothing", self.manifest.name)
        scores = oddest(maps, self.maps)
        chances = np.where(missing[:, None], np.float32(0), odd_chances(scores, self.maps))
        above = np.asarray(scores - self.maps.threshold, np.float32) / np.float32(UNIT)
        return Answers(
            labels=np.where(missing, "", self._labels[chances.argmax(axis=1)]),
            confidence=chances.max(axis=1),
            probabilities=chances,
            predictions=np.where(missing, np.float32(np.nan), above),
            unsure=missing,
            out_of_range=ranges,
            missing=missing,
            objects=objects,
        )

    def check(self) -> float:
        """Run the package's test vectors.

        Returns:
            The largest difference: of a probability, or of a prediction relative to the spread of the expected ones.

        Raises:
            CheckFailedError: naming the vector and the values, when it is beyond the tolerance of this form.
        """
        vectors, expected = self.package.vectors(), self.package.expected(self.form)
        if vectors.shape[1:] != self.manifest.shape or vectors.dtype != np.float32 or len(vectors) != len(expected):
            raise PackageDamagedError(
                f"test vectors of shape (n, {self.manifest.shape})",
                f"{vectors.dtype} {vectors.shape}",
                self.manifest.name,
            )
        if not len(vectors):
            raise PackageDamagedError("at least one test vector", "none", self.manifest.name)
        outputs = self._outputs(vectors)
        got = outputs["prediction" if self._numbers else "probabilities"].reshape(len(vectors), -1)
        got = got if self._numbers else self._columns(got)
        wanted = expected.reshape(len(vectors), -1)
        wanted = wanted if self._numbers else self._columns(wanted)
        if got.shape != wanted.shape:
            raise PackageDamagedError(
                f"answers of shape {wanted.shape}", f"shape {got.shape}", f"{self.manifest.name}, test vectors"
            )
        if not self._numbers and got.shape[1] != len(self._labels):
            raise LabelUnknownError(
                f"a probability for each of {len(self._labels)} labels", f"{got.shape[1]}", self.manifest.name
            )
        with np.errstate(all="ignore"):
            difference = np.abs(got.astype(np.float64) - wanted)
            if self._numbers:
                difference /= float(np.ptp(wanted)) or 1.0
        worst = np.where(np.isnan(difference), np.inf, difference).max(1)
        tolerance = self.manifest.tolerance[self.form]
        if worst.max() > tolerance:
            at = int(worst.argmax())
            raise CheckFailedError(
                f"self-test of {self.manifest.name} ({self.form}) with the engine {self.engine.name}: test vector {at} "
                f"gives {_shown(got[at])}, the package says {_shown(wanted[at])} (tolerance {tolerance:g})",
                "Do not use this package here; try another engine and report the error",
            )
        return float(worst.max())

    def _proved(self, *, chosen: bool) -> None:
        """Check; where an engine was taken for its speed and fails, let NumPy answer if that passes."""
        failed = self.engine.name
        try:
            self.check()
        except CheckFailedError as error:
            if chosen or failed == _EXACT:
                raise
            self.engine = engines.get(_EXACT)
            self._run = self.engine.load(self.package.model(self.form))
            try:
                self.check()
            except CheckFailedError:
                raise error from None
            self.note = f"the engine {failed!r} does not pass the package's test vectors; {_EXACT!r} does and answers"
            if sys.stderr is not None:
                sys.stderr.write(f"edgewright: {self.note}\n")

    def _outputs(self, samples: Floats) -> dict[str, NDArray[Any]]:
        values = self._run(samples)
        needed = {"prediction"} if self._numbers else {"label", "probabilities", "confidence"}
        if not needed <= values.keys():
            raise PackageDamagedError(
                f"the outputs {', '.join(sorted(needed))}", ", ".join(values), f"model {self.form}"
            )
        n = len(samples)
        for name in needed:
            value = values[name]
            single = name != "probabilities" and self.maps is None
            if value.shape[:1] != (n,) or (single and value.size != n) or (self.maps and value.size != n * self._cells):
                text = f"{name} of shape {value.shape} for {n}"
                raise PackageDamagedError("an answer for each sample", text, f"model {self.form}")
        return values

    def _named(self, places: NDArray[Any]) -> NDArray[np.str_]:
        try:
            return np.asarray(self._labels[places])
        except IndexError:
            text = f"place {places.max(initial=0)}"
            raise LabelUnknownError(
                f"a label among the {len(self._labels)} known", text, f"model {self.form}"
            ) from None

    def _columns(self, probabilities: Floats) -> Floats:
        """Return a probability for every class: one sigmoid output is the probability of the second of two."""
        if probabilities.shape[-1] == 1 and len(self._labels) == 2:
            return np.concatenate([1 - probabilities, probabilities], -1)
        return probabilities

    def _out_of_range(self, samples: Floats) -> tuple[tuple[str, ...], ...]:
        if not self._ranged:
            return ((),) * len(samples)
        # What is not finite is missing, not out of range.
        outside = ((samples < self._low) | (samples > self._high)) & np.isfinite(samples)
        flags: NDArray[np.bool_] = np.any(outside, axis=tuple(range(2, outside.ndim)))
        if not flags.any():
            return ((),) * len(samples)
        return tuple(tuple(n for n, bad in zip(self._names, row, strict=True) if bad) for row in flags.tolist())


def _shown(values: NDArray[Any]) -> str:
    text = ", ".join(f"{float(v):.6g}" for v in values[:6])
    return f"[{text}, ...]" if len(values) > 6 else f"[{text}]"


def _arrived(package: Package, form: str, engine: str) -> Predictor:
    return Predictor(package, form=form, engine=engine, self_test=True)
