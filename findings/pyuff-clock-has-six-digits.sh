#!/usr/bin/env bash
# pyuff 2.5.8 writes values of a set 58 with twelve digits and the start and step of its clock with six, also where the
# values are double precision: a clock that starts at 1700123456.25 s (Unix time) is read from 1700120000 s, 58 minutes
# earlier, and 44,100 samples a second are .7 of a sample off after ten seconds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyuff==2.5.8
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import pyuff


def read_clock(x: np.ndarray) -> np.ndarray:
    """Write a time signal with this clock in seconds and return the clock that is read."""
    signal = pyuff.prepare_58(
        binary=0, func_type=1, rsp_node=1, rsp_dir=1, ref_node=1, ref_dir=1, data=np.zeros(len(x)), x=x, id1="a",
        rsp_ent_name="n", ref_ent_name="n", abscissa_spacing=1, abscissa_spec_data_type=17, ordinate_spec_data_type=12,
        orddenom_spec_data_type=0, ver_num=0,
    )
    pyuff.UFF("a.uff").write_sets(signal, "overwrite")
    return pyuff.UFF("a.uff").read_sets(0)["x"]


late = 1_700_123_456.25 + np.arange(10) * 0.1
start = read_clock(late)[0]
print("start", late[0], "->", start)
assert start == 1_700_120_000
long = np.arange(441_000) / 44_100
drift = (read_clock(long)[-1] - long[-1]) * 44_100
print("drift after 10 s:", round(drift, 3), "samples")
assert -0.75 < drift < -0.7
PYTHON
