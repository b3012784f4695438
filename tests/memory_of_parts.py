"""Runs a pipeline in this process and prints its largest resident memory and its accuracy."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from pathlib import Path

from edgewright.data import targets
from edgewright.pipeline import fitting, material
from edgewright.pipeline.config import read_config
from edgewright.pipeline.package import packaging
from edgewright.pipeline.run import run_pipeline
from edgewright.training import loop

# What a run holds at once, made small so that a small data set is many times as large.
targets.PIECE_BYTES = loop.CHUNK_BYTES = fitting._FIT_BYTES = material._SAMPLED_BYTES = packaging._SAMPLED_BYTES = 2**20


class Peak(threading.Thread):
    """Looks at resident memory every two milliseconds; a run resets the kernel's own mark."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.ended = 0, False

    def run(self) -> None:
        while not self.ended:
            self.most = max(self.most, int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
            time.sleep(0.002)


def main() -> None:
    """Print the bytes and the accuracy of one pipeline."""
    with tempfile.TemporaryDirectory() as out:
        peak = Peak()
        peak.start()
        result = run_pipeline(read_config(sys.argv[1]), out=out)
        peak.ended = True
        peak.join()
    evaluation = result.trace.evaluation
    assert evaluation is not None
    assert evaluation.accuracy is not None
    print(json.dumps((peak.most, evaluation.accuracy.value)))


if __name__ == "__main__":
    main()
