"""The package is fitted on all samples once another fit was judged; what needs held-out samples keeps that one."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.package import read_package
from edgewright.core.records.config import DeviceConfig
from edgewright.core.records.data import Column, Samples
from edgewright.core.records.package import FitSpec
from edgewright.pipeline import refit as refitting
from edgewright.pipeline.config import read_config
from edgewright.pipeline.explanation.explained_prediction import explain_row
from edgewright.pipeline.material import prepare
from edgewright.pipeline.package.packaging import choose_vectors, count_seen, fit_spec, vector_limit
from edgewright.pipeline.pipeline import Pipeline
from edgewright.pipeline.plan import data_plan, resolve
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.pipeline.run_folder.folder import EVALUATED
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.run_folder.store import Job
from edgewright.trace.page_model import parse_trace
from edgewright.workflows.compression.subject import open_run
from edgewright.workflows.proof.subject import choose_rows, read_subject, with_artefacts
from small_pipeline import Cancels, names, run_small, write_rows, write_toml

TREE = ("model.kind=tree", "model.layers=[]", "refit=true", "split.test=0.3")


def _tree(small: Path, out: Path) -> RunResult:
    """Return a tree: it is fitted at once, and knows its samples by heart."""
    return run_small(small, out, *TREE)


def test_refitting_is_what_a_pipeline_does_unless_told_otherwise(tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    toml.write_text(toml.read_text().replace("refit = false\n", ""))
    assert read_config(str(toml)).refit


@pytest.mark.slow
def test_the_package_holds_all_samples_and_the_figures_stay_those_of_the_judged_fit(
    small: Path, tmp_path: Path
) -> None:
    result = _tree(small, tmp_path / "runs")
    other = run_small(small, tmp_path / "runs", *TREE, "refit=false")
    assert result.package is not None
    assert other.package is not None
    manifest, record = read_package(result.package).manifest, result.trace.refit
    assert record is not None
    assert (record.samples, record.judged_samples, record.kept) == (120, len(_material(small).sides.train), True)
    assert manifest.fit is not None
    assert (manifest.fit.samples, manifest.fit.refitted) == (120, True)
    assert result.trace.evaluation == other.trace.evaluation
    assert "the package holds one on all 120" in manifest.provenance["result"]
    assert manifest.provenance["result"].startswith(read_package(other.package).manifest.provenance["result"])
    # As scikit-learn's pipeline fits all samples, at the temperature of the judged fit, which is another.
    samples, trained = _material(small).samples, result.trace.training
    assert trained is not None and trained.temperature != 1.0
    fitted = Pipeline.from_toml(small, changes=TREE).fit(samples.X, samples.y)
    fitted.steps[-1][1].apply_temperature(trained.temperature)
    whole = fitted.predict_proba(samples.X)
    ours, before = (Pipeline.load(folder).predict_proba(samples.X) for folder in (result.folder, other.folder))
    np.testing.assert_array_equal(ours, whole)
    assert not np.array_equal(before, whole)


def _material(small: Path, *changes: str) -> Any:  # noqa: ANN401
    return prepare(data_plan(read_config(str(small), (*TREE, *changes))), None)


@pytest.mark.slow
def test_the_judged_fit_lies_beside_it_as_if_nothing_had_been_refitted(small: Path, tmp_path: Path) -> None:
    """Its bytes are those of a run without a refit, but for what the configuration is called by."""
    result = _tree(small, tmp_path / "runs")
    other = run_small(small, tmp_path / "runs", *TREE, "refit=false")
    assert EVALUATED in names(result.folder)
    assert EVALUATED not in names(other.folder)
    evaluated, plain = (read_package(f / "small.edge") for f in (result.folder / EVALUATED, other.folder))
    assert evaluated.files["model.onnx"] == plain.files["model.onnx"]
    assert evaluated.manifest.fit == plain.manifest.fit
    assert evaluated.manifest.fit is not None
    assert not evaluated.manifest.fit.refitted


@pytest.mark.slow
def test_terminal_page_and_record_say_which_fit_the_figures_are_of(small: Path, tmp_path: Path, cli: Cli) -> None:
    changes = [part for change in TREE for part in ("--set", change)]
    brief = " ".join(cli("run", small, *changes, "--out", tmp_path / "runs").split())
    shown = " ".join(cli("run", small, *changes, "--out", tmp_path / "runs", "--force", "--verbose").split())
    fitted = len(_material(small).sides.train)
    text = (
        f"he figures are of a fit on {fitted} samples; the package holds one on all 120, those that judged among them"
    )
    assert brief.count(text) == 1
    assert shown.count(text) == 2  # card and end
    folder = tmp_path / "runs" / "small"
    assert text in " ".join((folder / "trace.html").read_text().split())
    assert json.loads((folder / "trace.json").read_text())["refit"]["samples"] == 120
    assert "the package holds one on all 120" in " ".join(cli("learn", folder, "--mode", "summary").split())


@pytest.mark.slow
def test_a_network_keeps_its_epochs_and_its_temperature(small: Path, tmp_path: Path) -> None:
    """Early stopping chose an epoch on samples that are now fitted on: its number holds, and the temperature."""
    more = ("refit=true", "training.epochs=40", "training.patience=2", "training.learning_rate=0.3", "training.batch=8")
    epochs = _Epochs()
    result = run_pipeline(read_config(str(small), more), out=tmp_path, listener=epochs)
    training, record = result.trace.training, result.trace.refit
    assert training is not None
    assert record is not None
    assert 0 < training.best_epoch < len(training.epochs) < 40
    assert record.epochs == training.best_epoch == epochs.messages["Refitting on all samples"]
    assert training.temperature != 1.0
    plan = resolve(read_config(str(small), more))
    fit = refitting.fit_all(Job(plan, Listener()), prepare(plan.data, None), training)
    assert fit.model.training_.temperature == training.temperature
    stored = Pipeline.load(result.folder).steps[-1][1]
    for ours, theirs in zip(fit.model.parameters_, stored.parameters_, strict=True):
        for name, array in ours.items():
            np.testing.assert_allclose(array, theirs[name], rtol=1e-5, atol=1e-6)


class _Epochs(Listener):
    """Counts the steps that are told of each piece of work."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()

    @contextmanager
    def doing(self, label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        def advance(amount: int) -> None:
            self.messages[label] += amount

        yield advance


@pytest.mark.slow
def test_whoever_needs_held_out_samples_gets_the_judged_fit(small: Path, tmp_path: Path) -> None:
    changes = ("refit=true", "training.epochs=3", "training.learning_rate=0.05")
    folder = run_small(small, tmp_path / "runs", *changes).folder
    plain = run_small(small, tmp_path / "plain", *changes, "refit=false").folder
    subject, other = open_run(folder, None), open_run(plain, None)
    assert subject.model is not None
    assert other.model is not None
    for ours, theirs in zip(subject.model.parameters_, other.model.parameters_, strict=True):
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert explain_row(folder, 5).prediction == explain_row(plain, 5).prediction
    proven = with_artefacts(read_subject(folder), folder)
    assert [f.not_proven for f in proven.files if f.name == "judged/"] != [""]
    chosen = choose_rows(proven, folder, None, 100, 0)
    assert "the package was also fitted on these samples" in chosen.notes[0]
    assert not choose_rows(read_subject(plain), plain, None, 100, 0).notes


def test_a_refit_that_answers_worse_than_before_is_not_packaged(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = refitting.fit_all

    def bad(job: Any, material: Any, trained: Any) -> Any:  # noqa: ANN401
        turned = msgspec.structs.replace(material.samples, y=material.samples.y[::-1])
        return whole(job, replace(material, samples=turned), trained)

    monkeypatch.setattr(refitting, "fit_all", bad)
    result = run_small(small, tmp_path / "runs", *TREE, "model.kind=linear", "compression.int8=false")
    record = result.trace.refit
    assert record is not None
    assert not record.kept
    assert record.why in result.trace.warnings[0]
    assert result.package is not None
    fit = read_package(result.package).manifest.fit
    assert fit is not None
    assert not fit.refitted
    assert EVALUATED not in names(result.folder)


@pytest.mark.slow
def test_a_cancelled_training_is_not_refitted(small: Path, tmp_path: Path) -> None:
    config = read_config(str(small), ("refit=true", "training.epochs=50"))
    record = run_pipeline(config, out=tmp_path, listener=Cancels()).trace.refit
    assert record is not None
    assert (record.kept, record.why) == (False, "training was cancelled")


@pytest.mark.slow
def test_records_from_before_were_not_refitted(small: Path, tmp_path: Path) -> None:
    folder = run_small(small, tmp_path / "runs").folder
    table = json.loads((folder / "trace.json").read_text())
    del table["refit"], table["config"]["refit"]
    trace = parse_trace(json.dumps(table).encode(), "trace.json")
    assert trace.refit is None
    assert trace.config["refit"] is False


def test_a_package_knows_the_samples_of_its_fit() -> None:
    X = np.random.default_rng(0).normal(size=(2000, 3, 8)).astype(np.float32)
    X[5, 0, 0] = np.nan
    fit = fit_spec(X, np.arange(1500), refitted=True)
    assert len(fit.seen) == 640
    seen, comparable = count_seen(X[:1500], fit)
    assert seen == comparable > 0
    assert count_seen(X[1500:], fit)[0] == 0
    seen, comparable = count_seen(X[750:], fit)
    assert abs(seen / comparable - 750 / 1250) < 0.25  # about 50 comparable samples: four standard errors are .28
    few = fit_spec(X, np.arange(10), refitted=False)
    assert count_seen(X[:20], few) == (10, 20)
    assert count_seen(X, None) == count_seen(X, FitSpec(samples=3)) == (0, 0)


def test_test_vectors_have_every_class_in_turn() -> None:
    y = np.array(["often"] * 90 + ["seldom"] * 8 + ["rare"] * 2)
    samples = Samples(
        X=np.arange(100, dtype=np.float32)[:, None], y=y, groups=None, sessions=np.full(100, "s"),
        starts=np.arange(100), columns=(Column(name="a"),),
    )  # fmt: skip
    labels = y[choose_vectors(samples, np.arange(100), 3)[:, 0].astype(int)]
    assert set(labels[:3]) == set(labels[3:6]) == {"often", "seldom", "rare"}
    assert Counter(labels)["seldom"] == 8


@pytest.mark.parametrize(
    ("shape", "limit", "count"), [((3, 128), 48 << 10, 32), ((1, 4000), 48 << 10, 3), ((1, 32000), 1, 1)]
)
def test_compressed_test_vectors_stay_below_their_limit(shape: tuple[int, int], limit: int, count: int) -> None:
    X = np.random.default_rng(0).normal(size=(60, *shape)).astype(np.float32)
    samples = Samples(
        X=X, y=np.repeat(["a", "b"], 30), groups=None, sessions=np.full(60, "s"), starts=np.arange(60),
        columns=tuple(Column(name=str(number)) for number in range(shape[0])),
    )  # fmt: skip
    vectors = choose_vectors(samples, np.arange(60), 0, limit)
    assert len(vectors) == count
    assert count == 1 or len(zlib.compress(vectors.tobytes(), 9)) <= limit


def test_a_pipeline_may_ask_for_more_test_vectors() -> None:
    assert vector_limit(DeviceConfig()) == 48 << 10
    assert vector_limit(DeviceConfig(test_vectors_kb=200)) == 200 << 10
