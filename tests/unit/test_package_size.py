"""Test vectors and reference statistics of a package take at most 64 kB, and drift is still detected."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.errors import DataWarning
from edgewright.core.package import read_package
from edgewright.core.records.data import Column, Samples
from edgewright.monitor.drift.change_detection import bins_of
from edgewright.monitor.drift.stream_monitor import DriftConfig, DriftWatch, unnoticed
from edgewright.pipeline.config import checked
from edgewright.pipeline.package.packaging import fit_reference, reference, reference_bytes
from edgewright.pipeline.run import run_pipeline


def table(columns: int, rows: int = 80) -> np.ndarray:
    """Return readings with columns of unlike levels and spreads: pressures near 1e5, currents near 1e-6."""
    generator = np.random.default_rng(columns)
    level, spread = 10.0 ** generator.uniform(-6, 5, columns), 10.0 ** generator.uniform(-6, 3, columns)
    return (level + spread * generator.normal(size=(rows, columns))).astype(np.float32)


def samples_of(values: np.ndarray) -> Samples:
    return Samples(
        X=values, y=np.repeat(["a", "b"], len(values) // 2), groups=None, sessions=np.full(len(values), "s"),
        starts=np.arange(len(values)), columns=tuple(Column(name=f"reading-{i}") for i in range(values.shape[1])),
    )  # fmt: skip


def build(folder: Path, columns: int, **device: object) -> Path:
    """Train a linear model on readings of many columns; return its package."""
    values, labels = table(columns), np.repeat(["a", "b"], 40)
    values[40:, 0] += 4 * values[:, 0].std()
    np.savez(folder / "rows.npz", X=values, y=labels)
    config = {
        "name": "wide", "data": {"kind": "numpy", "path": str(folder / "rows.npz")},
        "split": {"by": "row"}, "stages": [{"kind": "scale", "method": "standard"}],
        "model": {"kind": "linear", "layers": []}, "training": {"epochs": 2},
        "device": {"profile": "phone-arm64", **device},
    }  # fmt: skip
    package = run_pipeline(checked(config, "wide"), out=folder / "runs", force=True).folder / "wide.edge"
    assert package.is_file()
    return package


def bytes_without_models(package: Path) -> int:
    """Return the compressed bytes of everything but the models."""
    with zipfile.ZipFile(package) as archive:
        return sum(f.compress_size for f in archive.infolist() if not f.filename.endswith(".onnx"))


# The names, units and ranges of 800 columns take 7 kB of the manifest.
@pytest.mark.parametrize(("columns", "limit"), [(6, 8 << 10), (800, 71 << 10)])
def test_a_package_takes_few_bytes_in_addition_to_its_models(tmp_path: Path, columns: int, limit: int) -> None:
    package = build(tmp_path, columns)
    opened = read_package(package)
    assert len(opened.manifest.reference) == columns
    assert reference_bytes(opened.manifest.reference) <= 32 << 10
    assert opened.manifest.vectors >= (32 if columns == 6 else 2)
    assert bytes_without_models(package) <= limit


def test_statistics_of_very_many_columns_are_left_out_unless_requested(tmp_path: Path) -> None:
    columns = reference(samples_of(table(3000)), np.arange(80))
    with pytest.warns(DataWarning, match="device.test_vectors_kb = "):
        assert fit_reference(columns, 32 << 10) == ()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        package = build(tmp_path, 800, test_vectors_kb=1)
    assert any("test_vectors_kb" in str(warning.message) for warning in caught)
    manifest = read_package(package).manifest
    assert manifest.reference == ()
    assert any("no reference statistics" in text for text in unnoticed(manifest))
    assert len(read_package(build(tmp_path, 800, test_vectors_kb=300)).manifest.reference) == 800


def test_statistics_of_few_columns_are_exact() -> None:
    columns = reference(samples_of(table(20)), np.arange(80))
    assert fit_reference(columns, 16 << 10) == columns


@pytest.mark.parametrize("limit", [45 << 10, 32 << 10, 30 << 10])
def test_rounded_statistics_stay_near_the_exact_ones(limit: int) -> None:
    values = table(800, 400)
    values[:, 1], values[:, 2] = 7.123456789, np.arange(400) % 2
    exact = reference(samples_of(values), np.arange(400))
    rounded = fit_reference(exact, limit)
    assert reference_bytes(rounded) <= limit < reference_bytes(exact)
    assert rounded[1] == exact[1]
    assert rounded[2].quantiles == exact[2].quantiles
    for before, after in zip(exact, rounded, strict=True):
        away = np.abs(np.subtract(after.quantiles, before.quantiles))
        assert away.max() <= 0.1 * before.deviation
        assert abs(after.mean - before.mean) <= 0.01 * max(before.deviation, 1e-12)
        assert after.deviation == pytest.approx(before.deviation, rel=0.01)
        # No value of training lies outside.
        assert after.quantiles[0] <= before.quantiles[0] <= before.quantiles[-1] <= after.quantiles[-1]
        bins = bins_of(after)
        assert bins.expected.sum() == pytest.approx(1)
        assert bins.outside(values[:, int(before.name.split("-")[1])]) == 0


@pytest.mark.parametrize("value", [1e-300, 1e300, 5e-324])
def test_extreme_columns_are_rounded_without_an_error(value: float) -> None:
    (column,) = reference(samples_of(np.array([[0.0], [1.0]], np.float32)), np.arange(2))
    odd = [
        type(column)(name="x", mean=value, deviation=value, missing=0.0, quantiles=tuple([0.0] * 4 + [value] * 5))
    ] * 400
    fitted = fit_reference(tuple(odd), 3000)
    assert all(np.isfinite(c.mean) and np.isfinite(c.quantiles).all() for c in fitted)


def test_drift_of_a_column_is_detected_with_rounded_statistics() -> None:
    generator = np.random.default_rng(5)
    spread = generator.uniform(0.1, 9, 20)

    def rows(count: int) -> np.ndarray:
        return (1013 + spread * generator.normal(size=(count, 20))).astype(np.float32)

    exact = reference(samples_of(rows(2000)), np.arange(2000))
    rounded = fit_reference(exact, 900)
    assert rounded != exact
    usual, shifted = rows(600), rows(600)
    shifted[:, 5] += spread[5]
    for columns in (exact, rounded):
        watch = DriftWatch(columns, None, DriftConfig(rhythm=200))
        assert watch.push(usual, np.arange(600.0)) == []
        assert {event.label for event in watch.push(shifted, 600 + np.arange(600.0))} == {"reading-5"}
