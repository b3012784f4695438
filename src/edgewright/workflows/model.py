"""`Model`: an estimator whose `fit` takes a file or frame of your own and leaves a trained, evaluated package."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, overload

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import ClassifierTags, RegressorTags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from edgewright.core.csv.header import fields
from edgewright.core.errors import ExistingFileError, InputError, RunError, SampleShapeError
from edgewright.core.files import write_atomic
from edgewright.core.input.samples import Frame
from edgewright.core.predictor import Answers, package_path
from edgewright.core.records.data import Floats
from edgewright.core.records.proof import ProofRecord
from edgewright.export.contract import find_target, package_subject
from edgewright.export.write import write_files
from edgewright.graph.stage import SampleError
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.trace.page_model import PAGE_FILE, read_trace
from edgewright.trace.sentences.opening import brief
from edgewright.workflows.frames import (
    array_names,
    at_data,
    by_name,
    class_values,
    joined,
    samples_errors,
    samples_of,
    with_readable_labels,
    with_readable_texts,
    write_frame,
)
from edgewright.workflows.own_data.document import choices
from edgewright.workflows.own_data.proposal import OwnDataRequest, Proposal, propose
from edgewright.workflows.pipeline import StagedPipeline
from edgewright.workflows.proof.workflow import prove_place
from edgewright.workflows.run_folder import RunFolder
from edgewright.workflows.scoring.rows import ScoreRequest
from edgewright.workflows.scoring.workflow import score_package

_FILE = "model.json"
_NO_COLUMN = "none"
_NUMBER = bool | int | float


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What a run folder keeps of the estimator besides the run.

    Attributes:
        settings: parameters, without pipeline, place and name of the run.
        steps: whether a pipeline was given.
        choices: lines of `explain`.
        classes: values of the labels in the order of the package; empty for an amount.
        columns: names that columns of an array were given; empty for a frame.
    """

    settings: dict[str, Any]
    steps: bool
    choices: tuple[str, ...]
    classes: tuple[bool | int | float | str, ...] = ()
    columns: tuple[str, ...] = ()


def _tells_classes(model: Model) -> bool:
    return not hasattr(model, "task_") or model.task_ == "classification"


class Model(BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """An estimator that `fit` chooses, trains, evaluates and packages as `edgewright run` does.

    A column that is left out is found by its name and content; 'none' says that there is no such column.

    Args:
        target: column to predict.
        group: column with the person or machine of a row; splits keep each one whole.
        session: column with the recording of a row.
        time: column with the time of a row.
        ignore: columns that are not measurements.
        window: what one decision is about: 'row', 'recording', '2 s' or '100 rows'; chosen from the data when empty.
        device: profile or TOML file of the device.
        name: name of the run; that of the file, or 'model' for a frame, when empty.
        need: share of right answers (R² of an amount) below which the verdict is 'not ready'.
        budget_s: processor seconds of the race of models; chosen by the number of samples when None.
        pipeline: a `Pipeline` of steps to train; when None, models race.
        out: folder of runs.
        force: replace a run folder of this name.

    Attributes:
        task_: 'classification' or 'regression'.
        classes_: the labels, of the type that they were given in; for a file, text.
        feature_names_in_: columns that the model reads; absent where it was fitted on an array.
        n_features_in_: number of columns.
    """

    # What `Classifier` and `Regressor` know before they are fitted.
    _task = "auto"

    def __init__(
        self,
        target: str = "",
        *,
        group: str = "",
        session: str = "",
        time: str = "",
        ignore: tuple[str, ...] = (),
        window: str = "",
        device: str = "",
        name: str = "",
        need: float | None = None,
        budget_s: float | None = None,
        pipeline: Any = None,  # noqa: ANN401 - a `Pipeline`, which makes these
        out: str | Path = "runs",
        force: bool = False,
    ) -> None:
        self.target, self.group, self.session, self.time, self.ignore = target, group, session, time, ignore
        self.window, self.device, self.name, self.need, self.budget_s = window, device, name, need, budget_s
        self.pipeline, self.out, self.force = pipeline, out, force

    def fit(self, data: Any, y: Any = None, *, listener: Listener | None = None) -> Self:  # noqa: ANN401
        """Choose, train, evaluate and package a model.

        Args:
            data: a file or folder, or a frame of Polars or pandas with the target as a column; with `y` a frame or an
                array of shape (n, columns), each row a sample. A frame is written to a CSV file in `out`.
            y: labels or amounts of the rows, shape (n,).
            listener: hears every part of the record, `TerminalTrace` for example.

        Raises:
            InputError: the data cannot be read or have no target.
        """
        where = "Model.fit" if self.pipeline is None else "Pipeline.run"
        request = OwnDataRequest(
            path="", target=self.target, group=self.group, session=self.session, time=self.time,
            ignore=tuple(self.ignore), decision=self.window, device=self.device, name=self.name, need=self.need,
            budget_s=self.budget_s, task=self._task,
        )  # fmt: skip
        columns: tuple[str, ...] = ()
        if y is not None:
            target, data = self.target or "target", self._samples(data)
            columns = () if isinstance(data, Frame) else array_names(data.shape[1])
            data = joined(data, y, target)
            if is_classifier(self if self.pipeline is None else self.pipeline):
                check_classification_targets(y)
                if len(np.unique(np.asarray(y))) < 2:
                    raise SampleError("labels of at least 2 classes", "1 class", where)
            request = replace(request, target=target, decision=self.window or "row")
            if columns:  # nothing of an array says what it is
                group, session, time = (name or _NO_COLUMN for name in (self.group, self.session, self.time))
                request = replace(request, group=group, session=session, time=time)
        with samples_errors(y is not None):
            proposal = self._proposal(request, data, where)
            result = run_pipeline(
                proposal.config, out=self.out, force=self.force, listener=listener, race=proposal.race,
                command="edgewright.fit" if self.pipeline is None else "Pipeline.run",
            )  # fmt: skip
        target = str(proposal.table["data"].get("target", ""))
        given = data[target] if isinstance(data, Frame) and target in data.columns else None
        settings = {key: value for key, value in self.get_params(deep=False).items() if key not in _OF_A_RUN}
        run = RunFolder(result)
        stored = _Stored(
            settings={**settings, "ignore": list(self.ignore), "target": target}, steps=self.pipeline is not None,
            choices=tuple(choices(proposal)), classes=class_values(given, run.labels()), columns=columns,
        )  # fmt: skip
        with run.unchanged() as folder:
            write_atomic(folder / _FILE, msgspec.json.encode(stored))
        return self._set(run, stored)

    def _proposal(self, request: OwnDataRequest, data: Any, where: str) -> Proposal:  # noqa: ANN401 - as of `fit`
        readable = with_readable_labels(data, request.target) if isinstance(data, Frame) else data
        try:
            proposal = self._proposed(request, readable, where)
        except InputError:
            texts = with_readable_texts(data) if isinstance(data, Frame) else data
            if request.target or texts is data:
                raise
            # A label such as NA makes a column look constant to who reads the file.
            proposal = self._proposed(request, texts, where)
        target = str(proposal.table["data"].get("target", ""))
        if request.target or not isinstance(data, Frame) or with_readable_labels(data, target) is data:
            return proposal
        return self._proposal(replace(request, target=target), data, where)

    def _proposed(self, request: OwnDataRequest, data: Any, where: str) -> Proposal:  # noqa: ANN401 - as of `fit`
        placed = at_data(request, data, Path(self.out), where)
        return propose(placed) if self.pipeline is None else self.pipeline.proposal(placed)

    def _set(self, run: RunFolder, stored: _Stored) -> Self:
        for name in ("classes_", "feature_names_in_"):
            self.__dict__.pop(name, None)
        self._result, self._run, self._stored = run.result, run, stored
        self.task_, self._labels = run.result.trace.task, run.labels()
        if stored.classes:
            self._order = np.argsort(np.asarray(stored.classes), kind="stable")
            self.classes_ = np.asarray(stored.classes)[self._order]
        if stored.columns:
            self.n_features_in_ = len(stored.columns)
        elif run.result.package is not None:
            names = fields([column.name for column in run.package().manifest.columns])
            self.feature_names_in_ = np.asarray(list(names), dtype=object)
            self.n_features_in_ = len(names)
        return self

    def answers(self, data: Any) -> Answers:  # noqa: ANN401 - arrays, lists, frames and rows
        """Return everything the model says of samples: labels, confidence, what is unsure, missing or out of range.

        Args:
            data: samples, or a frame whose columns are taken by name and cut into windows where the model takes them.

        Raises:
            InputError: a column is missing, the samples have another shape, or another run took the folder's place.
            CheckFailedError: the run made no package.
        """
        predictor, columns = self._folder.predictor(), self._stored.columns
        if columns and not isinstance(data, Mapping):
            data = self._samples(data)
            data = data if isinstance(data, Frame) else by_name(data, columns)
        return predictor.predict(data)

    def predict(self, data: Any) -> NDArray[Any]:  # noqa: ANN401 - arrays, lists, frames and rows
        """Return a label or an amount for each sample, shape (n,).

        Where too many values are missing for an answer, a label is '' (None where labels are not text) and an amount
        NaN.
        """
        answers = self.answers(data)
        if answers.predictions is not None:
            return answers.predictions
        known = dict(zip(self._labels, self._stored.classes, strict=True))
        if self.classes_.dtype.kind == "U":
            return np.asarray([known.get(label, "") for label in answers.labels.tolist()], self.classes_.dtype)
        kind = np.dtype(object) if answers.missing.any() else self.classes_.dtype
        return np.asarray([known.get(label) for label in answers.labels.tolist()], kind)

    @available_if(_tells_classes)  # type: ignore[untyped-decorator]
    def predict_proba(self, data: Any) -> Floats:  # noqa: ANN401 - arrays, lists, frames and rows
        """Return probabilities, shape (n, classes), in the order of `classes_`; 0 where there is no answer."""
        probabilities = self.answers(data).probabilities
        return probabilities[:, self._order]

    def score(self, data: Any, y: Any = None) -> float:  # noqa: ANN401 - as of `fit`
        """Return the share of right answers, or R² of an amount; samples without an answer are not scored.

        Args:
            data: a file or a frame with the target as a column, cut into windows as for training; with `y`, samples.
            y: labels or amounts, one an answer, shape (n,) or (n, 1).

        Raises:
            InputError: there is no target, another number of labels than of answers, or another run in the folder.
        """
        if y is None:
            return self._scored(data)
        answered, truth = self.predict(data), np.asarray(y)
        if truth.shape[1:] == (1,):
            truth = truth[:, 0]
        if truth.shape != answered.shape:
            do = "Give rows with the target as a column, without y" if len(answered) < len(truth) else ""
            raise SampleShapeError(f"{len(answered)} labels, one an answer", f"shape {truth.shape}", "Model.score", do)
        if self.task_ != "classification":
            from sklearn.metrics import r2_score  # noqa: PLC0415 - slow to load, for this alone

            there = ~np.isnan(answered)
            return float(r2_score(truth[there], answered[there]))
        there = np.asarray([label not in ("", None) for label in answered.tolist()], np.bool_)
        if answered.dtype.kind == "U" or not all(isinstance(label, _NUMBER) for label in truth.tolist()):
            answered, truth = answered.astype(np.str_), truth.astype(np.str_)
        return float(np.mean(answered[there] == truth[there]))

    def _scored(self, data: Any) -> float:  # noqa: ANN401 - a path or a frame
        self._folder.package()
        with tempfile.TemporaryDirectory(prefix="edgewright-score-") as room, self._folder.unchanged() as folder:
            if isinstance(data, Frame):
                known = dict(zip(self._stored.classes, self._labels, strict=True)) if self._stored.classes else {}
                readable = with_readable_labels(data, self._stored.settings.get("target", ""), known)
                data = write_frame(readable, Path(room), "rows")
            elif not isinstance(data, str | Path):
                raise RunError("a path or a frame with the target, or y", type(data).__name__, "Model.score")
            figures = score_package(folder, ScoreRequest(data=str(data))).figures
        return figures["accuracy" if "accuracy" in figures else "r2"].value

    def explain(self) -> str:
        """Return the choices with their reasons, the verdict, and where the page of the run is."""
        trace, page = self.result.trace, self.result.page
        lines = [*self._stored.choices, f"Verdict: {trace.verdict}", f"Insight: {trace.insight.sentence}"]
        return "\n".join([*lines, f"Page: {page}" if page else f"Run: {self.result.folder}"])

    def report(self) -> str:
        """Return `explain()`, the name of this since `predict` returns an array."""
        warnings.warn("Model.report is called explain", FutureWarning, stacklevel=2)
        return self.explain()

    def prove(self, device: str = "") -> ProofRecord:
        """Send the test samples through every form of the model and compare them.

        Args:
            device: profile of a processor that is emulated as one more form; empty for none.

        Raises:
            InputError: another run took the place of this one in its folder.
        """
        with self._folder.unchanged() as folder:
            return prove_place(str(folder), device=device)

    def to_c(self, folder: str | Path, *, name: str = "", force: bool = False) -> list[Path]:
        """Write the whole pipeline as C99 into a folder and return the paths of the files.

        Raises:
            InputError: a file of another content is there, and `force` is not given, or the run folder is another's.
            CheckFailedError: the run made no package.
        """
        subject = package_subject(self._folder.package())
        named = replace(subject, name=name or subject.name)
        files = find_target("c99").files(named)
        return list(write_files(Path(folder), files, f"c99 {named.name}", force=force).files)

    def package(self, path: str | Path) -> Path:
        """Copy the package, which `edgewright.load` opens on a device, to a path and return it.

        Raises:
            InputError: another run took the place of this one in its folder.
            CheckFailedError: the run made no package.
        """
        write_atomic(Path(path), self._folder.package_bytes())
        return Path(path)

    def save(self, folder: str | Path) -> Path:
        """Copy the run folder, from which `Model.load` makes this model again, and return its path.

        Raises:
            InputError: there is such a file or folder, or another run took the place of this one in its folder.
        """
        path = Path(folder)
        if path.exists():
            raise ExistingFileError("a new folder", "one that exists", str(path), "Choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as room:
            with self._folder.unchanged() as folder:
                copy = shutil.copytree(folder, Path(room) / path.name)
            copy.rename(path)
        return path

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the fitted model of a folder that `save` wrote, or of any run folder.

        Raises:
            InputError: no run is there, or its package is another than the record says.
        """
        path = Path(folder)
        trace = read_trace(path / "trace.json")
        packages, page = list(path.glob("*.edge")), path / PAGE_FILE
        package = package_path(path) if packages else None
        run = RunFolder(
            RunResult(path, trace, package, "" if packages else trace.verdict, page if page.is_file() else None)
        )
        if (path / _FILE).is_file():
            stored = msgspec.json.decode((path / _FILE).read_bytes(), type=_Stored)
        else:
            data: Any = trace.config.get("data", {})
            names = ("target", "group", "session", "time")
            settings = {name: data[name] for name in names if isinstance(data.get(name), str)}
            stored = _Stored(settings=settings, steps=True, choices=(), classes=run.labels())
        model = cls(**{**stored.settings, "ignore": tuple(stored.settings.get("ignore", ()))}, name=trace.name)
        if stored.steps:
            model.pipeline = Pipeline.load(path)
        return model._set(run, stored)

    @property
    def result(self) -> RunResult:
        """What the run left: its folder, record, package and page."""
        check_is_fitted(self, "_result")
        return self._result

    def _samples(self, X: Any) -> Any:  # noqa: ANN401 - arrays, lists and frames
        return samples_of(X, missing=self.__sklearn_tags__().input_tags.allow_nan)

    @property
    def _folder(self) -> RunFolder:
        check_is_fitted(self, "_result")
        return self._run

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_run"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_result" in state:
            self._run = RunFolder(self._result)

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return (
            brief(self.result.trace, self._stored.settings.get("target", ""))
            if hasattr(self, "_result")
            else str(super().__repr__(N_CHAR_MAX))
        )

    def _repr_html_(self) -> str | None:
        return self._result._repr_html_() if hasattr(self, "_result") else None

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:  # noqa: ANN401 - IPython's arguments
        """Return what a notebook shows; scikit-learn's own is a diagram."""
        html = self._repr_html_()
        return {"text/plain": repr(self)} | ({} if html is None else {"text/html": html})

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's own type, untyped
        tags = super().__sklearn_tags__()
        steps = None if self.pipeline is None else get_tags(self.pipeline)
        tags.input_tags.allow_nan = steps is None or steps.input_tags.allow_nan
        task = (
            getattr(self, "task_", "")
            or self._task.removeprefix("auto")
            or (steps.estimator_type if steps is not None else "")
        )
        if task in ("classification", "classifier"):
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        elif task in ("regression", "regressor"):
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags


class Classifier(Model):
    """A `Model` of classes: scikit-learn stratifies its folds by their labels."""

    _task = "classification"


class Regressor(Model):
    """A `Model` of amounts, also where they are few whole numbers."""

    _task = "regression"


# Parameters of one run, which a stored model does not take over.
_OF_A_RUN = ("pipeline", "out", "name", "force")


class Pipeline(StagedPipeline):
    """Stages in order, the model last: read from a TOML file, or made of steps as in scikit-learn.

    X is (n, columns) for rows or (n, channels, samples) for windows, float32, NaN where a value is missing; a Polars
    or pandas frame is accepted for rows, and its columns are taken by name. A fitted pipeline exports its float form;
    an int8 form and a package come from `run`.
    """

    @overload
    def run(
        self, data: None = None, *, out: str | Path = "runs", force: bool = False, listener: Listener | None = None
    ) -> RunResult: ...

    @overload
    def run(
        self, data: str | Path | Frame, target: str = "", *, out: str | Path = "runs", force: bool = False,
        listener: Listener | None = None, **settings: Any,  # noqa: ANN401 - of `Model`
    ) -> Model: ...  # fmt: skip

    def run(
        self, data: str | Path | Frame | None = None, target: str = "", *, out: str | Path = "runs",
        force: bool = False, listener: Listener | None = None, **settings: Any,
    ) -> RunResult | Model:  # fmt: skip
        """Split, train, evaluate, quantise and package, as `edgewright run` does: with the TOML file, or these steps.

        The record holds a configuration that builds the steps again. A step that no configuration describes is
        refused: its arguments count samples or places that do not fit these data, or it is not Edgewright's.

        Args:
            data: file, folder or frame for a pipeline of steps; None for one with a configuration.
            target: column to predict.
            out: folder of runs.
            force: replace a run folder of this name.
            listener: receives every part of the record, `TerminalTrace` for example.
            settings: of `Model`, such as group, window or device; without `window`, a decision is about a row, or
                chosen from the data if a step is for windows.

        Returns:
            A `RunResult` for a pipeline with a configuration, a `Model` for one of steps.

        Raises:
            InputError: a step that no configuration describes, or whatever is wrong with the data.
        """
        if data is None:
            return super().run(out=out, force=force, listener=listener)
        if self.config is not None:
            raise RunError(
                "no data for a pipeline with a configuration", "data", "Pipeline.run",
                "Use Pipeline.from_toml(..., data=...), or sklearn.base.clone(pipeline).run(...) for its steps alone",
            )  # fmt: skip
        model = Model(target, pipeline=self, out=out, force=force, **settings)
        return model.fit(data, listener=listener)


def fit(data: Any, target: str = "", **settings: Any) -> Model:  # noqa: ANN401 - a path or a frame; settings of `Model`
    """Choose, train, evaluate and package a model with the defaults of `edgewright run`: `Model(...).fit(data)`.

    Args:
        data: a file or folder, or a frame of Polars or pandas; a frame is written to a CSV file in `out`.
        target: column to predict.
        settings: of `Model`: group, session, time, ignore, window, device, name, need, budget_s, out, force.

    Raises:
        InputError: the data cannot be read or have no target.
    """
    return Model(target, **settings).fit(data)
