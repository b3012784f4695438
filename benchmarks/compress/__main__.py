"""`python -m benchmarks.compress`: what int8 saves in bytes, and what smaller forms lose on people never seen.

Nothing here looks at the five people who evaluate the shipped pipeline: forms are compared in cross-validation over
the 16 others, whose recordings alone are loaded into windows.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.compress.people import Form, cross_validate
from benchmarks.compress.sizes import LARGE, SMALL, sizes
from benchmarks.table import ROOT, markdown, verdict
from edgewright.core.errors import EdgewrightError
from edgewright.training import metrics

# Least ratios of bytes: of ONNX and of .tflite.
RATIOS = {SMALL: (3.0, 2.9), LARGE: (3.95, 3.95)}
# Most points of accuracy a form may lose.
POINTS = {"int8": 0.3, "structured-50": 1.0, "structured-50-int8": 1.0}


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 1 when a figure is missed."""
    given = _arguments(arguments)
    reached = _sizes()
    if not given.sizes_only:
        try:
            forms = cross_validate(
                given.data,
                changes=tuple(given.set),
                seed=given.seed,
                every=given.every,
                only=given.only,
                report_line=lambda line: print(line, file=sys.stderr, flush=True),
            )
        except EdgewrightError as error:
            print(error, file=sys.stderr)
            return 2
        reached &= _people(forms)
    print(f"\n{time.process_time():.0f} CPU-seconds in all.")
    return 0 if reached else 1


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    shared = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "har-hapt"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compress")
    parser.add_argument("--data", default=str(shared), help="folder of the set")
    parser.add_argument("--sizes-only", action="store_true", help="no cross-validation")
    parser.add_argument("--every", type=int, default=2, help="people left out at a time")
    parser.add_argument("--only", type=int, default=None, help="number of folds; all when left out")
    parser.add_argument("--seed", type=int, default=7, help="of the runs")
    parser.add_argument("--set", action="append", default=[], help="a change of the pipeline, key=value")
    return parser.parse_args(arguments)


def _sizes() -> bool:
    rows, reached = [], True
    for widths, (minimum, least_tflite) in RATIOS.items():
        model_sizes = sizes(widths)
        name = f"{'-'.join(map(str, widths))}, {model_sizes.parameters:,} parameters"
        for kind, (before, after), least_ratio in (
            ("compact ONNX", model_sizes.onnx, minimum),
            (".tflite, float ends", model_sizes.tflite, least_tflite),
        ):
            good = before / after >= least_ratio
            reached &= good
            asks = f"at least {least_ratio}x: {verdict(good)}"
            rows.append([name, kind, f"{before:,}", f"{after:,}", f"{before / after:.2f}x", asks])
        before, after = model_sizes.tflite[0], model_sizes.tflite_int8_ends
        rows.append([name, ".tflite, int8 ends", f"{before:,}", f"{after:,}", f"{before / after:.2f}x", ""])
    print("Bytes of a dense network alone:\n")
    print(markdown(["network", "file", "float", "int8", "smaller", "asked"], rows))
    return reached


def _people(forms: dict[str, Form]) -> bool:
    rows, reached, first = [], True, forms["float"]
    for name, form in forms.items():
        accuracy = metrics.group_interval(form.people, _mean(form.right.astype(np.float64)))
        lost = first.right.astype(np.float64) - form.right.astype(np.float64)
        drop = metrics.group_interval(form.people, _mean(100 * lost))
        flips = int((form.answers != first.answers).sum())
        asks = ""
        if name in POINTS:
            good = drop.value <= POINTS[name]
            reached &= good
            asks = f"at most {POINTS[name]} points: {verdict(good)}"
        rows.append(
            [
                name,
                f"{accuracy.value:.4f} ({accuracy.low:.4f} to {accuracy.high:.4f})",
                "" if form is first else f"{drop.value:+.2f} ({drop.low:+.2f} to {drop.high:+.2f})",
                "" if form is first else f"{flips:,}",
                f"{form.macs:,}",
                asks,
            ]
        )
    people = len(np.unique(first.people))
    text = f"{len(first.right):,} windows of {people} people"
    print(f"\n`hapt`, {text}, each answered by networks that have not seen them:\n")
    print(markdown(["form", "accuracy", "points lost", "flips", "multiply-accumulates", "asked"], rows))
    return reached


def _mean(values: NDArray[np.float64]) -> Callable[[metrics.Numbers], float]:
    return lambda indices: float(values[indices].mean())


if __name__ == "__main__":
    sys.exit(main())
