"""What `edgewright init FILE --yes` and `edgewright run` reach on a file, and their answers to the test samples."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.default.content import Array
from benchmarks.table import python, spent
from edgewright.core.errors import EdgewrightError
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor, package_path
from edgewright.core.records.data import Samples
from edgewright.data.samples import cut_in_parts
from edgewright.training import metrics
from edgewright.workflows.scoring.rows import ScoreRequest, read_labelled
from edgewright.workflows.scoring.workflow import config_of, window_of

DEVICE = "cortex-m4"
# A command that takes longer than this is ended and counts as failed.
LIMIT_S = 1_200
_PART = 100_000
# Figures of the run's own test samples that the record keeps.
_REPORTED = ("accuracy", "macro_f1", "calibration_error")
# Python keeps compiled files, as it does for a stranger, also where a shell forbids it.
_SETTINGS = {"PYTHONDONTWRITEBYTECODE": ""}


@dataclass
class Product:
    """What the product did with one set.

    Attributes:
        problems: what a stranger would have met: a refusal, an option that was needed, another framing.
        facts: figures by name, for the record of the set.
        truth, answers, groups: of the test samples; empty where there is no answer.
        windows: arrays for peers where the product cut windows: of both sides X, y and groups.
    """

    problems: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    truth: Array = field(default_factory=lambda: np.zeros(0))
    answers: Array = field(default_factory=lambda: np.zeros(0))
    groups: Array | None = None
    windows: dict[str, Array] = field(default_factory=dict)


def run_product(folder: Path, train: Path, test: Path, target: str, metric: str) -> Product:
    """Run both commands in a folder and answer the test samples.

    Args:
        folder: with the files of the set.
        train: file or folder of the samples that do not test.
        test: file or folder of those that test.
        target: column that the set predicts; empty where the folders say it.
        metric: of the set.
    """
    product = Product()
    run = _run(product, folder, train, target)
    if run is not None:
        try:
            _answer(product, run, train, test, metric)
        except EdgewrightError as error:
            product.problems.append(f"no answers to the test file: {error}")
        _estimate(product, run)
    return product


def _run(product: Product, folder: Path, train: Path, target: str) -> Path | None:
    """Return the folder of the run; None where a command failed or the run has no package."""
    shutil.rmtree(folder / "runs", ignore_errors=True)
    init = ["init", train.name, "--yes", "--force"]
    refusal, seconds = _command(folder, init)
    chosen = "" if refusal else tomllib.loads((folder / "pipeline.toml").read_text())["data"].get("target", "")
    if target and chosen != target:
        product.problems.append(f"init: {refusal}" if refusal else f"init: chose the target {chosen!r}")
        refusal, seconds = _command(folder, [*init, "--target", target])
    if refusal:
        product.problems.append(f"init, with its target: {refusal}" if target else f"init: {refusal}")
        return None
    refusal, more = _command(folder, ["run", "pipeline.toml"])
    product.facts["cpu_s"] = seconds + more
    runs = sorted((folder / "runs").glob("*")) if (folder / "runs").is_dir() else []
    if refusal:
        product.problems.append(f"run: {refusal}")
    if not runs:
        return None
    trace = json.loads((runs[0] / "trace.json").read_text())
    evaluation = trace["evaluation"] or {}
    reported = {name: evaluation[name] for name in _REPORTED if evaluation.get(name)}
    product.facts |= {
        "verdict": trace["verdict"],
        "reported": reported or evaluation.get("regression"),
        "model": list(dict.fromkeys(layer["kind"] for layer in trace["layers"] or ())),
    }
    if not list(runs[0].glob("*.edge")):
        product.problems.append(f"run made no package: {trace['reason'] or trace['verdict']}")
        return None
    return runs[0]


def _command(folder: Path, arguments: list[str]) -> tuple[str, float]:
    """Run one command of Edgewright and return how it failed, empty where it did not, and its processor seconds."""
    edgewright = str(Path(python()).with_name("edgewright"))
    log = folder / "log.txt"
    try:
        cost = spent(["timeout", str(LIMIT_S), edgewright, *arguments], _SETTINGS, folder=folder, log=log)
    except subprocess.CalledProcessError as error:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] or [""]
        if error.returncode == 124:
            return f"took over {LIMIT_S} s", float(LIMIT_S)
        traced = "traceback, " if any(line.startswith("Traceback") for line in lines) else ""
        return f"exit {error.returncode}, {traced}{lines[-1]}", 0.0
    return "", cost.cpu_seconds


def _answer(product: Product, run: Path, train: Path, test: Path, metric: str) -> None:
    """Answer the test samples as the package frames them."""
    package = read_package(package_path(run))
    manifest = package.manifest
    samples = _samples(run, test)
    given = Predictor(package).predict(samples.X)
    truth = np.asarray(samples.y)
    product.groups = None if samples.groups is None else np.asarray(samples.groups).astype(str)
    product.facts["framing"] = {
        "shape": list(manifest.shape), "step": manifest.window.step if manifest.window else 0, "samples": len(truth),
    }  # fmt: skip
    if manifest.labels:
        product.truth, product.answers = truth.astype(str), np.asarray(given.labels).astype(str)
        right = product.answers == product.truth
        product.facts["calibration_error"] = metrics.calibration_error(given.confidence, right)
        product.facts["calibration_chance"] = metrics.chance_calibration_error(given.confidence)
        if metric == "average_precision":
            names, counts = np.unique(product.truth, return_counts=True)
            rare = manifest.labels.index(str(names[np.argmin(counts)]))
            product.answers = np.asarray(given.probabilities)[:, rare].astype(np.float64)
    elif given.predictions is not None:
        product.truth, product.answers = truth.astype(np.float64), given.predictions.reshape(-1).astype(np.float64)
        # An answer that is missing counts as the mean of the others.
        product.answers[~np.isfinite(product.answers)] = float(np.nanmean(product.answers))
    if manifest.window is not None:
        for side, part in (("train", _samples(run, train)), ("test", samples)):
            y = np.asarray(part.y)
            product.windows[f"{side}_X"] = np.asarray(part.X, np.float32)
            product.windows[f"{side}_y"] = y.astype(str) if manifest.labels else y.astype(np.float64)
            if part.groups is not None:
                product.windows[f"{side}_groups"] = np.asarray(part.groups).astype(str)


def _samples(run: Path, data: Path) -> Samples:
    """Return labelled samples of a file, as the package of a run frames them."""
    manifest = read_package(package_path(run)).manifest
    with tempfile.TemporaryDirectory() as room:
        dataset = read_labelled(manifest, config_of(run), ScoreRequest(data=str(data)), Path(room))
        (samples,) = cut_in_parts(dataset, window_of(manifest), _PART)
        y = np.asarray(samples.y)
        labelled = y != "" if manifest.labels else np.isfinite(y.astype(np.float64))
        rows = np.flatnonzero(labelled)
        groups = None if samples.groups is None else samples.groups[rows]
        X = np.ascontiguousarray(np.asarray(samples.X[:], np.float32)[rows])
        return Samples(
            X=X, y=y[rows], groups=groups, sessions=samples.sessions[rows], starts=samples.starts[rows],
            columns=samples.columns, rate=samples.rate,
        )  # fmt: skip


def _estimate(product: Product, run: Path) -> None:
    """Add flash and RAM of the whole program, as `edgewright estimate` reports them."""
    edgewright = str(Path(python()).with_name("edgewright"))
    command = [edgewright, "estimate", str(run), "--device", DEVICE, "--no-compile", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        product.problems.append(f"estimate: exit {done.returncode}, {' '.join(done.stderr.split())}")
    if not done.stdout:
        return
    figures = json.loads(done.stdout)["found"]
    product.facts |= {f"{name}_bytes": figures[name]["value"] for name in ("flash", "ram")}
