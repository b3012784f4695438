"""Building a package: models, test vectors, reference statistics, hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import get
from edgewright.core.missing_values import read_limit
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import model_file, vector_files, write_package
from edgewright.data.row_spool import SpooledRows
from edgewright.pipeline.joint_reference import joint_reference
from edgewright.pipeline.material import Material
from edgewright.pipeline.training_fingerprint import fit_spec
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import Floats, Samples
from edgewright.schema.package import Manifest, ReferenceColumn, WindowSpec

VECTORS = 32
# Rows on disk that the reference statistics are of.
_DRAWN, _DRAWN_BYTES = 50_000, 16 * 2**20
_QUANTILES = (0, 1, 5, 25, 50, 75, 95, 99, 100)
# Engines differ in the last digits of float32; a probability may move by this much without being another answer.
_FLOAT_TOLERANCE = 1e-4
# Engines round int8 in their own ways: a step of the last layer moves a probability by at most a quarter of the
# logit's step (the steepest slope of the logistic function), and earlier layers add steps of their own.
_INT8_TOLERANCE = 0.08


def choose_vectors(samples: Samples, rows: NDArray[np.int64], seed: int) -> Floats:
    """Test vectors: samples of every class in turn, drawn with the run's seed; shape (at most 32, ...)."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(rows)
    labels = np.asarray(samples.y)[order]
    if labels.dtype.kind == "U":
        rank = np.zeros(len(order), np.int64)
        for label in np.unique(labels):
            here = np.flatnonzero(labels == label)
            rank[here] = np.arange(len(here))
        order = order[np.argsort(rank, kind="stable")]
    return np.ascontiguousarray(samples.X[order[:VECTORS]], np.float32)


def answers(model: bytes, X: Floats) -> Floats:
    """Probabilities (n, classes) or predictions (n, 1) of a model, by the base install: int8 as generated C answers."""
    given = get("numpy").load(model)(X)
    found = given["probabilities"] if "probabilities" in given else given["prediction"]
    return np.asarray(found, np.float32).reshape(len(X), -1)


def reference(samples: Samples, rows: NDArray[np.int64]) -> tuple[ReferenceColumn, ...]:
    """What each column or channel looked like in training."""
    made = []
    X: Any = samples.X
    if isinstance(X, SpooledRows):
        # Of so many rows the median lies within a quarter of a percent of the ranks of all.
        most = min(len(rows), _DRAWN, max(2000, _DRAWN_BYTES // (4 * len(samples.columns))))
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
        X, rows = X[rows], np.arange(len(rows))
    for index, column in enumerate(samples.columns):
        values = np.asarray(X[rows, index], np.float64).ravel()
        finite = values[np.isfinite(values)]
        some = finite if finite.size else np.zeros(1)
        made.append(
            ReferenceColumn(
                name=column.name,
                mean=float(some.mean()),
                deviation=float(some.std()),
                missing=1.0 - finite.size / max(values.size, 1),
                quantiles=tuple(float(q) for q in np.percentile(some, _QUANTILES)),
            )
        )
    return tuple(made)


def window_spec(window: WindowConfig, rate: float | None) -> WindowSpec:
    """How a device cuts the windows of a configuration."""
    step = window.step or max(1, window.samples // 2)
    return WindowSpec(
        samples=window.samples, step=step, rate=rate, target=window.target, within=window.within, pad=window.pad
    )


def build_package(
    path: Path,
    *,
    name: str,
    material: Material,
    refitted: bool | None,
    window: WindowConfig | None,
    models: dict[str, bytes],
    default: str,
    confidence: float,
    provenance: dict[str, str],
    seed: int,
) -> str:
    """Writes the package and gives its SHA-256.

    Args:
        path: of the package.
        material: the samples, with those that were fitted on as its training ones.
        refitted: whether samples that judged are among them; None for a model that was fitted elsewhere.
        window: None for rows.
        models: ONNX bytes by form, 'float' and perhaps 'int8'.
        default: the form that answers.
        confidence: below it an answer is marked unsure.
        provenance: text without times or paths, so that the same run gives the same bytes.
        seed: of the run.
    """
    samples, train = material.samples, material.sides.train
    vectors = choose_vectors(samples, train, seed)
    forms = {form: model_file(form) for form in models}
    files = vector_files(vectors, {form: answers(model, vectors) for form, model in models.items()})
    files |= {forms[form]: model for form, model in models.items()}
    graph = read_onnx(models["float"])
    manifest = Manifest(
        name=name,
        task=material.task,
        columns=samples.columns,
        shape=tuple(int(n) for n in samples.X.shape[1:]),
        window=None if window is None else window_spec(window, samples.rate),
        labels=graph.labels,
        target=material.dataset.target_name,
        thresholds={"confidence": confidence} if graph.labels else {},
        vectors=len(vectors),
        tolerance={form: _FLOAT_TOLERANCE if form == "float" else _INT8_TOLERANCE for form in models},
        forms=forms,
        default=default,
        reference=reference(samples, train),
        joint=joint_reference(material.dataset, samples, train),
        licences=tuple(text for text in (material.dataset.licence,) if text),
        provenance=provenance,
        files=(),
        missing=read_limit(graph.metadata),
        fit=None if refitted is None else fit_spec(samples.X, material.fitted_on, refitted=refitted),
    )
    return write_package(path, manifest, files)
