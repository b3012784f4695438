"""Models per processor minute: the 64 architectures of two layers of 8 to 64 units, in three tools."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.table import ROOT, markdown, python, verdict
from benchmarks.training.__main__ import THREADS
from benchmarks.training.environments import PEERS, interpreter, script

ARCHITECTURES = list(itertools.product(range(8, 65, 8), repeat=2))
# A peer trains every eighth, spread over the range: 64 of Keras' take minutes.
OF_PEERS = ARCHITECTURES[4::9]
TARGET, OF_SKLEARN, OF_KERAS = 600.0, 5.0, 25.0


def ours() -> float:
    """Processor seconds of all 64, compilation included, imports left out."""
    sys.path.insert(0, str(Path(script("sklearn")).parent))
    import numpy as np  # noqa: PLC0415
    from problem import BATCH, EPOCHS, LEARNING_RATE, data  # type: ignore[import-not-found]  # noqa: PLC0415

    from edgewright.models.architecture import architecture  # noqa: PLC0415
    from edgewright.training.loop import Sampled, Settings  # noqa: PLC0415
    from edgewright.training.padded import fit_padded  # noqa: PLC0415
    from edgewright.training.rows import ArrayRows  # noqa: PLC0415

    x, y = data([10, 64, 64, 3], 8000)
    began = time.process_time()
    samples = Sampled(ArrayRows(x), y.astype(np.float32), np.ones(len(x), np.float32))
    settings = Settings("softmax_cross_entropy", epochs=EPOCHS, batch=BATCH, learning_rate=LEARNING_RATE)
    networks = [architecture([{"kind": "dense", "units": u} for u in widths], (10,), 3) for widths in ARCHITECTURES]
    for network in networks:
        fit_padded(network.initialise(np.random.default_rng(0)), samples, settings)
    return time.process_time() - began


def main(rest: list[str]) -> int:
    """Print the table; 1 when a limit does not hold. `--ours` trains in this process and print seconds alone."""
    if rest == ["--ours"]:
        print(ours())
        return 0
    with tempfile.TemporaryDirectory() as cache:
        settings = {**os.environ, **THREADS, "XDG_CACHE_HOME": cache}
        command = [python(), "-m", "benchmarks.search", "sweep", "--ours"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=settings, cwd=ROOT)
        rates = {"edgewright": 60 * len(ARCHITECTURES) / float(done.stdout)}
        for peer, (short, _) in PEERS.items():
            # The first loads what all need and is not counted, as imports of ours are not.
            sizes = [[10, *widths, 3] for widths in (ARCHITECTURES[0], *OF_PEERS)]
            case = json.dumps({"sizes": sizes[0], "rows": 8000, "sweep": sizes})
            lines = [interpreter(peer), script(short), case]
            ended = subprocess.run(lines, check=True, capture_output=True, text=True, env=settings, cwd=ROOT)
            rates[short] = 60 * len(OF_PEERS) / sum(json.loads(ended.stdout.splitlines()[-1])["sweep"][1:])
    own = rates["edgewright"]
    kept = [own >= TARGET, own >= OF_SKLEARN * rates["sklearn"], own >= OF_KERAS * rates["keras"]]
    rows = [
        ["Edgewright, compilation included", f"{own:.0f}", f"{TARGET:.0f}", verdict(kept[0])],
        ["scikit-learn", f"{rates['sklearn']:.0f}", f"ours {OF_SKLEARN:.0f}x", verdict(kept[1])],
        ["Keras on JAX, compilation included", f"{rates['keras']:.0f}", f"ours {OF_KERAS:.0f}x", verdict(kept[2])],
    ]
    print(markdown(["64 architectures", "models per processor minute", "target", ""], rows))
    print(f"peers from {len(OF_PEERS)} of the 64; load of the machine {os.getloadavg()[0]:.1f}")
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
