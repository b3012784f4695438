"""Prints how long one row takes in every engine, against what is promised; with VNNI, also without it (`masked`)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from benchmarks.predict import pictures  # noqa: E402 - after the threads are set
from benchmarks.predict.masked import can_mask, masked  # noqa: E402
from benchmarks.predict.models import Timed, models  # noqa: E402
from benchmarks.predict.peers import measure, peers, ratio  # noqa: E402
from benchmarks.table import markdown, median, verdict  # noqa: E402
from edgewright.core import engines  # noqa: E402
from edgewright.core.prediction.objects import cpu_features  # noqa: E402
from edgewright.graph.onnx_writer import to_onnx  # noqa: E402

_SHOWN = ("extension", "litert", "litert network", "onnxruntime", "numpy")
_FIFTH, _FIFTEENTH = 1 / 5, 1 / 15


def main() -> int:
    """Print the table of this processor and of the masked one; 1 when a target is missed."""
    status = _table() | (not pictures.table())
    if can_mask():
        with tempfile.TemporaryDirectory(prefix="edgewright-masked-") as folder:
            command = [sys.executable, "-m", "benchmarks.predict"]
            status |= subprocess.run(command, env=masked(Path(folder)), check=False).returncode
    return status


def _table() -> int:
    rows, reached, chosen_fastest, features = [], [], [], cpu_features()
    for timed in models():
        timings = measure(peers(timed))
        times = {name: median(each) for name, each in timings.items()}
        # The network alone answers no row: it stands beside, and is no engine.
        ratios = {name: ratio(timings, name, "extension") for name in timings if name != "litert network"}
        chosen, fastest = engines.choose(model=to_onnx(timed.graph)).name, min(ratios, key=ratios.__getitem__)
        chosen_fastest.append(chosen == fastest)
        lite, alone, onnx = (ratio(timings, "extension", name) for name in ("litert", "litert network", "onnxruntime"))
        text, within = _target(timed, lite, alone, onnx)
        reached.append(within)
        shown = [f"{times[name]:.2f}" for name in _SHOWN]
        rows.append([timed.name, *shown, f"{lite:.2f} / {alone:.2f} / {onnx:.3f}", f"{chosen} / {fastest}", text])
    best = next((name for name in ("avx512_vnni", "avx_vnni", "avx512f", "avx2", "sse4_1") if name in features), "")
    print(f"\nBest instructions of the processor: {best or 'unknown'}\n")
    headers = ["µs a row, p50", "extension", "LiteRT", "LiteRT, network alone", "ONNX Runtime", "NumPy"]
    print(
        markdown(
            [
                *headers,
                "extension / LiteRT, / network alone, / ONNX Runtime",
                "chosen / fastest",
                "no slower than LiteRT's network alone",
            ],
            rows,
        )
    )
    count = sum(chosen_fastest)
    enough = all(chosen_fastest)
    print(f"\n`predict` chooses the fastest in {count} of {len(chosen_fastest)} models: {verdict(enough)}", flush=True)
    return 0 if enough and all(reached) else 1


def _target(timed: Timed, lite: float, alone: float, onnx: float) -> tuple[str, bool]:
    """Judge the ratios to LiteRT with the whole file, to its network alone, and to ONNX Runtime.

    LiteRT's network alone is the harder one: it is spared preprocessing, softmax and label.
    """
    if timed.target == "fifth":
        within = lite <= _FIFTH and onnx <= _FIFTEENTH
        more = f"{verdict(alone <= 1)}; 1/5 of LiteRT, 1/15 of ONNX Runtime: {verdict(within)}"
        return more, within and alone <= 1
    return verdict(alone <= 1), alone <= 1


if __name__ == "__main__":
    sys.exit(main())
