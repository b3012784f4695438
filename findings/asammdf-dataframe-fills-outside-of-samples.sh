#!/usr/bin/env bash
# asammdf 8.6.10: `MDF.to_dataframe()` without further options puts channels of several rates on one clock and leaves no
# cell empty. A channel that was recorded from .5 s to 1 s has its first value at 0 s and its last value at 2 s; float
# channels are interpolated, integer channels hold the previous value. Rows before a sensor was on look like measurements.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet asammdf==8.6.10
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from asammdf import MDF, Signal

log = MDF(version="4.10")
log.append([Signal(np.array([0, 4, 8, 12, 16], np.int16), np.arange(5) * 0.5, name="fast")])
log.append([Signal(np.array([0.0, 20.0]), np.array([0.0, 2.0]), name="slow_float")])
log.append([Signal(np.array([0, 20], np.int16), np.array([0.0, 2.0]), name="slow_integer")])
log.append([Signal(np.array([1.0, 3.0]), np.array([0.5, 1.0]), name="short")])
log.save("log.mf4", overwrite=True)
table = MDF("log.mf4").to_dataframe()
print(table)
assert list(table["short"]) == [1, 1, 3, 3, 3], list(table["short"])
assert list(table["slow_float"]) == [0, 5, 10, 15, 20]
assert list(table["slow_integer"]) == [0, 0, 0, 0, 20]
PYTHON
