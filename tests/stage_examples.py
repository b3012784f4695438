"""Example configurations of every stage, and samples they can be fitted on."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import find, listing
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import InputError
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import Context, Stage, emit

Floats = NDArray[np.float32]
ROOMS = ("edgewright.preprocessing", "edgewright.features")
KINDS = [(room, kind) for room in ROOMS for kind in listing(room, "STAGE")]

# A stage without an example here is tried with its defaults. The first word says what arrives.
EXAMPLES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "units": [
        ("rows", {"scale": 0.5, "offset": 3.0, "unit": "g"}),
        ("windows", {"scale": {"full_scale": 4.0, "bits": 16}}),
        (
            "windows",
            {
                "offset": [1.0, 2.0, 3.0],
                "channels": ["acc_x", "acc_y", "acc_z"],
                "maps": [{"channels": ["acc_x", "acc_y", "acc_z"], "axes": ["-y", "x", "z"]}],
            },
        ),
    ],
    "resize": [
        ("pictures", {"height": 7, "width": 5}),
        ("pictures", {"height": 21, "width": 13}),
        ("pictures", {"height": 1, "width": 26}),
    ],
    "colours": [("pictures", {}), ("pictures", {"step": 16, "every": 3})],
    "orientations": [
        ("pictures", {}),
        ("pictures", {"cells": 2, "directions": 4, "normalise": "none"}),
        ("pictures", {"cells": 1, "floor": 0.2}),
    ],
    "series": [("whole rows", {})],
    "slopes": [("whole rows", {}), ("whole windows", {"floor": 0.1})],
    "resample": [("windows", {"rate": 48.0}), ("windows", {"rate": 25.0, "samples": 60})],
    "impute": [
        ("rows", {"strategy": "mean"}),
        ("rows", {"strategy": "constant", "value": -1.5}),
        ("windows", {"strategy": "median"}),
    ],
    "fill": [("windows", {}), ("windows", {"limit": 0.1})],
    "scale": [
        ("rows", {}),
        ("rows", {"method": "standard", "clip": 3.0}),
        ("rows", {"method": "robust", "clip": [-2.0, 4.0]}),
        ("windows", {"method": "standard"}),
        ("windows", {"method": "minmax", "clip": 0.0}),
    ],
    "normalise": [
        ("whole windows", {}),
        ("whole windows", {"level": "peak", "spread": False}),
        ("whole windows", {"level": "keep", "floor": 0.01}),
    ],
    "filter": [
        ("whole windows", {"cutoff": 5.0}),
        ("whole windows", {"band": "high", "cutoff": 0.5, "order": 2}),
        ("whole windows", {"band": "band", "cutoff": [0.5, 12.0], "order": 3, "zero_phase": True}),
    ],
    "channels": [
        ("whole windows", {"add": [{"what": "magnitude", "of": ["acc_x", "acc_y", "acc_z"], "name": "acc"}]}),
        (
            "whole windows",
            {
                "add": [
                    {"what": "split", "of": ["acc_x", "acc_y", "acc_z"]},
                    {"what": "jerk", "of": ["acc_x body", "gyro"]},
                    {"what": "vertical", "of": ["acc_x", "acc_y", "acc_z"], "name": "acc"},
                    {"what": "magnitude", "of": ["acc_x body", "acc_y body", "acc_z body"], "name": "body"},
                ],
                "keep": "new",
            },
        ),
    ],
    "gravity": [
        ("whole windows", {"acceleration": ["acc_x", "acc_y", "acc_z"]}),
        (
            "whole windows",
            {
                "acceleration": ["acc_y", "acc_x", "acc_z"],
                "rotation": ["acc_x", "gyro", "acc_y"],
                "cutoff": 1.5,
                "keep_arriving": False,
            },
        ),
    ],
    "statistics": [
        ("whole windows", {}),
        (
            "whole windows",
            {
                "features": [
                    *("mean", "std", "min", "max", "range", "rms", "mean_abs", "mean_abs_deviation", "mean_abs_diff"),
                    *("energy", "variance", "zero_crossings", "skewness", "kurtosis", "slope", "mobility"),
                ],
                "log": True,
                "correlations": "all",
                "autocorrelation": [1, 10],
            },
        ),
        ("whole windows", {"features": ["std"], "channels": ["gyro", "acc_x"], "correlations": [["acc_x", "gyro"]]}),
        (
            "whole windows",
            {
                "features": ["std", "rise", "fall", "energy", "skewness"],
                "log": True,
                "noise": [7e-4, 7e-4, 7e-4, 2e-3],
                "correlations": "all",
                "autocorrelation": [8],
            },
        ),
        ("whole windows", {"features": ["slope", "min"], "signed_log": True}),
        ("whole windows", {"features": ["mean", "slope"], "signed_log": True, "noise": 0.01}),
    ],
    "posture": [("whole windows", {"of": ["acc_x", "acc_y", "acc_z"], "name": "acc"})],
    "unsteadiness": [
        ("whole windows", {}),
        ("whole windows", {"parts": 5, "channels": ["gyro", "acc_y"], "noise": [2e-3, 7e-4]}),
    ],
    "bearing": [
        ("whole windows", {"speed": "gyro", "balls": 9, "ratio": 0.2, "block": 4}),
        (
            "whole windows",
            {
                "speed": "acc_x",
                "balls": 8,
                "ratio": 0.3,
                "angle": 15.0,
                "multiples": 2,
                "block": 2,
                "channels": ["gyro"],
            },
        ),
    ],
    "spectral": [
        ("whole windows", {}),
        (
            "whole windows",
            {
                "features": ["flatness", "peak_power", "spread", "bands", "peak", "entropy", "energy", "centroid"],
                "edges": [0.3, 2.0, 5.0, 10.0, 25.0],
                "window": "none",
                "log": False,
                "channels": ["acc_z", "gyro"],
            },
        ),
        ("whole windows", {"features": ["bands", "energy"], "noise": 3e-3}),
    ],
    "log_mel": [("sound", {"mels": 20}), ("sound", {"mels": 12, "scale": "slaney", "fft": 512, "flatten": True})],
    "mfcc": [("sound", {"mels": 20}), ("sound", {"mels": 20, "coefficients": 5, "flatten": True})],
    "takes": [
        ("words", {"label": "walking"}),
        ("words", {"label": "walking", "tempos": [1.0], "every": 1}),
    ],
    "kernels": [
        ("whole windows", {"keep": 40, "pool": 200}),
        ("whole windows", {"keep": 3, "pool": 50, "channels": ["gyro", "acc_y"]}),
    ],
    "polynomial": [("whole rows", {}), ("whole rows", {"interaction_only": True})],
    "select": [("whole rows", {"k": 3}), ("whole rows", {"k": 4, "score": "anova"})],
    "pca": [("whole rows", {"components": 3}), ("whole rows", {"components": 0.9})],
    "flatten": [("whole windows", {})],
    "compress": [("whole rows", {}), ("whole windows", {"scale": 0.1})],
    "union": [
        (
            "whole windows",
            {
                "parts": [
                    {"kind": "statistics", "log": True, "correlations": "all"},
                    {"kind": "spectral", "bands": 5},
                    {"kind": "spectral", "features": ["bands"], "bands": 5},
                ]
            },
        ),
        ("whole rows", {"parts": [{"kind": "select", "k": 2}, {"kind": "polynomial"}]}),
        ("pictures", {"parts": [{"kind": "orientations", "cells": 2}, {"kind": "colours"}]}),
    ],
}


def windows(n: int, rng: np.random.Generator) -> Floats:
    """Acceleration in g with gravity, from stillness to running, and a gyroscope far from zero; (n, 4, 128)."""
    time = np.arange(128) / 50.0
    strength = 10.0 ** rng.uniform(-2.5, 0.3, (n, 1, 1))
    tone = np.sin(2 * np.pi * (rng.uniform(0.5, 8.0, (n, 1, 1)) * time + rng.uniform(0, 1, (n, 4, 1))))
    level = np.concatenate([rng.normal(0, 0.6, (n, 3, 1)), np.full((n, 1, 1), 30.0)], axis=1)
    values = level + strength * tone + 0.003 * rng.normal(size=(n, 4, 128))
    values[0] = level[0]  # a sensor that does not move at all
    return values.astype(np.float32)


def rows(n: int, rng: np.random.Generator) -> Floats:
    """Return columns of very different size, one at a large level, one constant; (n, 6)."""
    values = rng.normal(size=(n, 6)) * [1.0, 20.0, 0.01, 1.0, 3.0, 0.0] + [0.0, 5.0, 0.0, 101325.0, 0.0, 7.0]
    values[:, 4] += values[:, 0]
    return values.astype(np.float32)


def sound(n: int, rng: np.random.Generator) -> Floats:
    """Tones and noise from quiet to loud; (n, 1, 4000) at 8 kHz."""
    time = np.arange(4000) / 8000.0
    tone = np.sin(2 * np.pi * rng.uniform(100, 3000, (n, 1, 1)) * time)
    loud = 10.0 ** rng.uniform(-2, 0, (n, 1, 1))
    return (loud * tone * np.exp(-time * rng.uniform(0, 8, (n, 1, 1))) + 0.002 * rng.normal(size=(n, 1, 4000))).astype(
        np.float32
    )


def spoken_rows(n: int, rng: np.random.Generator) -> Floats:
    """Coefficients by frames, (n, 6, 40): each second window has the word of `targets`, the others have other sound."""
    values = 0.1 * rng.normal(size=(n, 6, 40))
    word, start = 3.0 * rng.normal(size=(6, 16)), rng.integers(2, 22, n)
    for i in range(n):
        values[i, :, start[i] : start[i] + 16] += word if i % 2 == 0 else 3.0 * rng.normal(size=(6, 16))
        values[i, 0, start[i] : start[i] + 16] = 9.0
    values[:, 0, 0] = np.arange(n) % 2 == 0
    return values.astype(np.float32)


@cache
def arriving(words: str) -> tuple[Floats, Context]:
    """Return samples for an example, with missing values unless they are 'whole', and their context.

    They are read-only: a stage that writes into what it is given fails.
    """
    rng = np.random.default_rng(7)
    if words == "sound":
        X, labels, rate = sound(60, rng), "microphone", 8000.0
    elif words == "words":
        X, labels, rate = spoken_rows(50, rng), "c0 c1 c2 c3 c4 c5", 25.0
    elif words == "pictures":
        X, labels, rate = rng.integers(0, 256, (40, 3, 10, 13)).astype(np.float32), "red green blue", 0.0
    elif words.endswith("windows"):
        X, labels, rate = windows(300, rng), "acc_x acc_y acc_z gyro", 50.0
    else:
        X, labels, rate = rows(500, rng), "s0 s1 s2 s3 s4 s5", 0.0
    names = tuple(labels.split())
    if words in ("rows", "windows"):
        X[rng.uniform(size=X.shape) < 0.05] = np.nan
    X.setflags(write=False)
    return X, Context(
        shape=X.shape[1:], names=names, units=("",) * len(names), rate=rate or None, task="classification", seed=3
    )


def targets(X: Floats) -> NDArray[np.str_]:
    first = X.reshape(len(X), -1)[:, 0]
    return np.where(first > np.nanmedian(first), "walking", "sitting")


def examples(room: str, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the examples of a stage, or its defaults on everything that it takes."""
    if kind in EXAMPLES:
        return EXAMPLES[kind]
    stage, cases = find(room, kind, "STAGE", "stage"), []
    for words in ("whole rows", "whole windows", "sound"):
        try:
            stage.build(stage.config(), arriving(words)[1])
        except InputError:
            continue
        cases.append((words, dict[str, Any]()))
    return cases


def unfitted(
    stage: Stage[Any], table: dict[str, Any], samples: int | None = None, rate: float | None = 50.0, *,
    names: tuple[str, ...], unit: str = "", task: str = "classification", seed: int = 0,
) -> Any:  # fmt: skip  # noqa: ANN401 - scikit-learn carries no types
    """Return the estimator of a stage for rows of such columns, or for windows of so many samples."""
    shape = (len(names),) if samples is None else (len(names), samples)
    context = Context(shape=shape, names=names, units=(unit,) * len(names), rate=rate, task=task, seed=seed)
    return stage.build(msgspec.convert(table, stage.config), context)


def graph_bytes(estimator: Any, X: Floats) -> bytes:  # noqa: ANN401 - any estimator
    builder = Builder("stage", X.shape[1:])
    value = emit(estimator, builder, builder.input)
    return to_onnx(builder.finish({"output": (value, "float32", estimator.transform(X[:2]).shape[1:])}))


def run_graph(estimator: Any, X: Floats) -> Floats:  # noqa: ANN401 - any estimator
    session = open_session(graph_bytes(estimator, X))
    return np.asarray(session.run(None, {"input": X})[0])


CASES = [(room, kind, n) for room, kind in KINDS for n in range(len(examples(room, kind)))]


def built(room: str, kind: str, number: int) -> tuple[Stage[Any], Any, Floats]:
    """Return a stage, its unfitted estimator by an example, and the samples of that."""
    stage: Stage[Any] = find(room, kind, "STAGE", "stage")
    words, table = examples(room, kind)[number]
    X, context = arriving(words)
    return stage, stage.build(msgspec.convert(table, stage.config), context), X
