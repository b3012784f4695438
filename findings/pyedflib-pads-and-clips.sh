#!/usr/bin/env bash
# pyedflib 0.1.42: 250 samples at 100 Hz become 300 in the file: the last record of a second is filled with values near 0,
# which no field of the file marks. Values beyond `physical_max` are written as `physical_max`. Nothing is raised in either case.
# edfio 0.4.18 refuses both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyEDFlib==0.1.42 edfio==0.4.18
cd "$folder"
venv/bin/python - <<'PYTHON'
import edfio
import numpy as np
import pyedflib

HEADER = {
    "label": "a", "dimension": "mV", "sample_frequency": 100, "physical_max": 10, "physical_min": -10,
    "digital_max": 32767, "digital_min": -32768, "transducer": "", "prefilter": "",
}


def written(values: np.ndarray) -> np.ndarray:
    """Write values in millivolts and read them back."""
    with pyedflib.EdfWriter("a.edf", 1, file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setSignalHeader(0, HEADER)
        writer.writeSamples([values])
    with pyedflib.EdfReader("a.edf") as reader:
        return reader.readSignal(0)


padded = written(np.full(250, 5.0))
print(len(padded), padded[-1])
assert len(padded) == 300 and abs(padded[249] - 5) < 1e-3 and np.all(abs(padded[250:]) < 1e-3)
clipped = written(np.full(200, 50.0))
print(clipped.max())
assert np.all(clipped == 10)
for values, limits in ((np.full(250, 5.0), (-10, 10)), (np.full(200, 50.0), (-10, 10))):
    try:
        edfio.Edf([edfio.EdfSignal(values, 100, label="a", physical_range=limits)]).write("b.edf")
    except ValueError as error:
        print("edfio:", error)
    else:
        raise AssertionError("edfio wrote it")
PYTHON
