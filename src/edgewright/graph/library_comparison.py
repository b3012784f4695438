"""Comparison of an imported ensemble with the library that wrote it, on drawn rows, if that library is installed."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.ensembles import Format, draw_rows
from edgewright.graph.from_onnx_parse import Parsed
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph

# Beginning of the sentence where nothing was compared.
NOT_COMPARED = "not compared"
_TIME_LIMIT_S = 60
# Sums of float32 differ from those of the library by less, relative to the largest prediction.
_TOLERANCE = 1e-4


def compare_with_library(known: Format, data: bytes, parsed: Parsed, graph: Graph) -> str:
    """Compare predictions of a graph with those of the library.

    The library reads the file in a process of its own: a file that crashes it does not end this one.

    Args:
        known: format of the file.
        data: of the file.
        parsed: what was read of it.
        graph: that it became.

    Returns:
        A sentence that says what was compared, or why nothing was.

    Raises:
        InputError: the predictions differ.
    """
    if find_spec(known.library) is None:
        return f"{NOT_COMPARED} with {known.title}, which is not installed (pip install {known.library})"
    marker = math.nan if parsed.marker is None else parsed.marker
    (tables,) = (node.attributes for node in parsed.nodes if node.domain)
    split = np.asarray(tables["nodes_modes"]) != "LEAF"
    features, thresholds = (np.asarray(tables[f"nodes_{name}"])[split] for name in ("featureids", "values"))
    rows = draw_rows(parsed.inputs[0].shape[1], features, thresholds, marker)
    if not math.isnan(marker):
        # NaN is a further missing value for some versions, and an error for others.
        rows[np.isnan(rows)] = np.float32(marker)
    expected = _predictions(known, data, rows, marker)
    if isinstance(expected, str):
        return f"{NOT_COMPARED} with {known.title}: {expected}"
    outputs = compile_graph(graph)(rows)
    given = outputs["probabilities" if "probabilities" in outputs else "prediction"]
    ours = np.asarray(given[:, 1] if expected.ndim == 1 and given.shape[1] == 2 else given).reshape(expected.shape)
    spread = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(ours - expected).max())
    if not difference <= _TOLERANCE * spread:
        got = f"others on {len(rows)} drawn rows, up to {difference:.3g} away"
        do = "Do not use the import, and report the model"
        raise InputError(f"the predictions of {known.title}", got, f"model {graph.name}", do)
    return f"compared with {known.title} on {len(rows)} drawn rows: at most {difference:.1g} away"


def _predictions(known: Format, data: bytes, rows: NDArray[np.float32], marker: float) -> NDArray[Any] | str:
    """Return the library's predictions, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        # XGBoost goes by the ending.
        ending = ".ubj" if data.startswith(b"{L") else ".json" if data.startswith(b"{") else ".txt"
        names = (f"model{ending}", "rows.npy", "predictions.npy")
        model, x, y = (Path(folder) / name for name in names)
        model.write_bytes(data)
        np.save(x, rows)
        arguments = [sys.executable, "-c", known.predict, *names, repr(marker)]
        try:
            # Modules of the caller's working directory do not take the place of installed ones.
            done = subprocess.run(arguments, capture_output=True, timeout=_TIME_LIMIT_S, check=False, cwd=folder)
        except (OSError, subprocess.SubprocessError) as error:
            return type(error).__name__
        if done.returncode or not y.is_file():
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            return f"it does not read the file ({lines[-1][:100]})" if lines else "it does not read the file"
        return np.asarray(np.load(y, allow_pickle=False))
