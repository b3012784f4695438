"""Prints how long one row takes in every engine, against what is promised."""

from __future__ import annotations

import os
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from benchmarks.predict.models import Timed, models  # noqa: E402 - after the threads are set
from benchmarks.predict.peers import measure, peers  # noqa: E402
from benchmarks.table import markdown, verdict  # noqa: E402
from edgewright.graph.onnx_writer import to_onnx  # noqa: E402
from edgewright.runtime import engines  # noqa: E402

_FIFTH, _FIFTEENTH = 1 / 5, 1 / 15
# Of ten models the engine that `predict` chooses must be the fastest in nine.
_SHARE = 0.9


def main() -> int:
    """Prints the table; 1 when a target is missed."""
    rows, reached, chosen_fastest = [], [], []
    for timed in models():
        times = measure(peers(timed))
        chosen, fastest = engines.choose(model=to_onnx(timed.graph)).name, min(times, key=times.__getitem__)
        chosen_fastest.append(chosen == fastest)
        said, within = _target(timed, times)
        reached.append(within)
        shown = [f"{times[name]:.2f}" for name in ("extension", "litert", "onnxruntime", "numpy")]
        ratios = f"{times['extension'] / times['litert']:.2f} / {times['extension'] / times['onnxruntime']:.3f}"
        rows.append([timed.name, *shown, ratios, f"{chosen} / {fastest}", said])
    headers = ["µs a row, p50", "extension", "LiteRT (network alone)", "ONNX Runtime", "NumPy"]
    print(markdown([*headers, "extension / LiteRT, / ONNX Runtime", "chosen / fastest", "target"], rows))
    count = sum(chosen_fastest)
    enough = count >= _SHARE * len(chosen_fastest)
    print(f"\n`predict` chooses the fastest in {count} of {len(chosen_fastest)} models: {verdict(enough)}")
    return 0 if enough and all(reached) else 1


def _target(timed: Timed, times: dict[str, float]) -> tuple[str, bool]:
    own, lite, onnx = times["extension"], times["litert"], times["onnxruntime"]
    if timed.target == "fifth":
        within = own <= _FIFTH * lite and own <= _FIFTEENTH * onnx
        return f"1/5 of LiteRT, 1/15 of ONNX Runtime: {verdict(within)}", within
    if timed.target == "as fast":
        return f"no slower than LiteRT: {verdict(own <= lite)}", own <= lite
    return "", True


if __name__ == "__main__":
    sys.exit(main())
