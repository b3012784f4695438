"""Prints how long one row takes in every engine, against what is promised."""

from __future__ import annotations

import os
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from benchmarks.predict.models import Timed, models  # noqa: E402 - after the threads are set
from benchmarks.predict.peers import measure, peers, ratio  # noqa: E402
from benchmarks.table import markdown, median, verdict  # noqa: E402
from edgewright.graph.onnx_writer import to_onnx  # noqa: E402
from edgewright.runtime import engines  # noqa: E402

_FIFTH, _FIFTEENTH = 1 / 5, 1 / 15
# Of ten models the engine that `predict` chooses must be the fastest in nine.
_SHARE = 0.9


def main() -> int:
    """Prints the table; 1 when a target is missed."""
    rows, reached, chosen_fastest = [], [], []
    for timed in models():
        found = measure(peers(timed))
        times = {name: median(each) for name, each in found.items()}
        ratios = {name: ratio(found, name, "extension") for name in found}
        chosen, fastest = engines.choose(model=to_onnx(timed.graph)).name, min(ratios, key=ratios.__getitem__)
        chosen_fastest.append(chosen == fastest)
        lite, onnx = ratio(found, "extension", "litert"), ratio(found, "extension", "onnxruntime")
        said, within = _target(timed, lite, onnx)
        reached.append(within)
        shown = [f"{times[name]:.2f}" for name in ("extension", "litert", "onnxruntime", "numpy")]
        rows.append([timed.name, *shown, f"{lite:.2f} / {onnx:.3f}", f"{chosen} / {fastest}", said])
    headers = ["µs a row, p50", "extension", "LiteRT (network alone)", "ONNX Runtime", "NumPy"]
    print(markdown([*headers, "extension / LiteRT, / ONNX Runtime", "chosen / fastest", "target"], rows))
    count = sum(chosen_fastest)
    enough = count >= _SHARE * len(chosen_fastest)
    print(f"\n`predict` chooses the fastest in {count} of {len(chosen_fastest)} models: {verdict(enough)}")
    return 0 if enough and all(reached) else 1


def _target(timed: Timed, lite: float, onnx: float) -> tuple[str, bool]:
    """What was promised, from the ratios to LiteRT and to ONNX Runtime."""
    if timed.target == "fifth":
        within = lite <= _FIFTH and onnx <= _FIFTEENTH
        return f"1/5 of LiteRT, 1/15 of ONNX Runtime: {verdict(within)}", within
    if timed.target == "as fast":
        return f"no slower than LiteRT: {verdict(lite <= 1)}", lite <= 1
    return "", True


if __name__ == "__main__":
    sys.exit(main())
