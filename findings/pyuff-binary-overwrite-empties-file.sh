#!/usr/bin/env bash
# pyuff 2.5.8: `write_sets(set58, mode="overwrite")` with `binary=1` raises nothing and leaves a file of one line ("-1")
# that holds neither header nor data; with mode="add" on a new file the same set is written and read back. The text form
# of the same set is right in both modes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyuff==2.5.8
cd "$folder"
venv/bin/python - <<'PYTHON'
from pathlib import Path

import numpy as np
import pyuff


def size_and_sets(binary: int, mode: str) -> tuple[int, int]:
    """Write a time signal of 100 samples; return the bytes of the file and the number of sets in it."""
    path = Path(f"{binary}{mode}.uff")
    signal = pyuff.prepare_58(
        binary=binary, func_type=1, rsp_node=1, rsp_dir=1, ref_node=1, ref_dir=1, data=np.arange(100.0),
        x=np.arange(100) * 0.01, id1="a", rsp_ent_name="n", ref_ent_name="n", abscissa_spacing=1,
        abscissa_spec_data_type=17, ordinate_spec_data_type=12, orddenom_spec_data_type=0, ver_num=0,
    )
    pyuff.UFF(str(path)).write_sets(signal, mode)
    return path.stat().st_size, pyuff.UFF(str(path)).get_n_sets()


for binary in (0, 1):
    for mode in ("overwrite", "add"):
        size, sets = size_and_sets(binary, mode)
        print(f"binary={binary} mode={mode}: {size} bytes, {sets} sets")
        is_lost = binary == 1 and mode == "overwrite"
        assert (sets == 0 and size < 10) if is_lost else (sets == 1 and size > 800), (binary, mode, size, sets)
PYTHON
