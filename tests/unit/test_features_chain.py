"""Stages after stages on real recordings: Python and ONNX Runtime agree on every window."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.engines.onnxruntime import open_session
from edgewright.features import compress, pca, polynomial, select, statistics, union
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import Context, Stage, emit
from edgewright.preprocessing import channels, resample, scale
from edgewright.preprocessing import filter as filters
from support import shared_data

RAW = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
BODY = ("acc_x body", "acc_y body", "acc_z body", "acc vertical", "acc horizontal", "body magnitude")
SHAPE = ("std", "min", "max", "range", "rms", "mean_abs_diff", "energy", "zero_crossings", "skewness", "kurtosis")
SPECTRUM = ("bands", "energy", "peak", "peak_power", "centroid", "spread", "entropy", "flatness")
Table = dict[str, Any]

SPLIT: Table = {
    "add": [
        {"what": "split", "of": ["acc_x", "acc_y", "acc_z"]},
        {"what": "vertical", "of": ["acc_x", "acc_y", "acc_z"], "name": "acc"},
        {"what": "magnitude", "of": ["acc_x body", "acc_y body", "acc_z body"], "name": "body"},
    ]
}
PARTS: Table = {
    "parts": [
        {"kind": "statistics", "features": SHAPE, "log": True, "channels": [*BODY, *RAW[3:]]},
        {"kind": "statistics", "features": ["mean", "min", "max"], "channels": [f"acc_{a} gravity" for a in "xyz"]},
        {"kind": "statistics", "features": [], "channels": [*BODY[:3], *RAW[3:]], "correlations": "all"},
        {"kind": "spectral", "features": SPECTRUM, "channels": [*BODY, *RAW[3:]]},
    ]
}
STANDARD: Table = {"method": "standard"}
CHAINS: dict[str, list[tuple[Stage[Any], Table]]] = {
    "split and union": [(channels.STAGE, SPLIT), (union.STAGE, PARTS), (scale.STAGE, STANDARD)],
    "pca": [(statistics.STAGE, {"log": True}), (scale.STAGE, STANDARD), (pca.STAGE, {"components": 0.99})],
    "polynomial": [
        (statistics.STAGE, {}),
        (scale.STAGE, {}),
        (select.STAGE, {"k": 10, "score": "anova"}),
        (polynomial.STAGE, {}),
    ],
    "raw windows": [
        (filters.STAGE, {"cutoff": 20.0}),
        (resample.STAGE, {"rate": 40.0}),
        (compress.STAGE, {}),
        (scale.STAGE, STANDARD),
    ],
}


@pytest.fixture(scope="module")
def recordings() -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    folder = shared_data("har-hapt")
    windows, labels = [], []
    for name in ("exp01_user01", "exp05_user03", "exp09_user05"):
        table = np.loadtxt(folder / f"{name}.csv.gz", delimiter=",", skiprows=1)
        for start in range(0, len(table) - 127, 64):
            windows.append(table[start : start + 128, :6].T)
            labels.append(str(int(table[start + 64, 6])))
    return np.asarray(windows, np.float32), np.asarray(labels)


@pytest.mark.needs_data
@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_keeps_within_the_tolerance_on_real_windows(
    recordings: tuple[NDArray[np.float32], NDArray[np.str_]], chain: str
) -> None:
    X, y = recordings
    context = Context(shape=(6, 128), names=RAW, units=("",) * 6, rate=50.0, task="classification", seed=0)
    builder = Builder("chain", (6, 128))
    value, result = builder.input, X
    for stage, table in CHAINS[chain]:
        estimator = stage.build(msgspec.convert(table, stage.config), context).fit(result, y)
        result = estimator.transform(result)
        value = emit(estimator, builder, value)
        names = tuple(estimator.get_feature_names_out())
        rate = getattr(estimator, "rate_", context.rate)
        context = dataclasses.replace(context, shape=result.shape[1:], names=names, units=("",) * len(names), rate=rate)
    model = to_onnx(builder.finish({"output": (value, "float32", result.shape[1:])}))
    session = open_session(model)
    graph = session.run(None, {"input": X})[0].astype(np.float64)
    allowed = 1e-5 * np.abs(result) + 1e-5 * result.astype(np.float64).std(axis=0)
    assert len(X) > 500
    assert (np.abs(graph - result) <= allowed).all()
